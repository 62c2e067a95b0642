//! TLS on accepted connections.

use std::{io, sync::Arc, time::Duration};

use tokio::{io::AsyncWriteExt as _, net::TcpStream, time::timeout};
use tokio_rustls::server::TlsStream;

use crate::Web;

/// How long a client may take from its connection to the end of the handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// The first byte of TLS: a record with a handshake (RFC 8446, section 5.1).
const TLS_HANDSHAKE: u8 = 22;

/// What a browser shows whose user wrote `http:`.
const NOT_HTTP: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    content-type: text/plain; charset=utf-8\r\n\
    x-content-type-options: nosniff\r\n\
    connection: close\r\n\
    \r\n\
    this is HTTPS: write https:// for http://\n";

/// Makes accepted connections those of TLS. Clones share everything.
#[derive(Clone, Debug)]
pub struct TlsAcceptor {
    web: Web,
}

impl TlsAcceptor {
    pub(crate) fn new(web: Web) -> Self {
        Self { web }
    }

    /// The handshake on one connection, with the configuration of that moment. It takes
    /// 10 seconds at most, and should not be waited for where connections are
    /// accepted; the caller limits how many are under way.
    ///
    /// Who speaks HTTP without TLS is told so.
    ///
    /// # Errors
    /// When the client goes away, is too slow, speaks something else, or shows no
    /// certificate that the configuration accepts.
    ///
    /// # Panics
    /// Outside a tokio runtime with I/O and time enabled.
    pub async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let handshake = timeout(HANDSHAKE, self.handshake(stream));
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
            // It is there as long as it was there at the start.
            return Err(io::Error::other("TLS is not configured"));
        };
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::clone(&tls.config));
        acceptor.accept(stream).await
    }
}
