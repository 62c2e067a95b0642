//! A closed-loop load generator for echo servers, based on epoll.
//!
//! Every connection sends a 16-byte frame, waits for the complete echo, and sends the next. With several
//! servers, one is under load at a time, in short alternating rounds, so that other load on the machine
//! affects all alike. The result is one line of JSON.
//!
//! With `--hold`, it opens connections, has one frame echoed on each, prints `holding N`, and keeps
//! them open until its standard input is closed.

#[macro_use]
mod linux_only;
#[cfg(target_os = "linux")]
mod report;

linux_only!("load requires epoll");

#[cfg(target_os = "linux")]
mod linux {
    use std::error::Error;
    use std::io::{self, ErrorKind, Read, Write};
    use std::mem::MaybeUninit;
    use std::net::{AddrParseError, SocketAddr, TcpStream};
    use std::os::fd::OwnedFd;
    use std::str::FromStr;
    use std::time::{Duration, Instant};

    use clap::Parser;
    use hdrhistogram::Histogram;
    use rustix::event::epoll::{self, Event, EventData, EventFlags};
    use rustix::io::Errno;
    use tcp_echo_wire::{Control, Features};

    use crate::report::{Report, Rtt, Slice};

    /// A closed-loop load generator for echo servers.
    #[derive(Parser)]
    struct Args {
        /// Echo servers, measured alternately: ADDRESS, or ADDRESS+stamps to have echoes stamped.
        #[arg(required = true)]
        servers: Vec<Server>,
        /// Number of concurrent connections.
        #[arg(short = 'n', long, default_value_t = 64)]
        connections: usize,
        /// Seconds of measurement per server and round.
        #[arg(short, long, default_value_t = 1.0)]
        duration: f64,
        /// Seconds of warm-up before each measurement.
        #[arg(long, default_value_t = 0.02)]
        warmup: f64,
        /// Number of rounds.
        #[arg(short, long, default_value_t = 1)]
        rounds: usize,
        /// Open this many connections to the first server and keep them until standard input is closed.
        #[arg(long)]
        hold: Option<usize>,
    }

    const FRAME: [u8; 16] = [7; 16];
    /// Creates a histogram from 1 ns to 10 s; longer times count as 10 s.
    const LONGEST_NS: u64 = 10_000_000_000;

    pub(super) fn main() -> Result<(), Box<dyn Error>> {
        let args = Args::parse();
        if let Some(count) = args.hold {
            return hold(&args.servers[0], count);
        }
        let mut loads = Vec::new();
        for server in &args.servers {
            loads.push(Load::connect(server, args.connections)?);
        }
        for round in 0..args.rounds {
            // The order alternates, to cancel out drift.
            for index in 0..loads.len() {
                let last = loads.len() - 1;
                let turn = if round % 2 == 0 { index } else { last - index };
                loads[turn].run(
                    Duration::from_secs_f64(args.warmup),
                    Duration::from_secs_f64(args.duration),
                )?;
            }
        }
        let reports: Vec<Report> = loads.into_iter().map(|load| load.report).collect();
        println!("{}", serde_json::to_string(&reports)?);
        Ok(())
    }

    /// A server, and how to use it.
    #[derive(Clone, Copy)]
    struct Server {
        address: SocketAddr,
        stamps: bool,
    }

    impl FromStr for Server {
        type Err = AddrParseError;

        fn from_str(text: &str) -> Result<Self, AddrParseError> {
            let address = text.strip_suffix("+stamps");
            Ok(Self {
                address: address.unwrap_or(text).parse()?,
                stamps: address.is_some(),
            })
        }
    }

    fn connect(server: &Server) -> Result<TcpStream, Box<dyn Error>> {
        let mut stream = TcpStream::connect(server.address)?;
        stream.set_nodelay(true)?;
        if server.stamps {
            stream.write_all(&Control::HelloRequest(Features::STAMPS).encode())?;
            let mut answer = FRAME;
            stream.read_exact(&mut answer)?;
            if Control::decode(&answer) != Some(Control::HelloAnswer(Features::STAMPS)) {
                return Err("the server grants no stamps".into());
            }
        }
        Ok(stream)
    }

