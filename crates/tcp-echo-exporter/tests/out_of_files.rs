//! A process without file descriptors still exposes all metrics of itself. The limit is that of
//! the whole process, so this is the only test of the binary.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "test helpers may panic")]

mod common;

use common::{BUILD, serve};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tcp_echo_exporter::Endpoints;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Returns the names and values of the `process_*` lines, over an existing connection.
async fn process(stream: &mut TcpStream) -> Vec<(String, f64)> {
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let (mut text, mut buffer) = (String::new(), vec![0; 64 * 1024]);
    let mut whole = false;
    while !whole {
        let len = stream.read(&mut buffer).await.unwrap();
        assert_ne!(len, 0, "an end after {text:?}");
        text.push_str(std::str::from_utf8(&buffer[..len]).unwrap());
        whole = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            length.is_some_and(|length| body.len() == length.parse::<usize>().unwrap())
        });
    }
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("process_"));
    let series = lines.map(|line| line.split_once(' ').unwrap());
    series
        .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
        .collect()
}

#[tokio::test]
async fn a_process_without_file_descriptors_exposes_its_metrics() {
    let (address, _tasks) = serve(Endpoints::new(BUILD)).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let before = process(&mut stream).await;
    let limit = Rlimit {
        current: Some(0),
        maximum: getrlimit(Resource::Nofile).maximum,
    };
    setrlimit(Resource::Nofile, limit).unwrap();
    std::fs::File::open("/proc/self/stat").unwrap_err();
    let after = process(&mut stream).await;

    let names = |series: &[(String, f64)]| -> Vec<_> {
        series.iter().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(&after), names(&before));
    let value = |name: &str| after.iter().find(|series| series.0 == name).unwrap().1;
    assert!(value("max_fds") < 0.5);
    // Two ends of the connection, the listener, and more.
    assert!(value("open_fds") > 3.0);
}
