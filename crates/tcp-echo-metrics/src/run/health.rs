//! Asks the running process whether it is ready, for containers without a shell.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::process::ExitCode;
use std::time::Duration;

use tcp_echo_net::{Address, Host};

/// How long each step of an answer may take.
const TIMEOUT: Duration = Duration::from_secs(2);

/// No more of an answer is read. It is a line of text.
const MAX_ANSWER: u64 = 8 * 1024;

/// Returns the status of `-health`: 0 if the process whose endpoints are at this address is ready.
pub(super) fn status(metrics: &Address) -> ExitCode {
    match ask(metrics) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            tcp_echo_log::write_line(&format!("tcp-echo-metrics: not ready: {reason}"));
            ExitCode::FAILURE
        }
    }
}

/// Fails with the reason why it is not ready.
fn ask(metrics: &Address) -> Result<(), String> {
    let mut reason = format!("{metrics} has no address");
    for address in addresses(metrics).map_err(|error| format!("{metrics}: {error}"))? {
        match answer(address) {
            Ok(answer) => return judge(&answer),
            Err(error) => reason = format!("{address}: {}", describe(&error)),
        }
    }
    Err(reason)
}

/// The addresses to ask. Endpoints on all addresses are on those of loopback.
fn addresses(metrics: &Address) -> io::Result<Vec<SocketAddr>> {
    let port = metrics.port();
    let loopback = |ip: IpAddr| -> Vec<IpAddr> {
        match ip {
            IpAddr::V4(ip) if ip.is_unspecified() => vec![Ipv4Addr::LOCALHOST.into()],
            IpAddr::V6(ip) if ip.is_unspecified() => {
                vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
            }
            ip => vec![ip],
        }
    };
    let ips = match metrics.host() {
        None => loopback(Ipv6Addr::UNSPECIFIED.into()),
        Some(Host::Ip(ip)) => loopback(*ip),
        Some(_) => return Ok(metrics.to_string().to_socket_addrs()?.collect()),
    };
    Ok(ips.into_iter().map(|ip| (ip, port).into()).collect())
}

/// Asks in plain text, and in TLS if that is answered as by endpoints with TLS.
fn answer(address: SocketAddr) -> io::Result<String> {
    let plain = exchange(connect(address)?, address);
    #[cfg(feature = "tls")]
    if speaks_tls(&plain) {
        let stream = connect(address)?;
        let secured = tcp_echo_web::connect_to_own(stream, address.ip())?;
        return match exchange(secured, address) {
            Err(error) if tcp_echo_web::wants_client_certificate(&error) => {
                Ok("HTTP/1.1 401 wants a certificate".to_owned())
            }
            answer => answer,
        };
    }
    plain
}

/// Endpoints with TLS answer 400 to plain text. They close before they have read all of it, so the
/// answer may be lost.
#[cfg(feature = "tls")]
fn speaks_tls(plain: &io::Result<String>) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    match plain {
        Ok(answer) => status_of(answer) == "400",
        Err(error) => matches!(
            error.kind(),
            BrokenPipe | ConnectionAborted | ConnectionReset
        ),
    }
}

fn status_of(answer: &str) -> &str {
    answer.split_ascii_whitespace().nth(1).unwrap_or_default()
}

/// The system's text of a timeout says something else.
fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            format!("no answer within {} s", TIMEOUT.as_secs())
        }
        _ => error.to_string(),
    }
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    Ok(stream)
}

fn exchange(mut stream: impl Read + Write, address: SocketAddr) -> io::Result<String> {
    let request = format!("GET /-/ready HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    match stream.take(MAX_ANSWER).read_to_end(&mut answer) {
        // The end may be abrupt once the answer is there.
        Err(error) if answer.is_empty() => Err(error),
        _ => Ok(String::from_utf8_lossy(&answer).into_owned()),
    }
}

/// A process that serves, but does not tell a stranger whether it is ready, counts as ready.
fn judge(answer: &str) -> Result<(), String> {
    match status_of(answer) {
        "200" | "401" | "403" | "421" => Ok(()),
        "503" => {
            let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
            let reason = body.trim().trim_start_matches("not ready: ");
            Err(reason.escape_debug().to_string())
        }
        _ => {
            let line = answer.lines().next().unwrap_or_default();
            Err(format!("the answer was \"{}\"", line.escape_debug()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_judged_by_its_status() {
        for (answer, expected) in [
            ("HTTP/1.1 200 OK\r\n\r\nready\n", Ok(())),
            ("HTTP/1.1 401 Unauthorized\r\n\r\n", Ok(())),
            (
                "HTTP/1.1 503 Service Unavailable\r\nA: b\r\n\r\nnot ready: 1 of 2 targets not tried yet\n",
                Err("1 of 2 targets not tried yet".to_owned()),
            ),
            (
                "HTTP/1.1 404 Not Found\r\n\r\n",
                Err("the answer was \"HTTP/1.1 404 Not Found\"".to_owned()),
            ),
            ("", Err("the answer was \"\"".to_owned())),
            ("\x1b[2J", Err("the answer was \"\\u{1b}[2J\"".to_owned())),
        ] {
            assert_eq!(judge(answer), expected, "{answer:?}");
        }
    }

    #[test]
    fn all_addresses_are_asked_on_loopback() {
        for (metrics, asked) in [
            (":9090", "127.0.0.1:9090 [::1]:9090"),
            ("0.0.0.0:9090", "127.0.0.1:9090"),
            ("[::]:9090", "127.0.0.1:9090 [::1]:9090"),
            ("192.0.2.1:80", "192.0.2.1:80"),
            ("[2001:db8::1]:80", "[2001:db8::1]:80"),
        ] {
            let addresses = addresses(&metrics.parse().unwrap()).unwrap();
            let addresses: Vec<_> = addresses.iter().map(SocketAddr::to_string).collect();
            assert_eq!(addresses.join(" "), asked);
        }
    }
}
