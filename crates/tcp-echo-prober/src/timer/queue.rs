//! Who wants to be woken when: a binary heap whose entries can be moved.

use std::{task::Waker, time::Instant};

/// Names a place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id(usize);

/// Places, and a heap over those that have a wish, the earliest first. Setting,
/// moving and removing a wish is O(log n) and allocates nothing once the queue has
/// grown to its size.
#[derive(Default)]
pub(super) struct Queue {
    places: Vec<Place>,
    free: Vec<Id>,
    heap: Vec<Wish>,
}

#[derive(Default)]
struct Place {
    waker: Option<Waker>,
    /// Where in the heap its wish lies, if it has one.
    position: Option<usize>,
}

#[derive(Clone, Copy)]
struct Wish {
    at: Instant,
    place: usize,
}

impl Queue {
    /// A new place, without a wish.
    pub(super) fn insert(&mut self) -> Id {
        self.free.pop().unwrap_or_else(|| {
            self.places.push(Place::default());
            Id(self.places.len() - 1)
        })
    }

    /// Gives the place back.
    pub(super) fn remove(&mut self, id: Id) {
        self.unset(id.0);
        self.places[id.0].waker = None;
        self.free.push(id);
    }

    /// Sets or moves a place's wish.
    pub(super) fn set(&mut self, id: Id, at: Instant, waker: &Waker) {
        let place = &mut self.places[id.0];
        match &mut place.waker {
            Some(old) => old.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        let wish = Wish { at, place: id.0 };
        let position = if let Some(position) = place.position {
            self.heap[position] = wish;
            position
        } else {
            self.heap.push(wish);
            self.heap.len() - 1
        };
        self.settle(position);
    }

    /// The earliest wish.
    pub(super) fn earliest(&self) -> Option<Instant> {
        self.heap.first().map(|wish| wish.at)
    }

    /// Takes the earliest wish if its moment has come.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Waker> {
        let wish = *self.heap.first().filter(|wish| wish.at <= now)?;
        self.unset(wish.place);
        self.places[wish.place].waker.clone()
    }

    fn unset(&mut self, place: usize) {
        if let Some(position) = self.places[place].position.take() {
            self.heap.swap_remove(position);
            if position < self.heap.len() {
                self.settle(position);
            }
        }
    }

    /// Moves the wish at `position` to where it belongs, and notes where that is.
    fn settle(&mut self, mut position: usize) {
        let wish = self.heap[position];
        while position > 0 {
            let parent = (position - 1) / 2;
            if self.heap[parent].at <= wish.at {
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
            if wish.at <= self.heap[child].at {
                break;
            }
            self.put(position, self.heap[child]);
            position = child;
        }
        self.put(position, wish);
    }

    fn put(&mut self, position: usize, wish: Wish) {
        self.heap[position] = wish;
        self.places[wish.place].position = Some(position);
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use super::*;

    /// Random wishes against an ordered map.
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
                        // Which of several at one moment is taken, the queue decides.
                        let gone = |id: &usize| queue.places[*id].position.is_none();
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
        assert_eq!(queue.places.len(), 50, "places are used again");
    }
}
