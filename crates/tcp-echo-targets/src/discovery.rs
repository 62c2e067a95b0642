//! What names stand for, asked again and again.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    future::pending,
};

use tcp_echo_prober::{HostName, IpVersion};
use tokio::task::JoinSet;
use tracing::{debug, info, warn};

use crate::{
    Dns, Endpoint, Spec,
    dns::{Client, Found, Kind},
};

/// Names that are looked up at once. Both families of a name are asked for together.
const MOST_AT_ONCE: usize = 32;

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

/// The last answer to a question, by the kind of record. A look-up that failed leaves
/// it as it was.
#[derive(Debug, Default)]
struct Answer {
    found: BTreeMap<Kind, Vec<Found>>,
    failing: bool,
}

type Reply = (Question, Vec<(Kind, Result<Vec<Found>, String>)>);

/// The names of a list of targets and what they stand for.
pub(crate) struct Discovery {
    dns: Dns,
    ip: IpVersion,
    client: Client,
    answers: BTreeMap<Question, Answer>,
    queue: VecDeque<Question>,
    /// What is in the queue or being asked.
    busy: BTreeSet<Question>,
    asking: JoinSet<Reply>,
}

impl Discovery {
    pub(crate) fn new(dns: Dns, ip: IpVersion) -> Self {
        Self {
            client: dns.client(),
            dns,
            ip,
            answers: BTreeMap::new(),
            queue: VecDeque::new(),
            busy: BTreeSet::new(),
            asking: JoinSet::new(),
        }
    }

    /// Wants the answers for these targets and no others. Names that are new are asked
    /// for at once.
    pub(crate) fn want(&mut self, specs: &[Spec]) {
        let questions = specs.iter().map(Spec::endpoint).filter_map(Question::of);
        let wanted: BTreeSet<_> = questions.collect();
        self.answers.retain(|question, _| wanted.contains(question));
        let busy = &mut self.busy;
        self.queue
            .retain(|question| wanted.contains(question) || !busy.remove(question));
        for question in wanted {
            if !self.answers.contains_key(&question) {
                self.answers.insert(question.clone(), Answer::default());
                self.enqueue(question);
            }
        }
    }

    /// Asks for all of them again.
    pub(crate) fn begin_round(&mut self) {
        self.client = self.dns.client();
        let questions: Vec<_> = self.answers.keys().cloned().collect();
        for question in questions {
            self.enqueue(question);
        }
    }

    fn enqueue(&mut self, question: Question) {
        if self.busy.insert(question.clone()) {
            self.queue.push_back(question);
        }
    }

    /// Whether nothing is being asked.
    pub(crate) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.asking.is_empty()
    }

    /// Waits for an answer, for ever where nothing is asked, and tells whether
    /// anything is different. Nothing is lost where it is dropped while it waits.
    pub(crate) async fn next(&mut self) -> bool {
        self.fill();
        let mut reply = match self.asking.join_next().await {
            None => pending().await,
            reply => reply,
        };
        let mut changed = false;
        while let Some(joined) = reply {
            match joined {
                Ok(reply) => changed |= self.note(reply),
                // It is asked again in the next round.
                Err(error) => warn!(%error, "a look-up has come to nothing"),
            }
            reply = self.asking.try_join_next();
        }
        self.fill();
        changed
    }

    fn fill(&mut self) {
        if self.is_idle() {
            // What came to nothing would stay there.
            self.busy.clear();
        }
        while self.asking.len() < MOST_AT_ONCE {
            let Some(question) = self.queue.pop_front() else {
                return;
            };
            let look_up = look_up(self.client.clone(), question, self.ip);
            self.asking.spawn(look_up);
        }
    }

    fn note(&mut self, (question, parts): Reply) -> bool {
        self.busy.remove(&question);
        // It may have gone from the list in the meantime.
        let Some(answer) = self.answers.get_mut(&question) else {
            return false;
        };
        let name = question.name();
        let mut changed = false;
        let mut failures = vec![];
        let mut answered = false;
        for (kind, result) in parts {
            match result {
                Ok(found) => {
                    answered = true;
                    changed |= answer.found.get(&kind) != Some(&found);
                    answer.found.insert(kind, found);
                }
                Err(error) => failures.push((kind, error)),
            }
        }
        match failures.first() {
            Some((kind, error)) if !answered && !answer.failing => {
                warn!(
                    %name,
                    ?kind,
                    error,
                    "a name can't be looked up; what it stood for stays"
                );
            }
            Some((kind, error)) => debug!(%name, ?kind, error, "a look-up has failed"),
            None => {}
        }
        if answered && answer.failing {
            info!(%name, "a name is looked up again");
        }
        answer.failing = !answered;
        changed
    }

    /// What is known to stand behind a question.
    pub(crate) fn found(&self, question: &Question) -> impl Iterator<Item = &Found> {
        let answer = self.answers.get(question).into_iter();
        answer.flat_map(|answer| answer.found.values().flatten())
    }
}

async fn look_up(client: Client, question: Question, ip: IpVersion) -> Reply {
    let ask = async |kind| (kind, client.ask(question.name().ascii(), kind).await);
    let parts = match (&question, ip) {
        (Question::Services(_), _) => vec![ask(Kind::Srv).await],
        (Question::Addresses(_), IpVersion::V4) => vec![ask(Kind::A).await],
        (Question::Addresses(_), IpVersion::V6) => vec![ask(Kind::Aaaa).await],
        (Question::Addresses(_), IpVersion::Auto) => {
            let (v4, v6) = tokio::join!(ask(Kind::A), ask(Kind::Aaaa));
            vec![v4, v6]
        }
    };
    (question, parts)
}
