//! The sequence lock under every interleaving that the memory model allows. Not on Windows: the
//! model's coroutines can't panic with mingw.
#![cfg(not(windows))]
#![allow(
    dead_code,
    clippy::duplicate_mod,
    reason = "the file is the library's own, over the model's atomics"
)]

mod sync {
    use loom::sync::atomic::AtomicBool;
    pub(crate) use loom::sync::atomic::{AtomicU8, AtomicU64, Ordering, fence};

    pub(crate) fn pause(_attempts: u32) {
        loom::thread::yield_now();
    }

    /// As that of `std`, with one writer: what a reader may see of it depends on the model.
    #[derive(Debug)]
    pub(crate) struct OnceLock<T> {
        is_set: AtomicBool,
        value: std::sync::OnceLock<T>,
    }

    impl<T> OnceLock<T> {
        pub(crate) fn new() -> Self {
            Self {
                is_set: AtomicBool::new(false),
                value: std::sync::OnceLock::new(),
            }
        }

        pub(crate) fn get(&self) -> Option<&T> {
            let is_set = self.is_set.load(Ordering::Acquire);
            is_set.then(|| self.value.get()).flatten()
        }

        pub(crate) fn get_or_init(&self, value: impl FnOnce() -> T) -> &T {
            let value = self.value.get_or_init(value);
            self.is_set.store(true, Ordering::Release);
            value
        }
    }
}

#[path = "../src/metrics/seqlock.rs"]
mod seqlock;

use seqlock::SeqLock;

fn model() -> loom::model::Builder {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model
}

#[test]
fn a_read_sees_whole_changes_only() {
    model().check(|| {
        let (mut writer, seqlock) = SeqLock::new(3, 0);
        let reader = loom::thread::spawn(move || {
            let mut words = Vec::new();
            seqlock.read(&mut words, &mut Vec::new());
            let [sent, received, in_flight] = words[..] else {
                panic!("three words were put in");
            };
            assert_eq!(sent, received + in_flight);
        });
        for (received, in_flight) in [(0, 1), (1, 0)] {
            let change = writer.change();
            change.set(0, 1);
            change.set(1, received);
            change.set(2, in_flight);
        }
        reader.join().unwrap();
    });
}

/// A change may count in a byte, or in a word of a segment that it adds.
#[test]
fn a_read_sees_the_segment_that_a_change_added() {
    model().check(|| {
        let (mut writer, seqlock) = SeqLock::new(1, 1);
        let reader = loom::thread::spawn(move || {
            let (mut words, mut bytes) = (Vec::new(), Vec::new());
            seqlock.read(&mut words, &mut bytes);
            let in_segment = words.get(1).copied().unwrap_or(0);
            assert_eq!(words[0], u64::from(bytes[0]) + in_segment);
        });
        {
            let change = writer.change();
            change.set(0, 1);
            change.increment(0);
        }
        {
            let change = writer.change();
            change.set(0, 5);
            let mut segments = change.segments(|_| 1);
            segments.next().unwrap().set(0, 4);
        }
        reader.join().unwrap();
    });
}
