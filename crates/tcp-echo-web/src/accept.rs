//! TLS on accepted connections.

use std::{io, sync::Arc, time::Duration};

use tokio::{io::AsyncWriteExt as _, net::TcpStream, time::timeout};
use tokio_rustls::server::TlsStream;

use crate::Web;

/// How long a client may take from the connection to the end of the handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// The first byte of a TLS handshake record (RFC 8446, section 5.1).
const TLS_HANDSHAKE: u8 = 22;

/// The answer to HTTP without TLS.
const NOT_HTTP: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    content-type: text/plain; charset=utf-8\r\n\
    x-content-type-options: nosniff\r\n\
    connection: close\r\n\
    \r\n\
    this is HTTPS: write https:// for http://\n";

/// Accepts TLS connections. Clones share everything.
#[derive(Clone, Debug)]
pub struct TlsAcceptor {
    web: Web,
}

impl TlsAcceptor {
    pub(crate) fn new(web: Web) -> Self {
        Self { web }
    }

    /// Performs the handshake on a connection, with the current configuration. It takes at most
    /// 10 seconds: run it in a separate task. The caller limits concurrent handshakes.
    ///
    /// A client that speaks HTTP without TLS gets an answer that explains it.
    ///
    /// # Errors
    /// When the client disconnects, is too slow, does not speak TLS, or has no certificate that
    /// the configuration accepts.
    ///
    /// # Panics
    /// Outside a tokio runtime with I/O and time enabled.
    pub async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let handshake = timeout(HANDSHAKE_TIMEOUT, self.handshake(stream));
        handshake.await.unwrap_or_else(|_| {
            Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the TLS handshake took too long",
            ))
        })
    }

    async fn handshake(&self, mut stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let mut first = [0];
        if stream.peek(&mut first).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if first != [TLS_HANDSHAKE] {
            stream.write_all(NOT_HTTP).await?;
            stream.shutdown().await?;
            return Err(io::Error::new(io::ErrorKind::InvalidData, "this is no TLS"));
        }
        let current = self.web.current().await;
        let Some(tls) = &current.tls else {
            // TLS can't be disabled at run time.
            return Err(io::Error::other("TLS is not configured"));
        };
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::clone(&tls.config));
        acceptor.accept(stream).await
    }
}
