//! The sequence lock under every interleaving that the memory model allows. Not on Windows: the
//! model's coroutines can't panic with mingw.
#![cfg(not(windows))]
#![allow(
    dead_code,
    clippy::duplicate_mod,
    reason = "the file is the library's own, over the model's atomics"
)]

mod sync {
    pub(crate) use loom::sync::atomic::{AtomicU64, Ordering, fence};

    pub(crate) fn pause(_attempts: u32) {
        loom::thread::yield_now();
    }
}

#[path = "../src/metrics/seqlock.rs"]
mod seqlock;

use seqlock::SeqLock;

#[test]
fn a_read_sees_whole_changes_only() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(|| {
        let (mut writer, seqlock) = SeqLock::new(3);
        let reader = loom::thread::spawn(move || {
            let mut words = Vec::new();
            seqlock.read(3, &mut words);
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
