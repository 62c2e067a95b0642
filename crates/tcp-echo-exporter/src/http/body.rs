//! An answer's bytes on their way from where they are made to where they are sent.

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

use super::answers::Place;

/// How many bytes are handed on at a time.
const PIECE: usize = 64 * 1024;

/// How many pieces may wait to be sent before the one who makes them waits too: so
/// much of an answer is in memory at once, however long it is.
const AHEAD: usize = 4;

/// A channel for one answer, which may take so long to be read, and holds its place until
/// it was. This has to be called in a tokio runtime with time enabled, which has to run
/// while the answer is written.
pub(crate) fn channel(place: Place, reading: Duration) -> (BodyWriter, BodyReader) {
    let (sender, receiver) = mpsc::channel(AHEAD);
    let place = Arc::new(place);
    let pieces = BodyWriter {
        filling: Vec::new(),
        sender,
        until: Instant::now() + reading,
        runtime: Handle::current(),
        place: Arc::clone(&place),
    };
    (pieces, BodyReader { receiver, place })
}

/// Where an answer is written, on a thread that may wait.
#[derive(Debug)]
pub(crate) struct BodyWriter {
    filling: Vec<u8>,
    sender: mpsc::Sender<io::Result<Bytes>>,
    /// By when all of it has to be taken, but for what may wait.
    until: Instant,
    runtime: Handle,
    place: Arc<Place>,
}

impl BodyWriter {
    /// Hands on a piece, and waits while too many do.
    fn send(&self, piece: io::Result<Bytes>) -> io::Result<()> {
        let piece = match self.sender.try_send(piece) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Closed(_)) => return Err(io::ErrorKind::BrokenPipe.into()),
            Err(TrySendError::Full(piece)) => piece,
        };
        let left = self.until.saturating_duration_since(Instant::now());
        let reader = self.place.reader();
        reader.set_awaited(true);
        let sent = self.runtime.block_on(async {
            tokio::select! {
                sent = self.sender.send_timeout(piece, left) => sent,
                () = reader.dropped() => Err(SendTimeoutError::Closed(Ok(Bytes::new()))),
            }
        });
        reader.set_awaited(false);
        sent.map_err(|error| match error {
            SendTimeoutError::Closed(_) => io::ErrorKind::BrokenPipe.into(),
            SendTimeoutError::Timeout(_) => io::ErrorKind::TimedOut.into(),
        })
    }

    /// Hands on what is left, or says that the answer ends too early. That nobody
    /// takes it any more is no failure.
    pub(crate) fn finish(mut self, written: io::Result<()>) {
        let last = written.map(|()| mem::take(&mut self.filling).into());
        let _ = self.send(last);
        self.place.reader().set_awaited(true);
    }
}

impl Write for BodyWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.filling.capacity() == 0 {
            self.filling.reserve_exact(PIECE);
        }
        let taken = bytes.len().min(PIECE - self.filling.len());
        self.filling.extend_from_slice(&bytes[..taken]);
        if self.filling.len() == PIECE {
            let piece = mem::take(&mut self.filling).into();
            self.send(Ok(piece))?;
        }
        Ok(taken)
    }

    /// Does nothing: an answer is not waited for in parts.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is still to come of an answer.
#[derive(Debug)]
pub(crate) struct BodyReader {
    receiver: mpsc::Receiver<io::Result<Bytes>>,
    place: Arc<Place>,
}

impl BodyReader {
    /// The first piece, and whether it is the whole answer. Nothing where it could not
    /// be written at all, without as much as an error.
    pub(crate) async fn first(&mut self) -> Option<io::Result<(Bytes, bool)>> {
        let first = self.receiver.recv().await?;
        Some(first.map(|piece| {
            let whole = piece.len() < PIECE;
            (piece, whole)
        }))
    }

    /// All of it, the piece that was taken included.
    pub(crate) fn after(self, first: Bytes) -> BodyStream {
        BodyStream {
            first: Some(first),
            rest: self.receiver,
            ended: false,
            place: self.place,
        }
    }
}

/// The whole of an answer, for a body.
#[derive(Debug)]
pub(crate) struct BodyStream {
    first: Option<Bytes>,
    rest: mpsc::Receiver<io::Result<Bytes>>,
    /// Whether the last piece was given, or an error. Only the last one is short.
    ended: bool,
    place: Arc<Place>,
}

