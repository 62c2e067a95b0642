//! A minimal epoll echo loop: one thread, one buffer, two system calls per echo.
//!
//! It does only what every server must do: no limits, no timeouts, no counters. A peer that does not
//! read is disconnected. The ratio of another server's rate or round-trip time to those of this one
//! shows the overhead of that server.

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("floor-server requires epoll: Linux only");
    std::process::exit(2);
}

#[cfg(target_os = "linux")]
fn main() -> std::io::Result<()> {
    linux::main()
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io::{self, Read, Write};
    use std::mem::MaybeUninit;
    use std::net::{SocketAddr, TcpListener, TcpStream};

    use clap::Parser;
    use rustix::event::epoll::{self, EventData, EventFlags};
    use rustix::io::Errno;

    /// A minimal epoll echo loop, as a baseline for other echo servers.
    #[derive(Parser)]
    struct Args {
        /// Address to listen on; it is printed.
        #[arg(default_value = "127.0.0.1:0")]
        listen: SocketAddr,
    }

    const LISTENER: u64 = u64::MAX;

    pub(super) fn main() -> io::Result<()> {
        let listener = TcpListener::bind(Args::parse().listen)?;
        rustix::net::listen(&listener, 4096)?;
        listener.set_nonblocking(true)?;
        println!("listening on {}", listener.local_addr()?);

        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(
            &poll,
            &listener,
            EventData::new_u64(LISTENER),
            EventFlags::IN,
        )?;
        let mut streams: Vec<Option<TcpStream>> = Vec::new();
        let mut free: Vec<usize> = Vec::new();
        let mut events = [MaybeUninit::uninit(); 1024];
        let mut buffer = [0; 16 * 1024];
        loop {
            let (events, _) = match epoll::wait(&poll, &mut events, None) {
                Ok(events) => events,
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            for event in events {
                let key = event.data.u64();
                if key == LISTENER {
                    let (stream, _) = listener.accept()?;
                    stream.set_nonblocking(true)?;
                    stream.set_nodelay(true)?;
                    let slot = free.pop().unwrap_or_else(|| {
                        streams.push(None);
                        streams.len() - 1
                    });
                    epoll::add(
                        &poll,
                        &stream,
                        EventData::new_u64(slot as u64),
                        EventFlags::IN,
                    )?;
                    streams[slot] = Some(stream);
                } else if let Ok(slot) = usize::try_from(key)
                    && let Some(stream) = &mut streams[slot]
                    && !echo(stream, &mut buffer)
                {
                    // Closing removes it from the epoll set.
                    streams[slot] = None;
                    free.push(slot);
                }
            }
        }
    }

    /// Echoes available data; returns whether to keep the connection.
    fn echo(stream: &mut TcpStream, buffer: &mut [u8]) -> bool {
        match stream.read(buffer) {
            Ok(0) | Err(_) => false,
            Ok(read) => stream
                .write(&buffer[..read])
                .is_ok_and(|written| written == read),
        }
    }
}
