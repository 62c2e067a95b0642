//! What watches one flow.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Instant, SystemTime},
};

use tcp_echo_prober::{Episode, Event, Sensor, Session, Target};

use crate::registry::Shared;

/// What a sensor has seen.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) target: Target,
    pub(crate) flow: u16,
    pub(crate) seen: Seen,
    /// The moment, by both clocks.
    pub(crate) at: (Instant, SystemTime),
}

#[derive(Debug)]
pub(crate) enum Seen {
    /// An episode of the flow has begun, changed or ended, with the slots lost in it so far.
    Episode(Episode, Arc<AtomicU64>),
    /// The target is no longer probed.
    Gone,
}

/// Watches one flow of a target. What lasts when it is dropped ends then.
#[derive(Debug)]
pub struct EpisodeSensor {
    shared: Arc<Shared>,
    target: Target,
    flow: u16,
    /// Whether anything was ever seen.
    has_seen: bool,
    /// The slots lost in the current episode.
    lost: Option<Arc<AtomicU64>>,
}

impl EpisodeSensor {
    pub(crate) fn new(shared: Arc<Shared>, target: &Target, flow: u16) -> Self {
        Self {
            shared,
            target: target.clone(),
            flow,
            has_seen: false,
            lost: None,
        }
    }

    #[cold]
    fn tell(&mut self, seen: Seen) {
        self.has_seen = true;
        self.shared.tell(Message {
            target: self.target.clone(),
            flow: self.flow,
            seen,
            at: (Instant::now(), SystemTime::now()),
        });
    }

    #[cold]
    fn on_episode(&mut self, episode: Episode) {
        let lost = self.lost.get_or_insert_default();
        lost.store(episode.slots_lost, Relaxed);
        let lost = Arc::clone(lost);
        if episode.ended.is_some() {
            self.lost = None;
        }
        self.tell(Seen::Episode(episode, lost));
    }
}

impl Sensor for EpisodeSensor {
    #[inline]
    fn on_event(&mut self, event: &Event, _session: &Session) {
        match event {
            Event::TimedOut { .. } => {
                if let Some(lost) = &self.lost {
                    lost.fetch_add(1, Relaxed);
                }
            }
            Event::Unsent { slots, .. } => {
                if let Some(lost) = &self.lost {
                    lost.fetch_add(*slots, Relaxed);
                }
            }
            Event::Episode(episode) => self.on_episode(*episode),
            _ => {}
        }
    }
}

impl Drop for EpisodeSensor {
    fn drop(&mut self) {
        if self.has_seen {
            self.tell(Seen::Gone);
        }
    }
}
