//! Clients that are slow, silent or still connected at shutdown.

use axum::routing::get;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::oneshot,
    time::Instant,
};

use super::*;

/// Far longer than a busy test machine delays a timer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Starts a server with a small response, a large one, and one that never comes.
async fn start(limits: Limits) -> (SocketAddr, oneshot::Sender<()>, JoinSet<()>) {
    start_with(limits, |exporter| exporter).await
}

async fn start_with(
    limits: Limits,
    with: impl FnOnce(Exporter) -> Exporter,
) -> (SocketAddr, oneshot::Sender<()>, JoinSet<()>) {
    let router = Router::new()
        .route("/", get(async || "hello"))
        .route("/large", get(async || vec![b'x'; 64 << 20]))
        .route("/slow", get(std::future::pending::<&str>));
    let address = "127.0.0.1:0".parse().unwrap();
    let mut exporter = Exporter::bind(&address, router).await.unwrap();
    exporter.limits = limits;
    let exporter = with(exporter);
    let address = exporter.local_addr();
    let (stop, stopped) = oneshot::channel();
    let mut tasks = JoinSet::new();
    tasks.spawn(exporter.serve(async {
        let _ = stopped.await;
    }));
    (address, stop, tasks)
}

async fn request(address: SocketAddr, path: &str) -> TcpStream {
    let mut client = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    client.write_all(request.as_bytes()).await.unwrap();
    client
}

/// Waits until the server closes the connection.
async fn closed(mut client: TcpStream) {
    let mut rest = Vec::new();
    let _ = timeout(TIMEOUT, client.read_to_end(&mut rest))
        .await
        .unwrap();
}

/// Reads the beginning of a 200 response.
async fn answered(mut client: TcpStream) {
    let mut answer = [0; 15];
    let read = timeout(TIMEOUT, client.read_exact(&mut answer)).await;
    read.unwrap().unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
}

