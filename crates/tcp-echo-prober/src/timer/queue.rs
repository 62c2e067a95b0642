//! Wakers by their deadlines.

use std::{cmp::Reverse, collections::BinaryHeap, task::Waker};

use super::grid::Nanos;

/// Identifies an entry of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id(u32);

/// Entries, and a heap of their deadlines, the earliest first.
///
/// A deadline that is moved leaves its old place in the heap, which is skipped when it is due:
/// that costs less than finding it, since a target's deadline rarely moves before it is due.
#[derive(Default)]
pub(super) struct Queue {
    entries: Vec<Entry>,
    free: Vec<Id>,
    heap: BinaryHeap<Reverse<(Nanos, Id)>>,
}

#[derive(Default)]
struct Entry {
    waker: Option<Waker>,
    deadline: Option<Nanos>,
}

/// The heap is cleared of old deadlines when it has this many elements for each entry.
const MAX_PER_ENTRY: usize = 4;

impl Queue {
    /// A new entry, without a deadline.
    pub(super) fn insert(&mut self) -> Id {
        self.free.pop().unwrap_or_else(|| {
            self.entries.push(Entry::default());
            // There is no memory for more tasks than that.
            Id(u32::try_from(self.entries.len() - 1).unwrap_or(u32::MAX))
        })
    }

    /// Removes the entry; its id may be used again.
    pub(super) fn remove(&mut self, id: Id) {
        *self.entry(id) = Entry::default();
        self.free.push(id);
    }

    /// Sets or moves an entry's deadline. Returns whether it has changed.
    pub(super) fn set(&mut self, id: Id, at: Nanos, waker: &Waker) -> bool {
        let entry = self.entry(id);
        match &mut entry.waker {
            Some(old) => old.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        if entry.deadline.replace(at) == Some(at) {
            return false;
        }
        self.heap.push(Reverse((at, id)));
        if self.heap.len() > MAX_PER_ENTRY * self.entries.len() {
            let entries = &self.entries;
            let is_current = |at, id: Id| entries[id.0 as usize].deadline == Some(at);
            self.heap.retain(|Reverse((at, id))| is_current(*at, *id));
        }
        true
    }

    /// The earliest deadline.
    pub(super) fn earliest(&mut self) -> Option<Nanos> {
        while let Some(Reverse((at, id))) = self.heap.peek() {
            if self.entries[id.0 as usize].deadline == Some(*at) {
                return Some(*at);
            }
            self.heap.pop();
        }
        None
    }

    /// Takes the earliest deadline if it has passed.
    pub(super) fn pop_due(&mut self, now: Nanos) -> Option<Waker> {
        while let Some(Reverse((at, id))) = self.heap.peek().copied().filter(|due| due.0.0 <= now) {
            self.heap.pop();
            let entry = self.entry(id);
            if entry.deadline == Some(at) {
                entry.deadline = None;
                return entry.waker.clone();
            }
        }
        None
    }

    fn entry(&mut self, id: Id) -> &mut Entry {
        &mut self.entries[id.0 as usize]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Random deadlines against an ordered map.
    #[test]
    fn behaves_as_an_ordered_map() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut queue = Queue::default();
        let mut model: BTreeMap<Id, Nanos> = BTreeMap::new();
        let mut ids: Vec<Id> = (0..50).map(|_| queue.insert()).collect();
        for _ in 0..20_000 {
            let index = random.usize(..ids.len());
            let id = ids[index];
            match random.u8(..10) {
                0 => {
                    queue.remove(id);
                    model.remove(&id);
                    ids[index] = queue.insert();
                }
                1..=2 => {
                    let now = random.u64(..1_000);
                    let due = queue.pop_due(now).is_some();
                    let first = model.values().min().copied();
                    assert_eq!(due, first.is_some_and(|at| at <= now));
                    if due {
                        // The order of equal deadlines is undefined.
                        let has_gone = |id: &Id| queue.entries[id.0 as usize].deadline.is_none();
                        let taken = *model.keys().find(|id| has_gone(id)).unwrap();
                        assert_eq!(model.remove(&taken), first);
                    }
                }
                _ => {
                    let at = random.u64(..1_000);
                    queue.set(id, at, Waker::noop());
                    model.insert(id, at);
                }
            }
            assert_eq!(queue.earliest(), model.values().min().copied());
            assert!(queue.heap.len() <= 50 * MAX_PER_ENTRY);
        }
        assert_eq!(queue.entries.len(), 50, "entries are used again");
    }

    #[test]
    fn a_deadline_that_is_set_again_wakes_once() {
        let mut queue = Queue::default();
        let id = queue.insert();
        for at in [5, 7, 5] {
            assert!(queue.set(id, at, Waker::noop()));
        }
        assert!(!queue.set(id, 5, Waker::noop()));
        assert!(queue.pop_due(10).is_some());
        assert!(queue.pop_due(10).is_none());
        assert_eq!(queue.earliest(), None);
    }
}
