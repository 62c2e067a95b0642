//! Repeated look-ups of `dns+` and `srv+` names.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::pending,
    sync::Arc,
    time::Duration,
};

use tcp_echo_prober::{HostName, IpVersion};
use tcp_echo_resolve::{Addresses, Failure, LookUp, Resolver, Services};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tracing::{info, warn};

use crate::{
    Endpoint, Spec,
    answer::{Answer, Found},
    sources::Sources,
};

/// A name to be looked up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Question {
    Addresses(HostName),
    Services(HostName),
}

impl Question {
    pub(crate) fn of(endpoint: &Endpoint) -> Option<Self> {
        match endpoint {
            Endpoint::Address(_) => None,
            Endpoint::Dns { host, .. } => Some(Self::Addresses(host.clone())),
            Endpoint::Srv { service } => Some(Self::Services(service.clone())),
        }
    }

    fn name(&self) -> &HostName {
        let (Self::Addresses(name) | Self::Services(name)) = self;
        name
    }
}

/// Settings of look-ups.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) resolver: Resolver,
    pub(crate) ip: IpVersion,
    /// The maximum time between two look-ups of a name.
    pub(crate) refresh: Duration,
    /// How long a name that is gone keeps its targets.
    pub(crate) stale: Duration,
}

/// A look-up, and its next result.
enum Pending {
    Addresses(LookUp<Addresses>, Option<Result<Addresses, Failure>>),
    Services(LookUp<Services>, Option<Result<Services, Failure>>),
}

/// The names of a list of targets, and their answers.
pub(crate) struct Discovery {
    settings: Settings,
    answers: BTreeMap<Question, Answer>,
    /// When each name is looked up next.
    due: BTreeSet<(Instant, Question)>,
    in_progress: JoinSet<(Question, Pending)>,
    sources: Sources,
}

impl Discovery {
    pub(crate) fn new(settings: Settings, sources: Sources) -> Self {
        Self {
            settings,
            answers: BTreeMap::new(),
            due: BTreeSet::new(),
            in_progress: JoinSet::new(),
            sources,
        }
    }

    /// Follows the names of these targets and no others. New names are looked up at the next
    /// poll.
    pub(crate) fn want(&mut self, specs: &[Arc<Spec>]) {
        let mut wanted = BTreeMap::<_, BTreeSet<Arc<str>>>::new();
        for endpoint in specs.iter().map(|spec| spec.endpoint()) {
            if let Some(question) = Question::of(endpoint) {
                let source = endpoint.to_string().into();
                wanted.entry(question).or_default().insert(source);
            }
        }
        let all: BTreeSet<_> = wanted.values().flatten().cloned().collect();
        self.sources.keep_names(|name| all.contains(name));
        self.answers
            .retain(|question, _| wanted.contains_key(question));
        self.due
            .retain(|(_, question)| wanted.contains_key(question));
        let now = Instant::now();
        for (question, sources) in wanted {
            let answer = self.answers.entry(question.clone()).or_default();
            answer.sources = sources;
            if !answer.in_progress && answer.due.is_none() {
                answer.due = Some(now);
                self.due.insert((now, question.clone()));
            }
            self.show(&question, false);
        }
    }

    /// Looks up all names now.
    pub(crate) fn begin_round(&mut self) {
        let now = Instant::now();
        self.due.clear();
        for (question, answer) in &mut self.answers {
            answer.in_round = true;
            if !answer.in_progress {
                answer.due = Some(now);
                self.due.insert((now, question.clone()));
            }
        }
    }

    /// Whether all look-ups of the last round have ended.
    pub(crate) fn is_round_over(&self) -> bool {
        self.answers.values().all(|answer| !answer.in_round)
    }

    /// Whether no look-up is in progress or due.
    pub(crate) fn is_idle(&self) -> bool {
        let now = Instant::now();
        self.in_progress.is_empty() && self.due.first().is_none_or(|(due, _)| *due > now)
    }

