//! Numbers that one thread changes and any thread reads, all of one moment.
//!
//! A seqlock over atomics. The writer makes the version odd, changes the words,
//! makes the version even. A reader takes the version, the words, and the version
//! again; where it was odd or has changed, it tries again. The writer never waits.
//! A reader needs a gap between two changes as long as its read, some 100 ns: a
//! target has thousands of events a second at most, so there are plenty.
//!
//! # Why the orderings suffice
//!
//! There is one writer ([`Writer`] can't be cloned and changes take `&mut`), so its
//! own loads need no order. Every word is an atomic, so a read that races with a
//! change is no undefined behaviour; it only has to be noticed.
//!
//! - *A read that saw any word of a change, but not its end, is thrown away.* The
//!   odd version is stored before the writer's release fence, every word after it.
//!   A reader that loads one of those words synchronises, by its acquire fence,
//!   with that release fence (a fence-to-fence edge through the word), so its second
//!   load of the version sees the odd version or a later one: not what it saw first.
//! - *A read that began at an even version sees all words up to it.* The even
//!   version is stored with release and first loaded with acquire.
//!
//! See Boehm, "Can seqlocks get along with programming language memory models?"
//! (MSPC 2012). `tests/seqlock_model.rs` runs this file through every interleaving of
//! a small model.

use std::sync::Arc;

use super::sync::{AtomicU64, Ordering, fence, pause};

/// The numbers, to be read from any thread.
#[derive(Debug)]
pub(crate) struct SeqLock {
    version: AtomicU64,
    words: Box<[AtomicU64]>,
}

/// The one that may change them.
#[derive(Debug)]
pub(crate) struct Writer(Arc<SeqLock>);

impl SeqLock {
    /// As many numbers, all 0, and the one writer to them.
    pub(crate) fn new(len: usize) -> (Writer, Arc<Self>) {
        let seqlock = Arc::new(Self {
            version: AtomicU64::new(0),
            words: (0..len).map(|_| AtomicU64::new(0)).collect(),
        });
        (Writer(Arc::clone(&seqlock)), seqlock)
    }

    /// How many they are.
    pub(crate) fn len(&self) -> usize {
        self.words.len()
    }

    /// Appends the first `len` of them to `words`, as they were at one moment.
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

    /// One of them, by itself.
    pub(crate) fn peek(&self, index: usize) -> u64 {
        self.words[index].load(Ordering::Relaxed)
    }
}

impl Writer {
    /// Begins a change, which readers see as a whole once the guard is dropped.
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

/// A change under way.
pub(crate) struct Change<'a> {
    seqlock: &'a SeqLock,
    /// The even version that it began from.
    version: u64,
}

impl Change<'_> {
    /// Sets a number.
    #[inline]
    pub(crate) fn set(&self, index: usize, value: u64) {
        self.seqlock.words[index].store(value, Ordering::Relaxed);
    }

    /// Adds to a number.
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
