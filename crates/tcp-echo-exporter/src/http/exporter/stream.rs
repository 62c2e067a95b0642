//! The stream of a connection, which reports how fast it is written.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use crate::http::connection::Connection;

/// A stream that an acceptor returns.
pub(super) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

pub(super) enum Stream {
    Tcp(TcpStream),
    Other(Box<dyn Transport>),
}

/// A stream that reports writes to its connection.
pub(super) struct MeteredStream {
    stream: Stream,
    connection: Arc<Connection>,
}

impl MeteredStream {
    pub(super) const fn new(stream: Stream, connection: Arc<Connection>) -> Self {
        Self { stream, connection }
    }

    fn with<T>(&mut self, f: impl FnOnce(Pin<&mut dyn Transport>) -> T) -> T {
        match &mut self.stream {
            Stream::Tcp(stream) => f(Pin::new(stream)),
            Stream::Other(stream) => f(Pin::new(&mut **stream)),
        }
    }

    fn record_write(&self, written: Poll<Option<usize>>) {
        match written {
            Poll::Ready(Some(bytes)) => self.connection.on_written(bytes),
            Poll::Ready(None) => {}
            Poll::Pending => self.connection.on_blocked(),
        }
    }
}

/// Returns the result of a write, without its error.
fn progress<T: Copy>(written: &Poll<io::Result<T>>) -> Poll<Option<T>> {
    match written {
        Poll::Ready(written) => Poll::Ready(written.as_ref().ok().copied()),
        Poll::Pending => Poll::Pending,
    }
}

impl Drop for MeteredStream {
    fn drop(&mut self) {
        // The response is cut off. Otherwise the kernel would keep its rest in memory for
        // minutes.
        if self.connection.is_blocked()
            && let Stream::Tcp(stream) = &self.stream
        {
            let _ = stream.set_zero_linger();
        }
    }
}

impl AsyncRead for MeteredStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.with(|stream| stream.poll_read(context, buffer))
    }
}

impl AsyncWrite for MeteredStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = self.with(|stream| stream.poll_write(context, bytes));
        self.record_write(progress(&written));
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = self.with(|stream| stream.poll_write_vectored(context, slices));
        self.record_write(progress(&written));
        written
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Tcp(stream) => stream.is_write_vectored(),
            Stream::Other(stream) => stream.is_write_vectored(),
        }
    }

    /// TLS may still buffer what it has accepted.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = self.with(|stream| stream.poll_flush(context));
        self.record_write(progress(&flushed).map(|flushed| flushed.map(|()| 0)));
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|stream| stream.poll_shutdown(context))
    }
}