    /// Waits for an answer, and returns whether it has changed anything. Never resolves without
    /// names. Cancel safe.
    pub(crate) async fn next(&mut self) -> bool {
        loop {
            self.ask();
            let due = self.due.first().map(|(due, _)| *due);
            tokio::select! {
                Some(joined) = self.in_progress.join_next() => match joined {
                    Ok((question, pending)) => return self.take(question, pending),
                    Err(error) => warn!(%error, "DNS lookup task failed"),
                },
                () = async { match due {
                    Some(due) => sleep_until(due).await,
                    None => pending().await,
                } } => {}
            }
        }
    }

    /// Starts the look-ups that are due.
    fn ask(&mut self) {
        let now = Instant::now();
        while self.due.first().is_some_and(|(due, _)| *due <= now) {
            let Some((_, question)) = self.due.pop_first() else {
                return;
            };
            let Some(answer) = self.answers.get_mut(&question) else {
                continue;
            };
            (answer.in_progress, answer.due) = (true, None);
            let Settings { resolver, ip, .. } = &self.settings;
            let last = answer.name.as_deref();
            let pending = match &question {
                Question::Addresses(name) => {
                    Pending::Addresses(resolver.addresses(name.ascii(), *ip, last), None)
                }
                Question::Services(name) => {
                    Pending::Services(resolver.services(name.ascii()), None)
                }
            };
            self.in_progress.spawn(next(question, pending));
        }
    }

    /// Handles the result of a look-up, and waits for its next one.
    fn take(&mut self, question: Question, pending: Pending) -> bool {
        let Some(answer) = self.answers.get_mut(&question) else {
            // The name was removed meanwhile.
            return false;
        };
        let result = match &pending {
            Pending::Addresses(_, Some(found)) => {
                found.clone().map(|found| answer.addresses(found))
            }
            Pending::Services(_, Some(found)) => found.clone().map(|found| answer.services(found)),
            Pending::Addresses(_, None) | Pending::Services(_, None) => {
                self.ended(question);
                return false;
            }
        };
        let has_succeeded = result.is_ok();
        let changed = match result {
            Ok(changed) => {
                if answer.failures > 0 {
                    info!(name = %question.name(), "DNS lookup succeeds again");
                }
                (answer.failures, answer.failure, answer.gone) = (0, None, None);
                changed
            }
            Err(failure) => answer.fail(question.name(), failure, self.settings.stale),
        };
        if changed || has_succeeded {
            self.show(&question, has_succeeded);
        }
        self.in_progress.spawn(next(question, pending));
        changed
    }

    /// Schedules the next look-up of a name.
    fn ended(&mut self, question: Question) {
        let Some(answer) = self.answers.get_mut(&question) else {
            return;
        };
        let delay = answer.delay(self.settings.refresh);
        // Randomly shortened, to spread the look-ups.
        let due = Instant::now() + delay.mul_f64(1.0 - fastrand::f64() / 4.0);
        (answer.in_progress, answer.due, answer.in_round) = (false, Some(due), false);
        self.due.insert((due, question));
    }

    /// Updates the status of a question's sources.
    fn show(&self, question: &Question, has_succeeded: bool) {
        if let Some(answer) = self.answers.get(question) {
            let targets = answer.found.values().map(Vec::len).sum();
            for source in &answer.sources {
                self.sources.name(source, targets, has_succeeded);
            }
        }
    }

    /// The known answers to a question.
    pub(crate) fn found(&self, question: &Question) -> impl Iterator<Item = &Found> {
        let answer = self.answers.get(question).into_iter();
        answer.flat_map(|answer| answer.found.values().flatten())
    }
}

async fn next(question: Question, pending: Pending) -> (Question, Pending) {
    let pending = match pending {
        Pending::Addresses(mut look_up, _) => {
            let found = look_up.next().await;
            Pending::Addresses(look_up, found)
        }
        Pending::Services(mut look_up, _) => {
            let found = look_up.next().await;
            Pending::Services(look_up, found)
        }
    };
    (question, pending)
}
