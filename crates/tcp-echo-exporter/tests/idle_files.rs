//! A process without file descriptors closes idle connections. The limit is that of the whole
//! process, so this is the only test of the binary.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "test helpers may panic")]

mod common;

use std::{fs::File, time::Duration};

use common::{BUILD, request_on, serve};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tcp_echo_exporter::Endpoints;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::{sleep, timeout},
};

#[tokio::test]
async fn idle_connections_are_closed_for_file_descriptors() {
    const IDLE: usize = 5;
    let (address, _tasks) = serve(Endpoints::new(BUILD)).await;
    let mut idle = Vec::new();
    for _ in 0..IDLE {
        idle.push(TcpStream::connect(address).await.unwrap());
    }
    // Their peers' sockets need descriptors, too.
    let clients = [(); IDLE].map(|()| TcpSocket::new_v4().unwrap());
    // Once a later connection is answered, these were accepted.
    let first = TcpStream::connect(address).await.unwrap();
    assert_eq!(
        request_on(first, "GET", "/-/healthy", &[]).await.status,
        200
    );
    sleep(Duration::from_millis(50)).await;
    let limit = Rlimit {
        current: Some(100),
        maximum: getrlimit(Resource::Nofile).maximum,
    };
    setrlimit(Resource::Nofile, limit).unwrap();
    let null = || File::open("/dev/null");
    let _others: Vec<_> = std::iter::from_fn(|| null().ok()).collect();

    // Each stays connected, so only those of idle connections are left.
    let mut served = Vec::new();
    for client in clients {
        let answer = async {
            let mut client = client.connect(address).await.unwrap();
            let question = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n";
            client.write_all(question).await.unwrap();
            let mut answer = [0; 15];
            client.read_exact(&mut answer).await.unwrap();
            served.push(client);
            answer
        };
        let answer = timeout(Duration::from_secs(5), answer).await;
        assert_eq!(&answer.unwrap(), b"HTTP/1.1 200 OK");
    }
}
