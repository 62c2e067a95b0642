//! A sequence lock: words that one thread writes and any thread reads consistently.
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
//! See Boehm, "Can seqlocks get along with programming language memory models?" (MSPC 2012).
//! `tests/seqlock_model.rs` runs this file through every interleaving of a small model.

use std::sync::Arc;

use super::sync::{AtomicU64, Ordering, fence, pause};

/// The words, readable from any thread.
#[derive(Debug)]
pub(crate) struct SeqLock {
    version: AtomicU64,
    words: Box<[AtomicU64]>,
}

/// The only handle that may change the words.
#[derive(Debug)]
pub(crate) struct Writer(Arc<SeqLock>);

impl SeqLock {
    /// Creates `len` words, all 0, and their writer.
    pub(crate) fn new(len: usize) -> (Writer, Arc<Self>) {
        let seqlock = Arc::new(Self {
            version: AtomicU64::new(0),
            words: (0..len).map(|_| AtomicU64::new(0)).collect(),
        });
        (Writer(Arc::clone(&seqlock)), seqlock)
    }

    /// Returns the number of words.
    pub(crate) fn len(&self) -> usize {
        self.words.len()
    }

    /// Appends the first `len` words to `words`, consistently.
    pub(crate) fn read(&self, len: usize, words: &mut Vec<u64>) {
        let start = words.len();
        let mut attempts = 0;
        loop {
            let before = self.version.load(Ordering::Acquire);
            if before & 1 == 0 {
                let first = self.words.iter().take(len);
                words.extend(first.map(|word| word.load(Ordering::Relaxed)));
                fence(Ordering::Acquire);
                if self.version.load(Ordering::Relaxed) == before {
                    return;
                }
                words.truncate(start);
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
        word.store(
            word.load(Ordering::Relaxed).wrapping_add(value),
            Ordering::Relaxed,
        );
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
