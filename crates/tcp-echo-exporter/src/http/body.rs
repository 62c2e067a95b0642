//! Streaming of a response body from the thread that renders it to the connection.

use std::{
    io::{self, Write},
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_core::Stream;
use tokio::{
    runtime::Handle,
    sync::mpsc::{
        self,
        error::{SendTimeoutError, TrySendError},
    },
    time::Instant,
};

use super::responses::ResponsePermit;

/// The size of every chunk but the last, in bytes.
const CHUNK_SIZE: usize = 64 * 1024;

/// How many chunks may be queued before the writer blocks. This bounds the memory of a
/// response, however long it is.
const MAX_QUEUED_CHUNKS: usize = 4;

/// Creates the channel of one response. The response must be read within `read_timeout`, and
/// holds its permit until then.
///
/// Must be called in a tokio runtime with time enabled, which has to run while the response is
/// written.
pub(crate) fn channel(permit: ResponsePermit, read_timeout: Duration) -> (BodyWriter, BodyReader) {
    let (sender, receiver) = mpsc::channel(MAX_QUEUED_CHUNKS);
    let permit = Arc::new(permit);
    let writer = BodyWriter {
        buffer: Vec::new(),
        sender,
        deadline: Instant::now() + read_timeout,
        runtime: Handle::current(),
        permit: Arc::clone(&permit),
    };
    (writer, BodyReader { receiver, permit })
}

/// Writes a response body, on a thread that may block.
#[derive(Debug)]
pub(crate) struct BodyWriter {
    buffer: Vec<u8>,
    sender: mpsc::Sender<io::Result<Bytes>>,
    /// When all chunks must have been taken, except those in the queue.
    deadline: Instant,
    runtime: Handle,
    permit: Arc<ResponsePermit>,
}

impl BodyWriter {
    /// Queues a chunk, and blocks while the queue is full.
    fn send(&self, chunk: io::Result<Bytes>) -> io::Result<()> {
        let chunk = match self.sender.try_send(chunk) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Closed(_)) => return Err(io::ErrorKind::BrokenPipe.into()),
            Err(TrySendError::Full(chunk)) => chunk,
        };
        let left = self.deadline.saturating_duration_since(Instant::now());
        let reader = self.permit.reader();
        reader.set_writer_waits(true);
        let sent = self.runtime.block_on(async {
            tokio::select! {
                sent = self.sender.send_timeout(chunk, left) => sent,
                () = reader.evicted() => Err(SendTimeoutError::Closed(Ok(Bytes::new()))),
            }
        });
        reader.set_writer_waits(false);
        sent.map_err(|error| match error {
            SendTimeoutError::Closed(_) => io::ErrorKind::BrokenPipe.into(),
            SendTimeoutError::Timeout(_) => io::ErrorKind::TimedOut.into(),
        })
    }

    /// Queues the last chunk, or the error that ends the body early. A reader that is gone is
    /// not an error.
    pub(crate) fn finish(mut self, written: io::Result<()>) {
        let last = written.map(|()| mem::take(&mut self.buffer).into());
        let _ = self.send(last);
        self.permit.reader().set_writer_waits(true);
    }
}

impl Write for BodyWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.capacity() == 0 {
            self.buffer.reserve_exact(CHUNK_SIZE);
        }
        let taken = bytes.len().min(CHUNK_SIZE - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..taken]);
        if self.buffer.len() == CHUNK_SIZE {
            let chunk = mem::take(&mut self.buffer).into();
            self.send(Ok(chunk))?;
        }
        Ok(taken)
    }

    /// Does nothing: chunks are sent when they are full.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads a response body until its first chunk decides on the response.
#[derive(Debug)]
pub(crate) struct BodyReader {
    receiver: mpsc::Receiver<io::Result<Bytes>>,
    permit: Arc<ResponsePermit>,
}

impl BodyReader {
    /// Returns the first chunk, and whether it is the whole body. `None` if the writer is gone
    /// without an error.
    pub(crate) async fn first(&mut self) -> Option<io::Result<(Bytes, bool)>> {
        let first = self.receiver.recv().await?;
        Some(first.map(|chunk| {
            let whole = chunk.len() < CHUNK_SIZE;
            (chunk, whole)
        }))
    }

    /// Streams the whole body, including the first chunk.
    pub(crate) fn into_stream(self, first: Bytes) -> BodyStream {
        BodyStream {
            first: Some(first),
            receiver: self.receiver,
            ended: false,
            permit: self.permit,
        }
    }
}

/// The whole response body as a stream.
#[derive(Debug)]
pub(crate) struct BodyStream {
    first: Option<Bytes>,
    receiver: mpsc::Receiver<io::Result<Bytes>>,
    /// Whether the last chunk, which is the only short one, or an error was returned.
    ended: bool,
    permit: Arc<ResponsePermit>,
}