#[tokio::test]
async fn shutdown_waits_neither_for_idle_nor_for_busy_clients() {
    let (address, stop, mut tasks) = start(DEFAULT_LIMITS).await;
    let silent = TcpStream::connect(address).await.unwrap();
    let mut kept = request(address, "/").await;
    let mut answer = [0; 16];
    kept.read_exact(&mut answer).await.unwrap();
    let slow = request(address, "/slow").await;
    let stuck = request(address, "/large").await;
    let before = Instant::now();
    drop(stop);
    tasks.join_next().await.unwrap().unwrap();
    assert!(before.elapsed() < Duration::from_secs(1));
    for client in [silent, kept, slow, stuck] {
        closed(client).await;
    }
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_client_that_sends_no_request_is_dropped() {
    let head_timeout = Duration::from_millis(50);
    let (address, _stop, _tasks) = start(Limits {
        head_timeout,
        ..DEFAULT_LIMITS
    })
    .await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHos").await.unwrap();
    closed(client).await;
}

#[tokio::test]
async fn a_connection_ends_at_its_maximum_age() {
    let limits = Limits {
        max_age: Duration::from_millis(50),
        last_request_timeout: Duration::from_millis(50),
        ..DEFAULT_LIMITS
    };
    let (address, _stop, _tasks) = start(limits).await;
    let slow = request(address, "/slow").await;
    let stuck = request(address, "/large").await;
    closed(slow).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    closed(stuck).await;
}

#[tokio::test]
async fn clients_that_hold_all_connections_are_evicted() {
    let limits = Limits {
        max_connections: 4,
        ..DEFAULT_LIMITS
    };
    let (address, _stop, _tasks) = start(limits).await;
    for path in ["/large", "/slow"] {
        let mut held = Vec::new();
        for _ in 0..6 {
            held.push(request(address, path).await);
            answered(request(address, "/").await).await;
        }
    }
}

#[tokio::test]
async fn idle_connections_are_evicted_and_busy_ones_are_not() {
    let limits = Limits {
        max_connections: 4,
        ..DEFAULT_LIMITS
    };
    let (address, _stop, _tasks) = start(limits).await;
    let mut busy = request(address, "/slow").await;
    let mut kept = request(address, "/").await;
    let mut first = [0; 15];
    kept.read_exact(&mut first).await.unwrap();
    for _ in 0..10 {
        // A connection that has sent half a request is idle, too.
        let mut idle = TcpStream::connect(address).await.unwrap();
        idle.write_all(b"GET / HTTP/1.1\r\nHos").await.unwrap();
        answered(request(address, "/").await).await;
        closed(idle).await;
    }
    closed(kept).await;
    let read = timeout(Duration::from_millis(50), busy.read(&mut first)).await;
    assert!(read.is_err(), "the busy one has ended: {read:?}");
}

#[tokio::test]
async fn a_slow_reader_is_reset_for_a_new_connection() {
    let limits = Limits {
        max_connections: 2,
        ..DEFAULT_LIMITS
    };
    let (address, _stop, _tasks) = start(limits).await;
    let mut stuck = request(address, "/large").await;
    let mut head = [0; 15];
    stuck.read_exact(&mut head).await.unwrap();
    // Its socket buffers some megabytes.
    tokio::time::sleep(Duration::from_millis(100)).await;
    answered(request(address, "/").await).await;
    let mut rest = Vec::new();
    let read = timeout(TIMEOUT, stuck.read_to_end(&mut rest))
        .await
        .unwrap();
    assert_eq!(read.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

// Other systems usually have only one loopback address.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn one_address_has_half_of_what_the_others_leave() {
    let limits = Limits {
        max_connections: 4,
        ..DEFAULT_LIMITS
    };
    let (address, _stop, _tasks) = start(limits).await;
    let mut first = request(address, "/slow").await;
    let mut second = request(address, "/slow").await;
    // Another address of this host is another client.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut other = socket.connect(address).await.unwrap();
    let request_head = b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n";
    other.write_all(request_head).await.unwrap();
    // A third connection of the first client evicts one of its own.
    answered(request(address, "/").await).await;
    let mut byte = [0];
    let ends = timeout(TIMEOUT, first.read(&mut byte)).await.unwrap();
    assert_eq!(ends.unwrap_or(0), 0);
    for stays in [&mut second, &mut other] {
        let read = timeout(Duration::from_millis(50), stays.read(&mut byte)).await;
        assert!(read.is_err(), "{read:?}");
    }
}

#[tokio::test]
async fn an_endless_head_is_rejected() {
    let (address, _stop, _tasks) = start(DEFAULT_LIMITS).await;
    let long = vec![b'x'; DEFAULT_LIMITS.max_head_size];
    for head in [&b"GET /"[..], &b"GET / HTTP/1.1\r\nHost: x\r\nX: "[..]] {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(head).await.unwrap();
        client.write_all(&long).await.unwrap();
        let mut answer = [0; 12];
        let read = timeout(TIMEOUT, client.read_exact(&mut answer)).await;
        read.unwrap().unwrap();
        assert_eq!(&answer, b"HTTP/1.1 431");
    }
}

#[tokio::test]
async fn existing_listeners_are_served() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let router = Router::new().route("/", get(async || "hello"));
    let exporter = Exporter::from_listeners([listener], router).unwrap();
    let mut client = request(exporter.local_addr(), "/").await;
    let mut answer = [0; 15];
    tokio::select! {
        () = exporter.serve(std::future::pending()) => {}
        read = timeout(TIMEOUT, client.read_exact(&mut answer)) => { read.unwrap().unwrap(); }
    }
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    assert!(Exporter::from_listeners([], Router::new()).is_err());
}

#[tokio::test]
async fn http_is_spoken_over_the_acceptors_stream() {
    let head_timeout = Duration::from_millis(50);
    let limits = Limits {
        head_timeout,
        ..DEFAULT_LIMITS
    };
    let (first, _stop, _tasks) = start_with(limits, |exporter| {
        exporter.with_acceptor(async |mut stream: TcpStream| {
            let mut greeting = [0; 5];
            stream.read_exact(&mut greeting).await?;
            let known = &greeting == b"hello";
            known
                .then_some(stream)
                .ok_or(io::ErrorKind::InvalidData.into())
        })
    })
    .await;
    let mut client = TcpStream::connect(first).await.unwrap();
    client
        .write_all(b"helloGET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut answer = [0; 15];
    timeout(TIMEOUT, client.read_exact(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    // Neither a rejected client nor a silent one keeps its connection.
    let mut refused = TcpStream::connect(first).await.unwrap();
    refused.write_all(b"HELLO").await.unwrap();
    let silent = TcpStream::connect(first).await.unwrap();
    closed(refused).await;
    closed(silent).await;
}

#[tokio::test]
async fn shutdown_does_not_wait_for_an_acceptor() {
    let (address, stop, mut tasks) = start_with(DEFAULT_LIMITS, |exporter| {
        exporter.with_acceptor(|_| std::future::pending::<io::Result<TcpStream>>())
    })
    .await;
    let client = request(address, "/").await;
    drop(stop);
    let ended = timeout(SHUTDOWN_GRACE / 2, tasks.join_next()).await;
    ended.unwrap().unwrap().unwrap();
    closed(client).await;
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let (address, _stop, _tasks) = start(DEFAULT_LIMITS).await;
    let error = Exporter::bind(&address.into(), Router::new()).await;
    let error = error.unwrap_err();
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}