impl Stream for BodyStream {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(first) = self.first.take() {
            self.place.reader().on_taken(first.len());
            return Poll::Ready(Some(Ok(first)));
        }
        let Poll::Ready(next) = self.rest.poll_recv(context) else {
            return Poll::Pending;
        };
        // A writer that fails must not leave an answer that looks whole.
        let next = match next {
            None if !self.ended => Some(Err(io::ErrorKind::UnexpectedEof.into())),
            next => next,
        };
        if let Some(Ok(piece)) = &next {
            self.place.reader().on_taken(piece.len());
        }
        self.ended |= next.as_ref().is_none_or(|next| match next {
            Ok(piece) => piece.len() < PIECE,
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
    use crate::http::{answers::Answers, client::Client};

    const LONG: Duration = Duration::from_secs(60);

    async fn place() -> Place {
        let client = Client {
            headers: HeaderMap::new(),
            address: None,
            connection: None,
        };
        Answers::new(1).place(&client, LONG).await.unwrap()
    }

    async fn next(whole: &mut Pin<&mut BodyStream>) -> Option<io::Result<Bytes>> {
        std::future::poll_fn(|context| whole.as_mut().poll_next(context)).await
    }

    #[tokio::test]
    async fn a_long_answer_comes_whole_while_little_of_it_is_held() {
        let (mut pieces, mut rest) = channel(place().await, LONG);
        let sent: Vec<u8> = (0..=250).cycle().take(10 * PIECE + 7).collect();
        let bytes = sent.clone();
        let writer = thread::spawn(move || {
            let written = bytes
                .chunks(1000)
                .try_for_each(|part| pieces.write_all(part));
            pieces.finish(written);
        });
        let (first, whole) = rest.first().await.unwrap().unwrap();
        assert!(!whole);
        assert!(!writer.is_finished());
        let mut body = pin!(rest.after(first));
        let mut got = Vec::new();
        while let Some(piece) = next(&mut body).await {
            got.extend_from_slice(&piece.unwrap());
        }
        writer.join().unwrap();
        assert!(got == sent);
    }

    #[tokio::test]
    async fn a_short_answer_is_one_piece() {
        let (mut pieces, mut rest) = channel(place().await, LONG);
        thread::spawn(move || {
            let written = pieces.write_all(b"short");
            pieces.finish(written);
        });
        let first = rest.first().await.unwrap().unwrap();
        assert_eq!(first, (Bytes::from_static(b"short"), true));
    }

    #[tokio::test]
    async fn an_answer_of_just_one_piece_ends_with_an_empty_one() {
        let (mut pieces, mut rest) = channel(place().await, LONG);
        thread::spawn(move || {
            let written = pieces.write_all(&vec![1; PIECE]);
            pieces.finish(written);
        });
        let (first, whole) = rest.first().await.unwrap().unwrap();
        assert_eq!((first.len(), whole), (PIECE, false));
        let mut body = pin!(rest.after(first.clone()));
        assert_eq!(next(&mut body).await.unwrap().unwrap(), first);
        assert_eq!(next(&mut body).await.unwrap().unwrap(), Bytes::new());
        assert!(next(&mut body).await.is_none());
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_ends_in_an_error() {
        let (mut pieces, mut rest) = channel(place().await, LONG);
        thread::spawn(move || {
            let written = pieces.write_all(&vec![1; PIECE + 1]);
            pieces.finish(written.and(Err(io::Error::other("no more"))));
        });
        let (first, _) = rest.first().await.unwrap().unwrap();
        let mut body = pin!(rest.after(first));
        assert!(next(&mut body).await.unwrap().is_ok());
        assert!(next(&mut body).await.unwrap().is_err());
    }

    #[tokio::test]
    async fn an_answer_whose_writer_is_gone_is_not_taken_for_whole() {
        let (mut pieces, mut rest) = channel(place().await, LONG);
        let writer = thread::spawn(move || pieces.write_all(&vec![1; PIECE + 1]));
        let (first, _) = rest.first().await.unwrap().unwrap();
        writer.join().unwrap().unwrap();
        let mut body = pin!(rest.after(first));
        assert!(next(&mut body).await.unwrap().is_ok());
        assert!(next(&mut body).await.unwrap().is_err());
        assert!(next(&mut body).await.is_none());
    }

    #[tokio::test]
    async fn who_writes_learns_that_nobody_reads() {
        let (mut pieces, rest) = channel(place().await, LONG);
        drop(rest);
        let writer = thread::spawn(move || pieces.write_all(&vec![1; PIECE]));
        let error = writer.join().unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
