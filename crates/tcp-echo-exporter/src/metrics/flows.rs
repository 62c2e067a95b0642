//! The flows of a target, each with numbers of its own.

use std::{
    num::NonZeroU16,
    slice,
    sync::{Arc, Mutex, PoisonError},
};

use super::seqlock::{SeqLock, Writer};

/// The numbers of a target's flows. Most targets have one flow, which needs no memory beside its
/// numbers.
#[derive(Debug)]
pub(crate) enum Flows {
    One(Arc<SeqLock>),
    Several(Box<Several>),
}

/// The numbers of several flows.
#[derive(Debug)]
pub(crate) struct Several {
    seqlocks: Box<[Arc<SeqLock>]>,
    /// The writers of the flows that are not attached yet.
    writers: Mutex<Box<[Option<Writer>]>>,
}

impl Flows {
    /// Creates the numbers of so many flows, and returns the writer of flow `index`.
    pub(crate) fn new(
        flows: NonZeroU16,
        index: u16,
        create: impl Fn() -> (Writer, Arc<SeqLock>),
    ) -> (Writer, Self) {
        let (own, own_seqlock) = create();
        if flows == NonZeroU16::MIN {
            return (own, Self::One(own_seqlock));
        }
        let all = (0..flows.get()).map(|flow| {
            if flow == index {
                return (None, Arc::clone(&own_seqlock));
            }
            let (writer, seqlock) = create();
            (Some(writer), seqlock)
        });
        let (writers, seqlocks): (Vec<_>, Vec<_>) = all.unzip();
        let several = Several {
            seqlocks: seqlocks.into(),
            writers: Mutex::new(writers.into()),
        };
        (own, Self::Several(Box::new(several)))
    }

    /// Takes the writer of flow `index`, if that is not attached yet.
    pub(crate) fn attach(&self, index: u16) -> Option<Writer> {
        let Self::Several(several) = self else {
            return None;
        };
        let writers = several.writers.lock();
        let mut writers = writers.unwrap_or_else(PoisonError::into_inner);
        writers.get_mut(usize::from(index))?.take()
    }

    /// Returns the numbers of each.
    pub(crate) fn all(&self) -> &[Arc<SeqLock>] {
        match self {
            Self::One(seqlock) => slice::from_ref(seqlock),
            Self::Several(several) => &several.seqlocks,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flows(flows: u16, index: u16) -> (Writer, Flows) {
        Flows::new(flows.try_into().unwrap(), index, || SeqLock::new(1, 0))
    }

    #[test]
    fn each_flow_is_attached_once_and_has_its_own_numbers() {
        let (first, flows) = flows(3, 1);
        assert!(flows.attach(1).is_none());
        let mut writers = [flows.attach(0).unwrap(), first, flows.attach(2).unwrap()];
        assert!((0..4).all(|flow| flows.attach(flow).is_none()));
        for (number, writer) in (7..).zip(&mut writers) {
            writer.change().set(0, number);
        }
        let read: Vec<_> = flows.all().iter().map(|one| one.peek(0)).collect();
        assert_eq!(read, [7, 8, 9]);
    }

    #[test]
    fn one_flow_has_nothing_beside_its_numbers() {
        let (_writer, flows) = flows(1, 0);
        assert!(flows.attach(0).is_none());
        assert!(matches!(&flows, Flows::One(_)));
        assert_eq!(size_of_val(&flows), 2 * size_of::<usize>());
    }
}
