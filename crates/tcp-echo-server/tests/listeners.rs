//! Listeners that were bound before.

#[cfg(test)]
mod common;

use std::io;

use common::{echo, pattern, within};
use tcp_echo_server::{Server, ServerConfig};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

#[tokio::test]
async fn all_of_them_are_served_whether_they_block_or_not() {
    let [blocking, other] = [(); 2].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    other.set_nonblocking(true).unwrap();
    let addresses = [&blocking, &other].map(|one| one.local_addr().unwrap());
    // A connection that waits already is served like later ones.
    let mut early = TcpStream::connect(addresses[0]).await.unwrap();

    let server = Server::from_listeners([blocking, other], ServerConfig::default()).unwrap();
    assert_eq!(server.local_addr(), addresses[0]);
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(server.run(async {
        let _ = stopped.await;
    }));
    echo(&mut early, &pattern(100)).await;
    for address in addresses {
        let mut stream = TcpStream::connect(address).await.unwrap();
        echo(&mut stream, &pattern(100)).await;
    }
    drop(stop);
    within(running).await.unwrap().unwrap();
    for address in addresses {
        assert!(TcpStream::connect(address).await.is_err());
    }
}

#[tokio::test]
async fn none_is_an_error() {
    let error = Server::from_listeners([], ServerConfig::default()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}