    fn hold(server: &Server, count: usize) -> Result<(), Box<dyn Error>> {
        let mut streams = Vec::with_capacity(count);
        for _ in 0..count {
            let mut stream = connect(server)?;
            stream.write_all(&FRAME)?;
            stream.read_exact(&mut FRAME.clone())?;
            streams.push(stream);
        }
        println!("holding {count}");
        io::stdin().read_to_end(&mut Vec::new())?;
        Ok(())
    }

    /// A connection and its state.
    struct Peer {
        stream: TcpStream,
        sent: Instant,
        received: usize,
    }

    impl Peer {
        /// Reads available data; returns `true` if the frame is complete.
        fn receive(&mut self) -> io::Result<bool> {
            let mut buffer = FRAME;
            match self.stream.read(&mut buffer[self.received..]) {
                Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    self.received += read;
                    Ok(self.received == FRAME.len())
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
                Err(error) => Err(error),
            }
        }

        /// Sends the next frame, which always fits, since the socket buffer is empty.
        fn send(&mut self, now: Instant) -> io::Result<()> {
            self.sent = now;
            self.received = 0;
            self.stream.write_all(&FRAME)
        }
    }

    /// The connections to one server.
    struct Load {
        poll: OwnedFd,
        peers: Vec<Peer>,
        rtts: Histogram<u64>,
        report: Report,
    }

    impl Load {
        fn connect(server: &Server, connections: usize) -> Result<Self, Box<dyn Error>> {
            let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
            let mut peers = Vec::with_capacity(connections);
            for key in 0..connections {
                let stream = connect(server)?;
                stream.set_nonblocking(true)?;
                let data = EventData::new_u64(key as u64);
                epoll::add(&poll, &stream, data, EventFlags::IN)?;
                peers.push(Peer {
                    stream,
                    sent: Instant::now(),
                    received: 0,
                });
            }
            Ok(Self {
                poll,
                peers,
                rtts: Histogram::new_with_bounds(1, LONGEST_NS, 3)?,
                report: Report {
                    server: server.address.to_string(),
                    echoes: 0,
                    slices: Vec::new(),
                },
            })
        }

        /// Runs a round; at its end, no frame is in flight.
        fn run(&mut self, warmup: Duration, duration: Duration) -> Result<(), Box<dyn Error>> {
            let mut now = Instant::now();
            let start = now + warmup;
            let end = start + duration;
            self.rtts.reset();
            for peer in &mut self.peers {
                peer.send(now)?;
            }
            let mut under_way = self.peers.len();
            let mut events = [MaybeUninit::<Event>::uninit(); 1024];
            while under_way > 0 {
                let (events, _) = match epoll::wait(&self.poll, &mut events, None) {
                    Ok(events) => events,
                    Err(Errno::INTR) => continue,
                    Err(error) => return Err(io::Error::from(error).into()),
                };
                for event in events {
                    let peer = &mut self.peers[usize::try_from(event.data.u64())?];
                    if !peer.receive()? {
                        continue;
                    }
                    // One clock reading ends this round trip and begins the next.
                    now = Instant::now();
                    self.report.echoes += 1;
                    if now >= end {
                        under_way -= 1;
                        continue;
                    }
                    if now >= start {
                        let rtt = now.duration_since(peer.sent).as_nanos();
                        self.rtts.saturating_record(u64::try_from(rtt)?);
                    }
                    peer.send(now)?;
                }
            }
            let microseconds = |quantile| self.rtts.value_at_quantile(quantile) as f64 / 1e3;
            self.report.slices.push(Slice {
                per_second: self.rtts.len() as f64 / duration.as_secs_f64(),
                rtt_us: Rtt {
                    p50: microseconds(0.5),
                    p99: microseconds(0.99),
                },
            });
            Ok(())
        }
    }
}
