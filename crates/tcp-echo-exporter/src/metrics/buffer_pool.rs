//! A pool of buffers for snapshots.
//!
//! A scrape of ten thousand targets allocates megabytes for a moment, on whichever thread
//! handles it. The allocator usually keeps freed memory in an arena of that thread, so a
//! program that is scraped by many threads in turn would grow by as much for each. A pool
//! shares one buffer between them.

use std::{
    mem,
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, PoisonError},
};

/// The maximum number of idle buffers.
const MAX_IDLE: usize = 2;

/// The idle buffers.
#[derive(Debug, Default)]
pub(crate) struct BufferPool(Mutex<Vec<Vec<u64>>>);

/// A buffer that returns to its pool when dropped.
#[derive(Debug)]
pub(crate) struct PooledBuffer {
    words: Vec<u64>,
    pool: Arc<BufferPool>,
}

impl BufferPool {
    /// Returns an empty buffer with a capacity of at least `len` words.
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
        // A buffer that is far too large is not worth its memory.
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
    fn few_buffers_are_kept_and_no_oversized_one() {
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
