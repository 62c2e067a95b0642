//! Wakers by their deadlines: a binary heap whose entries can be moved.

use std::{task::Waker, time::Instant};

/// Identifies an entry of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id(usize);

/// Entries, and a heap over those that have a deadline, the earliest first. Setting,
/// moving and removing a deadline is O(log n) and allocates nothing once the queue has
/// grown to its size.
#[derive(Default)]
pub(super) struct Queue {
    entries: Vec<Entry>,
    free: Vec<Id>,
    heap: Vec<Deadline>,
}

#[derive(Default)]
struct Entry {
    waker: Option<Waker>,
    /// The position of its deadline in the heap, if it has one.
    position: Option<usize>,
}

#[derive(Clone, Copy)]
struct Deadline {
    at: Instant,
    entry: usize,
}

impl Queue {
    /// A new entry, without a deadline.
    pub(super) fn insert(&mut self) -> Id {
        self.free.pop().unwrap_or_else(|| {
            self.entries.push(Entry::default());
            Id(self.entries.len() - 1)
        })
    }

    /// Removes the entry; its id may be used again.
    pub(super) fn remove(&mut self, id: Id) {
        self.unset(id.0);
        self.entries[id.0].waker = None;
        self.free.push(id);
    }

    /// Sets or moves an entry's deadline.
    pub(super) fn set(&mut self, id: Id, at: Instant, waker: &Waker) {
        let entry = &mut self.entries[id.0];
        match &mut entry.waker {
            Some(old) => old.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        let deadline = Deadline { at, entry: id.0 };
        let position = if let Some(position) = entry.position {
            self.heap[position] = deadline;
            position
        } else {
            self.heap.push(deadline);
            self.heap.len() - 1
        };
        self.settle(position);
    }

    /// The earliest deadline.
    pub(super) fn earliest(&self) -> Option<Instant> {
        self.heap.first().map(|deadline| deadline.at)
    }

    /// Takes the earliest deadline if it has passed.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Waker> {
        let deadline = *self.heap.first().filter(|deadline| deadline.at <= now)?;
        self.unset(deadline.entry);
        self.entries[deadline.entry].waker.clone()
    }

    fn unset(&mut self, entry: usize) {
        if let Some(position) = self.entries[entry].position.take() {
            self.heap.swap_remove(position);
            if position < self.heap.len() {
                self.settle(position);
            }
        }
    }

    /// Restores the heap after a change at `position`.
    fn settle(&mut self, mut position: usize) {
        let deadline = self.heap[position];
        while position > 0 {
            let parent = (position - 1) / 2;
            if self.heap[parent].at <= deadline.at {
                break;
            }
            self.put(position, self.heap[parent]);
            position = parent;
        }
        loop {
            let left = 2 * position + 1;
            let children = left..self.heap.len().min(left + 2);
            let Some(child) = children.min_by_key(|child| self.heap[*child].at) else {
                break;
            };
            if deadline.at <= self.heap[child].at {
                break;
            }
            self.put(position, self.heap[child]);
            position = child;
        }
        self.put(position, deadline);
    }

    fn put(&mut self, position: usize, deadline: Deadline) {
        self.heap[position] = deadline;
        self.entries[deadline.entry].position = Some(position);
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use super::*;

    /// Random deadlines against an ordered map.
    #[test]
    fn behaves_as_an_ordered_map() {
        let start = Instant::now();
        let mut random = fastrand::Rng::with_seed(7);
        let mut queue = Queue::default();
        let mut model: BTreeMap<usize, Instant> = BTreeMap::new();
        let mut ids: Vec<Id> = (0..50).map(|_| queue.insert()).collect();
        for _ in 0..20_000 {
            let index = random.usize(..ids.len());
            let id = ids[index];
            match random.u8(..10) {
                0 => {
                    queue.remove(id);
                    model.remove(&id.0);
                    ids[index] = queue.insert();
                }
                1..=2 => {
                    let now = start + Duration::from_micros(random.u64(..1_000));
                    let due = queue.pop_due(now).is_some();
                    let first = model.values().min().copied();
                    assert_eq!(due, first.is_some_and(|at| at <= now));
                    if due {
                        // The order of equal deadlines is undefined.
                        let gone = |id: &usize| queue.entries[*id].position.is_none();
                        let taken = *model.keys().find(|id| gone(id)).unwrap();
                        assert_eq!(model.remove(&taken), first);
                    }
                }
                _ => {
                    let at = start + Duration::from_micros(random.u64(..1_000));
                    queue.set(id, at, Waker::noop());
                    model.insert(id.0, at);
                }
            }
            assert_eq!(queue.earliest(), model.values().min().copied());
            assert_eq!(queue.heap.len(), model.len());
        }
        assert_eq!(queue.entries.len(), 50, "entries are used again");
    }
}
