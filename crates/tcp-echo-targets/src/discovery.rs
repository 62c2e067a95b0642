//! What names stand for, asked again and again.

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

/// How names are looked up.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) resolver: Resolver,
    pub(crate) ip: IpVersion,
    /// The time from one look-up of a name to the next, at most.
    pub(crate) refresh: Duration,
    /// How long a name that is gone keeps what it stood for.
    pub(crate) stale: Duration,
}

/// A look-up, and what came of it next.
enum Asked {
    Addresses(LookUp<Addresses>, Option<Result<Addresses, Failure>>),
    Services(LookUp<Services>, Option<Result<Services, Failure>>),
}

/// The names of a list of targets and what they stand for.
pub(crate) struct Discovery {
    settings: Settings,
    answers: BTreeMap<Question, Answer>,
    /// When they are asked for again.
    due: BTreeSet<(Instant, Question)>,
    asking: JoinSet<(Question, Asked)>,
    sources: Sources,
}

impl Discovery {
    pub(crate) fn new(settings: Settings, sources: Sources) -> Self {
        Self {
            settings,
            answers: BTreeMap::new(),
            due: BTreeSet::new(),
            asking: JoinSet::new(),
            sources,
        }
    }

    /// Wants the answers for these targets and no others. Names that are new are asked
    /// for as soon as this is polled.
    pub(crate) fn want(&mut self, specs: &[Arc<Spec>]) {
        let mut wanted = BTreeMap::<_, BTreeSet<Arc<str>>>::new();
        for endpoint in specs.iter().map(|spec| spec.endpoint()) {
            if let Some(question) = Question::of(endpoint) {
                let source = endpoint.to_string().into();
                wanted.entry(question).or_default().insert(source);
            }
        }
        let all = wanted.values().flatten().cloned();
        self.sources.keep_names(&all.collect());
        self.answers
            .retain(|question, _| wanted.contains_key(question));
        self.due
            .retain(|(_, question)| wanted.contains_key(question));
        let now = Instant::now();
        for (question, sources) in wanted {
            let answer = self.answers.entry(question.clone()).or_default();
            answer.sources = sources;
            if !answer.asking && answer.due.is_none() {
                answer.due = Some(now);
                self.due.insert((now, question.clone()));
            }
            self.show(&question, false);
        }
    }

    /// Asks for all of them now.
    pub(crate) fn begin_round(&mut self) {
        let now = Instant::now();
        self.due.clear();
        for (question, answer) in &mut self.answers {
            answer.in_round = true;
            if !answer.asking {
                answer.due = Some(now);
                self.due.insert((now, question.clone()));
            }
        }
    }

    /// Whether all have been asked for to the end since the last round began.
    pub(crate) fn is_round_over(&self) -> bool {
        self.answers.values().all(|answer| !answer.in_round)
    }

    /// Whether nothing is being asked, nor about to be.
    pub(crate) fn is_idle(&self) -> bool {
        let now = Instant::now();
        self.asking.is_empty() && self.due.first().is_none_or(|(due, _)| *due > now)
    }

    /// Waits for an answer, for ever where nothing is asked, and tells whether
    /// anything is different. Nothing is lost where it is dropped while it waits.
    pub(crate) async fn next(&mut self) -> bool {
        loop {
            self.ask();
            let due = self.due.first().map(|(due, _)| *due);
            tokio::select! {
                Some(joined) = self.asking.join_next() => match joined {
                    Ok((question, asked)) => return self.take(question, asked),
                    Err(error) => warn!(%error, "DNS lookup task failed"),
                },
                () = async { match due {
                    Some(due) => sleep_until(due).await,
                    None => pending().await,
                } } => {}
            }
        }
    }

    /// Asks for those that are due.
    fn ask(&mut self) {
        let now = Instant::now();
        while self.due.first().is_some_and(|(due, _)| *due <= now) {
            let Some((_, question)) = self.due.pop_first() else {
                return;
            };
            let Some(answer) = self.answers.get_mut(&question) else {
                continue;
            };
            (answer.asking, answer.due) = (true, None);
            let Settings { resolver, ip, .. } = &self.settings;
            let last = answer.name.as_deref();
            let asked = match &question {
                Question::Addresses(name) => {
                    Asked::Addresses(resolver.addresses(name.ascii(), *ip, last), None)
                }
                Question::Services(name) => Asked::Services(resolver.services(name.ascii()), None),
            };
            self.asking.spawn(next(question, asked));
        }
    }

    /// Takes what came of a look-up, and waits for the rest of it.
    fn take(&mut self, question: Question, asked: Asked) -> bool {
        let Some(answer) = self.answers.get_mut(&question) else {
            // It has gone from the list in the meantime.
            return false;
        };
        let result = match &asked {
            Asked::Addresses(_, Some(found)) => found.clone().map(|found| answer.addresses(found)),
            Asked::Services(_, Some(found)) => found.clone().map(|found| answer.services(found)),
            Asked::Addresses(_, None) | Asked::Services(_, None) => {
                self.ended(question);
                return false;
            }
        };
        let has_succeeded = result.is_ok();
        let changed = match result {
            Ok(changed) => {
                if answer.failures > 0 {
                    info!(name = %question.name(), "a name is looked up again");
                }
                (answer.failures, answer.failure, answer.gone) = (0, None, None);
                changed
            }
            Err(failure) => answer.fail(question.name(), failure, self.settings.stale),
        };
        if changed || has_succeeded {
            self.show(&question, has_succeeded);
        }
        self.asking.spawn(next(question, asked));
        changed
    }

    /// Sets when a name is asked for again.
    fn ended(&mut self, question: Question) {
        let Some(answer) = self.answers.get_mut(&question) else {
            return;
        };
        let delay = answer.delay(self.settings.refresh);
        // Shortened by chance, so that not all are asked for at once.
        let due = Instant::now() + delay.mul_f64(1.0 - fastrand::f64() / 4.0);
        (answer.asking, answer.due, answer.in_round) = (false, Some(due), false);
        self.due.insert((due, question));
    }

    /// Shows what is known of a question to those who watch its sources.
    fn show(&self, question: &Question, has_succeeded: bool) {
        if let Some(answer) = self.answers.get(question) {
            let targets = answer.found.values().map(Vec::len).sum();
            for source in &answer.sources {
                self.sources.name(source, targets, has_succeeded);
            }
        }
    }

    /// What is known to stand behind a question.
    pub(crate) fn found(&self, question: &Question) -> impl Iterator<Item = &Found> {
        let answer = self.answers.get(question).into_iter();
        answer.flat_map(|answer| answer.found.values().flatten())
    }
}

async fn next(question: Question, asked: Asked) -> (Question, Asked) {
    let asked = match asked {
        Asked::Addresses(mut look_up, _) => {
            let found = look_up.next().await;
            Asked::Addresses(look_up, found)
        }
        Asked::Services(mut look_up, _) => {
            let found = look_up.next().await;
            Asked::Services(look_up, found)
        }
    };
    (question, asked)
}
