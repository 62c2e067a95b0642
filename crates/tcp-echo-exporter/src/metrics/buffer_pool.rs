//! Buffers that are used again.
//!
//! A scrape of ten thousand targets takes megabytes for a moment, on whichever thread
//! makes it. Given back to the allocator they stay with that thread's share of the heap
//! as a rule, so a program that is scraped by many threads in turn grows by as much for
//! each of them. Kept here they are there once.

use std::{
    mem,
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, PoisonError},
};

/// How many are kept while nobody uses them.
const MAX_IDLE: usize = 2;

/// Buffers that nobody uses at present.
#[derive(Debug, Default)]
pub(crate) struct BufferPool(Mutex<Vec<Vec<u64>>>);

/// A buffer that goes back to where it came from.
#[derive(Debug)]
pub(crate) struct PooledBuffer {
    words: Vec<u64>,
    pool: Arc<BufferPool>,
}

impl BufferPool {
    /// An empty buffer with room for so many words.
    pub(crate) fn take(self: &Arc<Self>, len: usize) -> PooledBuffer {
        let idle = self.with(Vec::pop);
        let mut words = idle.unwrap_or_default();
        words.clear();
        words.reserve_exact(len);
        PooledBuffer {
            words,
            pool: Arc::clone(self),
        }
    }

    fn with<T>(&self, f: impl FnOnce(&mut Vec<Vec<u64>>) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for PooledBuffer {
    fn drop(&mut self) {
        let words = mem::take(&mut self.words);
        // One that has become far too large is not worth its memory.
        if words.capacity() / 4 <= words.len() {
            self.pool.with(|idle| {
                if idle.len() < MAX_IDLE {
                    idle.push(words);
                }
            });
        }
    }
}

impl Deref for PooledBuffer {
    type Target = Vec<u64>;

    fn deref(&self) -> &Vec<u64> {
        &self.words
    }
}

impl DerefMut for PooledBuffer {
    fn deref_mut(&mut self) -> &mut Vec<u64> {
        &mut self.words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again_and_empty() {
        let buffers = Arc::new(BufferPool::default());
        let mut first = buffers.take(100);
        first.extend(0..100);
        let place = first.as_ptr();
        drop(first);
        let second = buffers.take(50);
        assert_eq!(second.as_ptr(), place);
        assert!(second.is_empty());
    }

    #[test]
    fn few_are_kept_and_none_that_is_far_too_large() {
        let buffers = Arc::new(BufferPool::default());
        let all: Vec<_> = (0..2 * MAX_IDLE).map(|_| buffers.take(0)).collect();
        drop(all);
        assert_eq!(buffers.with(|idle| idle.len()), MAX_IDLE);

        let buffers = Arc::new(BufferPool::default());
        let mut large = buffers.take(1000);
        large.push(1);
        drop(large);
        assert_eq!(buffers.with(|idle| idle.len()), 0);
    }
}
