//! Asks the running process whether it is ready, for containers without a shell.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use tcp_echo_net::{Address, Host};

/// How long an answer may take, from all addresses together.
const TIMEOUT: Duration = Duration::from_secs(2);

/// No more of an answer is read. It is a line of text.
const MAX_ANSWER: u64 = 8 * 1024;

/// Returns the exit status of `-health`: 0 if the process whose endpoints are at this address is ready.
pub(super) fn exit_code(metrics: &Address) -> ExitCode {
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
    let deadline = Instant::now() + TIMEOUT;
    for address in addresses(metrics).map_err(|error| format!("{metrics}: {error}"))? {
        match answer(address, deadline) {
            Ok(answer) => return judge(&answer),
            Err(error) => reason = format!("{address}: {error}"),
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

/// Asks in plain text, and in TLS if that is what is spoken there. No file tells it: the running
/// process may have read another one.
fn answer(address: SocketAddr, deadline: Instant) -> io::Result<String> {
    let plain = exchange(connect(address, deadline)?, address);
    match plain {
        // Endpoints with TLS answer plain HTTP with the status 400.
        Ok(answer) if answer.starts_with("HTTP/") && status(&answer) != "400" => Ok(answer),
        #[cfg(feature = "tls")]
        _ => {
            let stream = connect(address, deadline)?;
            let secured = tcp_echo_web::connect_to_own(stream, address.ip())?;
            match exchange(secured, address) {
                Err(error) if tcp_echo_web::wants_client_certificate(&error) => {
                    Ok("HTTP/1.1 401 wants a certificate".to_owned())
                }
                answer => answer,
            }
        }
        #[cfg(not(feature = "tls"))]
        answer => answer,
    }
}

fn connect(address: SocketAddr, deadline: Instant) -> io::Result<Connection> {
    let stream = TcpStream::connect_timeout(&address, left(deadline)?).map_err(described)?;
    Ok(Connection { stream, deadline })
}

fn exchange(mut stream: impl Read + Write, address: SocketAddr) -> io::Result<String> {
    write!(
        stream,
        "GET /-/ready HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    match stream.take(MAX_ANSWER).read_to_end(&mut answer) {
        // The end may be abrupt once the answer is there.
        Err(error) if answer.is_empty() => Err(error),
        _ => Ok(String::from_utf8_lossy(&answer).into_owned()),
    }
}

/// A connection that fails at the deadline, however slowly bytes come.
struct Connection {
    stream: TcpStream,
    deadline: Instant,
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(left(self.deadline)?))?;
        self.stream.read(buffer).map_err(described)
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(left(self.deadline)?))?;
        match self.stream.write(bytes) {
            // What the other end said before it closed tells more, and is there to be read.
            Err(error) if is_closed(&error) => Ok(bytes.len()),
            written => written.map_err(described),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// The time to the deadline.
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(late());
    }
    Ok(left)
}

fn is_closed(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
    )
}

fn late() -> io::Error {
    let text = format!("no answer within {} s", TIMEOUT.as_secs());
    io::Error::new(io::ErrorKind::TimedOut, text)
}

/// A timeout of a socket, which systems describe in different words.
fn described(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => late(),
        _ => error,
    }
}

/// The status in an answer; empty if it is none of HTTP.
fn status(answer: &str) -> &str {
    answer.split_ascii_whitespace().nth(1).unwrap_or_default()
}

/// A process that serves, but does not tell a stranger whether it is ready, counts as ready.
fn judge(answer: &str) -> Result<(), String> {
    match status(answer) {
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
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// The reason of a server that does this with each connection.
    fn reason(serve: fn(TcpStream)) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let metrics = listener.local_addr().unwrap().to_string();
        thread::spawn(move || listener.incoming().flatten().for_each(serve));
        ask(&metrics.parse().unwrap()).unwrap_err()
    }

    #[test]
    fn an_answer_takes_two_seconds_at_most() {
        let silent: fn(TcpStream) = |stream| {
            thread::sleep(TIMEOUT * 2);
            drop(stream);
        };
        let slow: fn(TcpStream) = |mut stream| {
            while stream.write_all(b"H").is_ok() {
                thread::sleep(TIMEOUT / 10);
            }
        };
        for serve in [silent, slow] {
            let start = Instant::now();
            let reason = reason(serve);
            assert!(reason.ends_with(": no answer within 2 s"), "{reason}");
            assert!(start.elapsed() < TIMEOUT * 2);
        }
    }

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
