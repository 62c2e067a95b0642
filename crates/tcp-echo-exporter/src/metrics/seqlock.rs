//! A sequence lock: words and bytes that one thread writes and any thread reads consistently.
//!
//! The writer makes the version odd, changes the words, and makes the version even. A reader
//! loads the version, the words, and the version again; if it was odd or has changed, the
//! reader retries. The writer never waits. A reader needs a gap between two changes as long as
//! its read, some 100 ns. A target has thousands of events a second at most, so there are
//! plenty.
//!
//! # Why the orderings suffice
//!
//! There is one writer ([`Writer`] can't be cloned and changes take `&mut`), so its own loads
//! need no ordering. Every word is an atomic, so a read that races with a change is not
//! undefined behaviour; it only has to be detected.
//!
//! - *A read that saw any word of an unfinished change is discarded.* The odd version is stored
//!   before the writer's release fence, every word after it. A reader that loads one of those
//!   words synchronises, by its acquire fence, with that release fence (a fence-to-fence edge
//!   through the word), so its second load of the version returns the odd version or a later
//!   one: not what it loaded first.
//! - *A read that began at an even version sees all words up to it.* The even version is stored
//!   with release and first loaded with acquire.
//!
//! - *A read that began at an even version sees every segment up to it.* A segment is added inside
//!   a change, so its `OnceLock` is set before that change's even version is stored. A segment that
//!   a reader finds missing had not been written to at the version it began with; one that it finds
//!   too early holds zeros, or words of an unfinished change, which the first point covers.
//!
//! See Boehm, "Can seqlocks get along with programming language memory models?" (MSPC 2012).
//! `tests/seqlock_model.rs` runs this file through every interleaving of a small model.

use std::sync::Arc;

use super::sync::{AtomicU8, AtomicU64, OnceLock, Ordering, fence, pause};

/// The words and bytes, readable from any thread.
#[derive(Debug)]
pub(crate) struct SeqLock {
    version: AtomicU64,
    words: Box<[AtomicU64]>,
    bytes: Box<[AtomicU8]>,
    more: More,
}

/// The next segment, if there is one.
type More = OnceLock<Box<Segment>>;

/// Further words, added when they are needed and never removed.
#[derive(Debug)]
struct Segment {
    words: Box<[AtomicU64]>,
    more: More,
}

fn zeros(len: usize) -> Box<[AtomicU64]> {
    (0..len).map(|_| AtomicU64::new(0)).collect()
}

/// The only handle that may change them.
#[derive(Debug)]
pub(crate) struct Writer(Arc<SeqLock>);

impl SeqLock {
    /// Creates so many words and bytes, all 0, and their writer.
    pub(crate) fn new(words: usize, bytes: usize) -> (Writer, Arc<Self>) {
        let seqlock = Arc::new(Self {
            version: AtomicU64::new(0),
            words: zeros(words),
            bytes: (0..bytes).map(|_| AtomicU8::new(0)).collect(),
            more: More::new(),
        });
        (Writer(Arc::clone(&seqlock)), seqlock)
    }

    /// Reads everything consistently: the words, followed by those of the segments, and the bytes.
    pub(crate) fn read(&self, words: &mut Vec<u64>, bytes: &mut Vec<u8>) {
        let mut attempts = 0;
        loop {
            let before = self.version.load(Ordering::Acquire);
            if before & 1 == 0 {
                words.clear();
                bytes.clear();
                let mut load = |loaded: &[AtomicU64]| {
                    words.extend(loaded.iter().map(|word| word.load(Ordering::Relaxed)));
                };
                load(&self.words);
                bytes.extend(self.bytes.iter().map(|byte| byte.load(Ordering::Relaxed)));
                let mut more = self.more.get();
                while let Some(segment) = more {
                    load(&segment.words);
                    more = segment.more.get();
                }
                fence(Ordering::Acquire);
                if self.version.load(Ordering::Relaxed) == before {
                    return;
                }
            }
            pause(attempts);
            attempts = attempts.saturating_add(1);
        }
    }

    /// Loads one word, without regard to the others.
    pub(crate) fn peek(&self, index: usize) -> u64 {
        self.words[index].load(Ordering::Relaxed)
    }
}

impl Writer {
    /// Begins a change. Readers see it as a whole once the guard is dropped.
    #[inline]
    pub(crate) fn change(&mut self) -> Change<'_> {
        let seqlock = &*self.0;
        let version = seqlock.version.load(Ordering::Relaxed);
        seqlock
            .version
            .store(version.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        Change { seqlock, version }
    }
}

/// A change in progress.
pub(crate) struct Change<'a> {
    seqlock: &'a SeqLock,
    /// The even version before the change.
    version: u64,
}

impl Change<'_> {
    /// Sets a word.
    #[inline]
    pub(crate) fn set(&self, index: usize, value: u64) {
        self.seqlock.words[index].store(value, Ordering::Relaxed);
    }

    /// Adds to a word.
    #[inline]
    pub(crate) fn add(&self, index: usize, value: u64) {
        let word = &self.seqlock.words[index];
        let sum = word.load(Ordering::Relaxed).wrapping_add(value);
        word.store(sum, Ordering::Relaxed);
    }

    /// Adds 1 to a byte. Returns whether it was full and is 0 now.
    #[inline]
    pub(crate) fn increment(&self, index: usize) -> bool {
        let byte = &self.seqlock.bytes[index];
        let next = byte.load(Ordering::Relaxed).wrapping_add(1);
        byte.store(next, Ordering::Relaxed);
        next == 0
    }

    /// Returns the segments one after the other, without end: each that is missing is added, with
    /// as many words as `len` returns for its number.
    pub(crate) fn segments<'a>(
        &'a self,
        len: impl Fn(usize) -> usize + 'a,
    ) -> impl Iterator<Item = SegmentWords<'a>> {
        let mut more = &self.seqlock.more;
        (0..).map(move |number| {
            let segment = more.get_or_init(|| {
                let (words, more) = (zeros(len(number)), More::new());
                Box::new(Segment { words, more })
            });
            more = &segment.more;
            SegmentWords(&segment.words)
        })
    }
}

/// The words of one segment, during a change.
pub(crate) struct SegmentWords<'a>(&'a [AtomicU64]);

impl SegmentWords<'_> {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn get(&self, index: usize) -> u64 {
        self.0[index].load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self, index: usize, value: u64) {
        self.0[index].store(value, Ordering::Relaxed);
    }
}

impl Drop for Change<'_> {
    #[inline]
    fn drop(&mut self) {
        self.seqlock
            .version
            .store(self.version.wrapping_add(2), Ordering::Release);
    }
}
