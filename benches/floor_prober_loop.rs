//! A minimal prober of many targets: one event loop, which wakes for each slot and each reply, or on a
//! grid of times.
//!
//! It shows what wake-ups cost, and how much of the cost of another prober is its own. Like the prober, it
//! reads the kernel's receive timestamps.

#[macro_use]
mod linux_only;
#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "used by another program of this package")]
mod probing;

linux_only!("floor-prober-loop requires epoll");

#[cfg(target_os = "linux")]
mod linux {
    use std::error::Error;
    use std::io::{ErrorKind, Write};
    use std::mem::MaybeUninit;
    use std::net::{SocketAddr, TcpStream};
    use std::os::fd::OwnedFd;
    use std::thread::sleep;
    use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

    use clap::Parser;
    use rustix::event::epoll::{self, Event, EventData, EventFlags};
    use rustix::io::Errno;
    use rustix::time::{
        ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec,
        clock_gettime, timerfd_create, timerfd_settime,
    };

    use crate::probing::{Report, Times};

    /// A minimal event loop that probes many targets, as a baseline for other probers.
    #[derive(Parser)]
    struct Args {
        /// The echo server.
        server: SocketAddr,
        /// Interval between probes of a target, in microseconds.
        #[arg(short, long, default_value_t = 20_000)]
        interval_us: u64,
        /// Number of targets, all at that server.
        #[arg(short, long, default_value_t = 1000)]
        targets: usize,
        /// Window of the grid of wake-ups in microseconds; 0 is no grid.
        #[arg(long, default_value_t = 0)]
        coalesce_us: u64,
        /// Seconds to measure.
        #[arg(short, long, default_value_t = 1.0)]
        duration: f64,
        /// Seconds of warm-up.
        #[arg(long, default_value_t = 0.1)]
        warmup: f64,
        /// Print JSON instead of text.
        #[arg(long)]
        json: bool,
    }

    const FRAME_LEN: usize = 16;

    /// The key of the timer among those of the connections.
    const TIMER: u64 = u64::MAX;

    /// A connection and the probe in flight on it.
    struct Peer {
        stream: TcpStream,
        sent: Option<Instant>,
    }

    struct Loop {
        poll: OwnedFd,
        timer: OwnedFd,
        peers: Vec<Peer>,
        rtts: Times,
        lateness: Times,
        host_delays: Times,
        slots: u64,
        sent: u64,
    }

    pub(super) fn main() -> Result<(), Box<dyn Error>> {
        let args = Args::parse();
        let mut probing = Loop::connect(args.server, args.targets)?;
        println!("measuring");
        let step = Duration::from_micros(args.interval_us) / u32::try_from(args.targets)?;
        let window = Duration::from_micros(args.coalesce_us);
        let origin = Instant::now();
        let begin = origin + Duration::from_secs_f64(args.warmup);
        let end = begin + Duration::from_secs_f64(args.duration);
        let mut cpu = None;
        let mut slot = 0;
        loop {
            let now = Instant::now();
            if cpu.is_none() && now >= begin {
                probing.reset();
                cpu = Some(cpu_ns()?);
            }
            if now >= end {
                break;
            }
            let due = origin + step * slot;
            if window.is_zero() {
                probing.wake_at(due.saturating_duration_since(now))?;
            } else {
                let past = (now - origin).as_nanos() % window.as_nanos();
                sleep(window.saturating_sub(Duration::from_nanos(u64::try_from(past)?)));
            }
            probing.receive(window.is_zero())?;
            slot = probing.send(origin, step, slot)?;
        }
        let cpu = cpu_ns()? - cpu.unwrap_or_default();
        let report = Report {
            slots: probing.slots,
            sent: probing.sent,
            received: probing.rtts.count(),
            stamped: probing.host_delays.count(),
            cpu_us_per_probe: cpu as f64 / 1e3 / probing.sent as f64,
            rtt_us: probing.rtts.quantiles(),
            lateness_us: probing.lateness.quantiles(),
            host_delay_us: Some(probing.host_delays.quantiles()),
        };
        if args.json {
            println!("{}", serde_json::to_string(&report)?);
        } else {
            report.print();
        }
        Ok(())
    }

