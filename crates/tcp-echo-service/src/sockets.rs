//! Sockets passed by the manager, which listen already: systemd.socket(5).

use std::io;
use std::net::TcpListener;

/// The listeners passed to this process, by their names in `FileDescriptorName=`.
///
/// A part without listeners binds its own address.
#[derive(Debug, Default)]
pub struct Sockets {
    /// Named `echo`: for the echo server.
    pub echo: Vec<TcpListener>,
    /// Named `metrics`: for the endpoints.
    pub metrics: Vec<TcpListener>,
}

/// The passed sockets can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocketsError {
    /// An unknown name.
    #[error(
        "unknown name {0:?} of a passed socket: its unit needs FileDescriptorName=echo or \
         FileDescriptorName=metrics"
    )]
    Name(String),
    /// The numbers of names and sockets differ.
    #[error("passed sockets need one name each (LISTEN_FDNAMES)")]
    Names,
    /// A descriptor that does not exist, or is no listening TCP socket.
    #[error("cannot use the passed socket {name}: {source}")]
    Socket {
        /// Its name.
        name: String,
        /// The cause.
        source: io::Error,
    },
}

/// More than anyone passes.
#[cfg(unix)]
const MAX_SOCKETS: usize = 1000;

impl Sockets {
    /// Takes the sockets that the environment names, if it names any for this process. Call it
    /// once, and before starting threads: it removes the variables, so that no child process
    /// takes them for its own.
    ///
    /// # Errors
    /// [`SocketsError`], if the sockets can't be used.
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
            Ok(count) if count <= MAX_SOCKETS && count == names.len() => {}
            _ => return Err(SocketsError::Names),
        }
        let mut passed = listenfd::ListenFd::from_env();
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
            let listener = passed.take_tcp_listener(place).map_err(failed)?;
            let listener = listener.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
            // Apple's systems can't say.
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

    /// No sockets are passed on this system.
    ///
    /// # Errors
    /// None.
    #[cfg(not(unix))]
    pub fn take() -> Result<Self, SocketsError> {
        Ok(Self::default())
    }
}
