//! Sockets that the program's supervisor listens on already: systemd.socket(5).

use std::io;
use std::net::TcpListener;

/// The listeners handed down to this process, by their names in `FileDescriptorName=`.
///
/// Where a part's are empty, the part binds its own address.
#[derive(Debug, Default)]
pub struct Sockets {
    /// Of the name `echo`: for the echo server.
    pub echo: Vec<TcpListener>,
    /// Of the name `metrics`: for the endpoints.
    pub metrics: Vec<TcpListener>,
}

/// Why sockets that were handed down can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocketsError {
    /// A name that means nothing here.
    #[error(
        "a socket was handed down by the name {0:?}: its unit needs FileDescriptorName=echo or \
         FileDescriptorName=metrics"
    )]
    Name(String),
    /// There are more or fewer names than sockets.
    #[error("sockets were handed down without their names (LISTEN_FDNAMES)")]
    Names,
    /// One that isn't there, or is no listening TCP socket.
    #[error("the socket {name} that was handed down can't be used: {source}")]
    Socket {
        /// Its name.
        name: String,
        /// Why.
        source: io::Error,
    },
}

/// More than anybody hands down; each is a file of this process.
#[cfg(unix)]
const MOST: usize = 1000;

impl Sockets {
    /// Takes the sockets that the environment speaks of, if it speaks of any to this
    /// process. It has to be called before there are threads, and once: the variables
    /// are gone afterwards, and nothing that this process starts takes them for its own.
    ///
    /// # Errors
    /// [`SocketsError`], when what was handed down is not what this program can use.
    #[cfg(unix)]
    pub fn take() -> Result<Self, SocketsError> {
        use std::env;

        let variable = |name| env::var(name).unwrap_or_default();
        if variable("LISTEN_PID") != std::process::id().to_string() {
            return Ok(Self::default());
        }
        let names = variable("LISTEN_FDNAMES");
        let names: Vec<&str> = names.split(':').collect();
        match variable("LISTEN_FDS").parse::<usize>() {
            Ok(0) => return Ok(Self::default()),
            Ok(count) if count <= MOST && count == names.len() => {}
            _ => return Err(SocketsError::Names),
        }
        let mut handed = listenfd::ListenFd::from_env();
        let mut sockets = Self::default();
        for (place, name) in names.into_iter().enumerate() {
            let part = match name {
                "echo" => &mut sockets.echo,
                "metrics" => &mut sockets.metrics,
                name => return Err(SocketsError::Name(name.to_owned())),
            };
            let failed = |source| SocketsError::Socket {
                name: name.to_owned(),
                source,
            };
            let listener = handed.take_tcp_listener(place).map_err(failed)?;
            let listener = listener.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
            // Apple's systems don't tell.
            #[cfg(not(target_vendor = "apple"))]
            if !socket2::SockRef::from(&listener)
                .is_listener()
                .map_err(failed)?
            {
                return Err(failed(io::Error::other("it doesn't listen")));
            }
            part.push(listener);
        }
        Ok(sockets)
    }

    /// Nothing is handed down there.
    ///
    /// # Errors
    /// None.
    #[cfg(not(unix))]
    pub fn take() -> Result<Self, SocketsError> {
        Ok(Self::default())
    }
}
