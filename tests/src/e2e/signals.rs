//! Every mode exits within a second of a signal.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Result, ensure};
use rustix::process::Signal;
use socket2::{Domain, Socket, Type};
use testkit::context::Context;
use testkit::echo::{Echo, EchoServer, signal_name};
use testkit::{ports, wait};

use crate::runner::{PLAIN, Scenario};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "signals in every mode",
        alone: true,
        run: modes,
        ..PLAIN
    },
    Scenario {
        name: "signals during a hanging connect",
        alone: true,
        run: connecting,
        ..PLAIN
    },
];

const SIGNALS: [Signal; 2] = [Signal::TERM, Signal::INT];

fn modes(context: &Context) -> Result<()> {
    for signal in SIGNALS {
        let server = EchoServer::start(context, &[])?;
        let target = format!("-target={}", server.address);
        let client = Echo::start(context, &["-mode=client", &target, "-interval=10ms"])?;
        let listen = ports::free()?;
        let (listen_at, target) = (format!("-listen={listen}"), format!("-target={listen}"));
        let both = Echo::start(
            context,
            &["-mode=both", &listen_at, &target, "-interval=10ms"],
        )?;
        // Idle connections must not delay the exit.
        let _silent = TcpStream::connect(server.address)?;
        let _scraper = TcpStream::connect(server.echo.metrics.address)?;
        for echo in [&client, &both] {
            echo.until("replies", Duration::from_secs(3), |scrape| {
                scrape.sum("tcp_echo_received_total", &[]) >= 10.0
            })?;
        }
        for (mode, echo) in [("client", client), ("both", both), ("server", server.echo)] {
            let took = echo.end_by(signal)?;
            context.note(format!(
                "{} in mode {mode}: {} ms",
                signal_name(signal),
                took.as_millis()
            ));
        }
    }
    Ok(())
}

fn connecting(context: &Context) -> Result<()> {
    for signal in SIGNALS {
        let listener = FullListener::new()?;
        let target = format!("-target={}", listener.address);
        let echo = Echo::start(context, &["-mode=client", &target, "-interval=10ms"])?;
        let (scrape, _) = echo.until("lost slots", Duration::from_secs(3), |scrape| {
            scrape.sum("tcp_echo_unsent_total", &[("reason", "disconnected")]) >= 10.0
        })?;
        ensure!(
            scrape.sum("tcp_echo_connects_total", &[]) == 0.0,
            "it has connected"
        );
        let took = echo.end_by(signal)?;
        context.note(format!(
            "{} while connecting: {} ms",
            signal_name(signal),
            took.as_millis()
        ));
    }
    Ok(())
}

/// An address at which connecting hangs, because the accept queue of a listener is full.
struct FullListener {
    address: SocketAddr,
    _listener: TcpListener,
    _queued: Vec<TcpStream>,
}

impl FullListener {
    fn new() -> Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&ports::free()?.into())?;
        socket.listen(0)?;
        let listener = TcpListener::from(socket);
        let address = listener.local_addr()?;
        let mut queued = Vec::new();
        let limit = Duration::from_millis(200);
        wait::until(
            "a full queue",
            Duration::from_secs(5),
            || match TcpStream::connect_timeout(&address, limit) {
                Ok(stream) => {
                    queued.push(stream);
                    None
                }
                Err(_) => Some(()),
            },
        )?;
        Ok(Self {
            address,
            _listener: listener,
            _queued: queued,
        })
    }
}
