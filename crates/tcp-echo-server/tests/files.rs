//! Without free file descriptors, open connections stay served, the accept loop does not spin, and
//! accepting continues once a descriptor is free.
#![cfg(unix)]

#[cfg(test)]
mod common;

use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};
use tcp_echo_server::{Server, ServerConfig};

const IS_CHILD: &str = "TCP_ECHO_SERVER_TEST_FILES";
const FILES: u64 = 40;
const PEERS: usize = 60;
/// How long the server waits when it cannot accept.
const PAUSE: Duration = Duration::from_millis(100);
/// How many connections end, one after the other.
const ENDED: u32 = 15;
/// How long the server has no free descriptor.
const SHORT_OF_FILES: Duration = Duration::from_secs(1);

#[cfg(test)]
fn echoes(peer: &mut TcpStream, limit: Duration) -> bool {
    peer.set_read_timeout(Some(limit)).unwrap();
    let mut back = [0; 4];
    peer.write_all(b"echo").is_ok() && peer.read_exact(&mut back).is_ok() && &back == b"echo"
}

#[test]
fn those_connected_stay_served_and_others_wait() {
    if env::var_os(IS_CHILD).is_some() {
        return serve_with_few_files();
    }
    let mut server = Command::new(env::current_exe().unwrap())
        .args([
            "--exact",
            "those_connected_stay_served_and_others_wait",
            "--nocapture",
        ])
        .env(IS_CHILD, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let mut read_after = |label: &str| {
        let value = lines.find_map(|line| Some(line.split_once(label)?.1.to_owned()));
        value.expect("the server ended early")
    };
    let address: SocketAddr = read_after("listening on ").parse().unwrap();

    // The kernel completes every handshake; the server runs out of files on the way.
    let mut peers: Vec<_> = (0..PEERS)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    let fitting = peers
        .iter_mut()
        .position(|peer| !echoes(peer, Duration::from_secs(1)))
        .expect("some wait");
    let mut waiting = peers.split_off(fitting);
    for peer in &mut waiting[1..ENDED as usize] {
        peer.write_all(b"echo").unwrap();
    }
    assert!(peers.len() > 20, "{} are served", peers.len());

    let start = Instant::now();
    while start.elapsed() < SHORT_OF_FILES {
        for peer in &mut peers {
            assert!(echoes(peer, common::LIMIT));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    // Each is served as soon as another connection ends, in the order of arrival, although the
    // server has just begun a pause. Each has sent its "echo" already.
    let start = Instant::now();
    for next in &mut waiting[..ENDED as usize] {
        drop(peers.pop());
        next.set_read_timeout(Some(common::LIMIT)).unwrap();
        let mut back = [0; 4];
        next.read_exact(&mut back).unwrap();
        assert_eq!(&back, b"echo");
    }
    let took = start.elapsed();
    assert!(took < PAUSE * ENDED / 2, "{took:?}");
    assert!(!echoes(
        &mut waiting[ENDED as usize],
        Duration::from_millis(300)
    ));

    drop(server.stdin.take());
    let errors: u64 = read_after("accept errors ").parse().unwrap();
    let elapsed_ms: u64 = read_after("elapsed ms ").parse().unwrap();
    let cpu_ms: u64 = read_after("cpu ms ").parse().unwrap();
    assert!(server.wait().unwrap().success());
    // One failure per pause and per connection that ended, not a busy loop.
    let max = u128::from(elapsed_ms) / PAUSE.as_millis() + u128::from(ENDED) + 2;
    assert!(errors >= 5 && u128::from(errors) <= max, "{errors}");
    assert!(cpu_ms < elapsed_ms / 4, "{cpu_ms} ms of {elapsed_ms} ms");
}

#[cfg(test)]
fn serve_with_few_files() {
    let limit = Rlimit {
        current: Some(FILES),
        maximum: Some(FILES),
    };
    setrlimit(Resource::Nofile, limit).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let address = "127.0.0.1:0".parse().unwrap();
        let server = Server::bind(&address, ServerConfig::default())
            .await
            .unwrap();
        let stats = server.stats();
        println!("listening on {}", server.local_addr());
        let start = Instant::now();
        let stdin = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
        let running = server.run(async {
            stdin.await.unwrap().unwrap();
        });
        tokio::time::timeout(common::LIMIT * 3, running)
            .await
            .unwrap()
            .unwrap();
        let cpu = Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap();
        println!("accept errors {}", stats.accept_errors());
        println!("elapsed ms {}", start.elapsed().as_millis());
        println!("cpu ms {}", cpu.as_millis());
    });
}
