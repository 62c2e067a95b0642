use std::io::{Read, Write};
use std::net::UdpSocket;
use std::time::Duration;

use tcp_echo_socket::tcp_info;

use crate::pair;

#[test]
fn a_connection_in_use_has_its_times() {
    let (mut near, mut far) = pair();
    let mut frame = [1; 16];
    for _ in 0..20 {
        near.write_all(&frame).unwrap();
        far.read_exact(&mut frame).unwrap();
        far.write_all(&frame).unwrap();
        near.read_exact(&mut frame).unwrap();
    }
    let info = tcp_info(&near).unwrap();
    assert!(info.srtt > Duration::ZERO);
    assert!(info.min_rtt.unwrap() > Duration::ZERO);
    assert!(info.min_rtt.unwrap() < Duration::from_secs(10));
}

#[test]
fn what_is_not_tcp_is_an_error() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    assert!(tcp_info(&socket).is_err());
}