impl Stream for BodyStream {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(first) = self.first.take() {
            self.permit.reader().on_taken(first.len());
            return Poll::Ready(Some(Ok(first)));
        }
        let Poll::Ready(next) = self.receiver.poll_recv(context) else {
            return Poll::Pending;
        };
        // A body whose writer is gone must not look complete.
        let next = match next {
            None if !self.ended => Some(Err(io::ErrorKind::UnexpectedEof.into())),
            next => next,
        };
        if let Some(Ok(chunk)) = &next {
            self.permit.reader().on_taken(chunk.len());
        }
        self.ended |= next.as_ref().is_none_or(|next| match next {
            Ok(chunk) => chunk.len() < CHUNK_SIZE,
            Err(_) => true,
        });
        Poll::Ready(next)
    }
}

#[cfg(test)]
mod tests {
    use std::{pin::pin, thread};

    use axum::http::HeaderMap;

    use super::*;
    use crate::http::{client::Client, responses::Responses};

    const MINUTE: Duration = Duration::from_secs(60);

    async fn permit() -> ResponsePermit {
        let client = Client {
            headers: HeaderMap::new(),
            address: None,
            connection: None,
        };
        Responses::new(1).acquire(&client, MINUTE).await.unwrap()
    }

    async fn next(whole: &mut Pin<&mut BodyStream>) -> Option<io::Result<Bytes>> {
        std::future::poll_fn(|context| whole.as_mut().poll_next(context)).await
    }

    #[tokio::test]
    async fn a_long_body_is_streamed_in_bounded_memory() {
        let (mut writer, mut reader) = channel(permit().await, MINUTE);
        let sent: Vec<u8> = (0..=250).cycle().take(10 * CHUNK_SIZE + 7).collect();
        let bytes = sent.clone();
        let thread = thread::spawn(move || {
            let written = bytes
                .chunks(1000)
                .try_for_each(|part| writer.write_all(part));
            writer.finish(written);
        });
        let (first, whole) = reader.first().await.unwrap().unwrap();
        assert!(!whole);
        assert!(!thread.is_finished());
        let mut body = pin!(reader.into_stream(first));
        let mut received = Vec::new();
        while let Some(chunk) = next(&mut body).await {
            received.extend_from_slice(&chunk.unwrap());
        }
        thread.join().unwrap();
        assert!(received == sent);
    }

    #[tokio::test]
    async fn a_short_body_is_one_chunk() {
        let (mut writer, mut reader) = channel(permit().await, MINUTE);
        thread::spawn(move || {
            let written = writer.write_all(b"short");
            writer.finish(written);
        });
        let first = reader.first().await.unwrap().unwrap();
        assert_eq!(first, (Bytes::from_static(b"short"), true));
    }

    #[tokio::test]
    async fn a_body_of_exactly_one_chunk_ends_with_an_empty_one() {
        let (mut writer, mut reader) = channel(permit().await, MINUTE);
        thread::spawn(move || {
            let written = writer.write_all(&vec![1; CHUNK_SIZE]);
            writer.finish(written);
        });
        let (first, whole) = reader.first().await.unwrap().unwrap();
        assert_eq!((first.len(), whole), (CHUNK_SIZE, false));
        let mut body = pin!(reader.into_stream(first.clone()));
        assert_eq!(next(&mut body).await.unwrap().unwrap(), first);
        assert_eq!(next(&mut body).await.unwrap().unwrap(), Bytes::new());
        assert!(next(&mut body).await.is_none());
    }

    #[tokio::test]
    async fn a_body_that_fails_ends_in_an_error() {
        let (mut writer, mut reader) = channel(permit().await, MINUTE);
        thread::spawn(move || {
            let written = writer.write_all(&vec![1; CHUNK_SIZE + 1]);
            writer.finish(written.and(Err(io::Error::other("no more"))));
        });
        let (first, _) = reader.first().await.unwrap().unwrap();
        let mut body = pin!(reader.into_stream(first));
        assert!(next(&mut body).await.unwrap().is_ok());
        assert!(next(&mut body).await.unwrap().is_err());
    }

    #[tokio::test]
    async fn a_body_whose_writer_is_gone_ends_in_an_error() {
        let (mut writer, mut reader) = channel(permit().await, MINUTE);
        let thread = thread::spawn(move || writer.write_all(&vec![1; CHUNK_SIZE + 1]));
        let (first, _) = reader.first().await.unwrap().unwrap();
        thread.join().unwrap().unwrap();
        let mut body = pin!(reader.into_stream(first));
        assert!(next(&mut body).await.unwrap().is_ok());
        assert!(next(&mut body).await.unwrap().is_err());
        assert!(next(&mut body).await.is_none());
    }

    #[tokio::test]
    async fn a_writer_without_a_reader_gets_broken_pipe() {
        let (mut writer, reader) = channel(permit().await, MINUTE);
        drop(reader);
        let thread = thread::spawn(move || writer.write_all(&vec![1; CHUNK_SIZE]));
        let error = thread.join().unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