    impl Loop {
        fn connect(server: SocketAddr, targets: usize) -> Result<Self, Box<dyn Error>> {
            let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
            let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK)?;
            let edge = EventFlags::IN | EventFlags::ET;
            epoll::add(&poll, &timer, EventData::new_u64(TIMER), edge)?;
            let mut peers = Vec::with_capacity(targets);
            for key in 0..targets {
                let stream = TcpStream::connect(server)?;
                tcp_echo_socket::enable_receive_timestamps(&stream)?;
                stream.set_nodelay(true)?;
                stream.set_nonblocking(true)?;
                let data = EventData::new_u64(key as u64);
                epoll::add(&poll, &stream, data, EventFlags::IN)?;
                peers.push(Peer { stream, sent: None });
            }
            Ok(Self {
                poll,
                timer,
                peers,
                rtts: Times::new()?,
                lateness: Times::new()?,
                host_delays: Times::new()?,
                slots: 0,
                sent: 0,
            })
        }

        fn reset(&mut self) {
            self.rtts.reset();
            self.lateness.reset();
            self.host_delays.reset();
            (self.slots, self.sent) = (0, 0);
        }

        /// Sets the timer.
        fn wake_at(&self, wait: Duration) -> Result<(), Box<dyn Error>> {
            // A wait of zero would disarm it.
            let value = Itimerspec {
                it_interval: Timespec::default(),
                it_value: Timespec::try_from(wait.max(Duration::from_nanos(1)))?,
            };
            timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &value)?;
            Ok(())
        }

        /// Reads replies; with `wait` after it waited for them or the timer.
        fn receive(&mut self, wait: bool) -> Result<(), Box<dyn Error>> {
            let timeout = (!wait).then(Timespec::default);
            let mut events = [MaybeUninit::<Event>::uninit(); 1024];
            let events = match epoll::wait(&self.poll, &mut events, timeout.as_ref()) {
                Ok((events, _)) => events,
                Err(Errno::INTR) => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            for event in events {
                let Some(peer) = self.peers.get_mut(usize::try_from(event.data.u64())?) else {
                    continue;
                };
                let mut buffer = [0; 64 * FRAME_LEN];
                let received = match tcp_echo_socket::recv(&peer.stream, &mut buffer) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                    received => received?,
                };
                let (now, wall) = (Instant::now(), SystemTime::now());
                if received.len == 0 {
                    return Err("the server closed a connection".into());
                }
                if let Some(sent) = peer.sent.take() {
                    let rtt = now - sent;
                    let waited = received.kernel.and_then(|kernel| {
                        wall.duration_since(UNIX_EPOCH).ok()?.checked_sub(kernel)
                    });
                    let waited = waited.unwrap_or_default().min(rtt);
                    self.rtts.add_ns(rtt.saturating_sub(waited).as_nanos());
                    self.host_delays.add_ns(waited.as_nanos());
                }
            }
            Ok(())
        }

        /// Sends what is due from `slot` on. Returns the next slot.
        fn send(
            &mut self,
            origin: Instant,
            step: Duration,
            mut slot: u32,
        ) -> Result<u32, Box<dyn Error>> {
            let targets = self.peers.len();
            loop {
                let now = Instant::now();
                let due = origin + step * slot;
                if due > now {
                    return Ok(slot);
                }
                self.slots += 1;
                let peer = &mut self.peers[slot as usize % targets];
                let mut frame = [0; FRAME_LEN];
                frame[..4].copy_from_slice(&slot.to_le_bytes());
                if peer.sent.is_none() {
                    peer.stream.write_all(&frame)?;
                    self.sent += 1;
                    self.lateness.add_ns((now - due).as_nanos());
                    peer.sent = Some(now);
                }
                slot += 1;
            }
        }
    }

    fn cpu_ns() -> Result<u64, std::num::TryFromIntError> {
        let now = clock_gettime(ClockId::ProcessCPUTime);
        Ok(u64::try_from(now.tv_sec)? * 1_000_000_000 + u64::try_from(now.tv_nsec)?)
    }
}
