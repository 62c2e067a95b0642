//! Basic auth (RFC 7617).

use std::{
    collections::HashSet,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use axum::http::{HeaderMap, header};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::{hmac, rand::SystemRandom};

use crate::{
    client_queue::ClientQueue,
    users::{Hash, Users},
};

/// The maximum number of cached results, right and wrong ones each.
const MAX_RESULTS: usize = 256;

/// The outcome of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The password is right, or no users are configured.
    Allowed,
    /// The user is unknown or the password is wrong.
    Unknown,
    /// Too many checks wait.
    Busy,
}

/// Checks passwords, and caches the results.
pub(crate) struct Passwords {
    /// Random per process.
    key: hmac::Key,
    known: Mutex<Known>,
    queue: ClientQueue,
}

/// Cached results, under keyed hashes of user, hash and password. Right ones are separate, so
/// that wrong ones can't evict them.
#[derive(Default)]
struct Known {
    right: HashSet<Fingerprint>,
    wrong: HashSet<Fingerprint>,
}

type Fingerprint = [u8; 32];

/// The credentials of a request.
struct Credentials {
    user: Vec<u8>,
    password: Vec<u8>,
}

impl Passwords {
    /// `None` if the system has no random numbers.
    pub(crate) fn new() -> Option<Self> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
        Some(Self {
            key: key.ok()?,
            known: Mutex::default(),
            queue: ClientQueue::default(),
        })
    }

    /// Checks the credentials in the headers of a request from `client`, if that is known.
    ///
    /// A refusal takes as long as the most expensive hash, whether the user exists or not. A
    /// cached result returns at once.
    pub(crate) async fn check(
        &self,
        users: &Users,
        headers: &HeaderMap,
        client: Option<IpAddr>,
    ) -> Outcome {
        if users.is_empty() {
            return Outcome::Allowed;
        }
        let Some(Credentials { user, password }) = credentials(headers) else {
            return Outcome::Unknown;
        };
        let found = users.get(&user).cloned();
        let is_user = found.is_some();
        let hash = found.unwrap_or_else(|| Hash::decoy(users.cost()));
        let fingerprint = self.fingerprint(&user, &hash, &password);
        if let Some(right) = self.known().get(&fingerprint) {
            return outcome(is_user && right);
        }
        let Some(permit) = self.queue.acquire(client).await else {
            return Outcome::Busy;
        };
        // Another request may have checked the same meanwhile.
        if let Some(right) = self.known().get(&fingerprint) {
            return outcome(is_user && right);
        }
        let cost = users.cost();
        let verified = tokio::task::spawn_blocking(move || {
            let right = hash.verify(&password);
            if !right {
                hash.make_up_for(cost, &password);
            }
            // Held until here even if the request is cancelled.
            drop(permit);
            right
        });
        let Ok(right) = verified.await else {
            return Outcome::Busy;
        };
        let right = is_user && right;
        self.known().insert(fingerprint, right);
        outcome(right)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fingerprint(&self, user: &[u8], hash: &Hash, password: &[u8]) -> Fingerprint {
        let mut context = hmac::Context::with_key(&self.key);
        for part in [user, hash.as_str().as_bytes(), password] {
            // The length separates the parts.
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part);
        }
        let mut fingerprint = Fingerprint::default();
        fingerprint.copy_from_slice(context.sign().as_ref());
        fingerprint
    }
}

fn outcome(right: bool) -> Outcome {
    if right {
        Outcome::Allowed
    } else {
        Outcome::Unknown
    }
}

impl Known {
    fn get(&self, fingerprint: &Fingerprint) -> Option<bool> {
        if self.right.contains(fingerprint) {
            return Some(true);
        }
        self.wrong.contains(fingerprint).then_some(false)
    }

    fn insert(&mut self, fingerprint: Fingerprint, right: bool) {
        let marks = if right {
            &mut self.right
        } else {
            &mut self.wrong
        };
        if marks.len() >= MAX_RESULTS {
            // An arbitrary one: the set's order is random.
            let first = marks.iter().next().copied();
            first.and_then(|first| marks.take(&first));
        }
        marks.insert(fingerprint);
    }
}

fn credentials(headers: &HeaderMap) -> Option<Credentials> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, rest) = value.split_at_checked(b"Basic ".len())?;
    if !scheme.eq_ignore_ascii_case(b"Basic ") {
        return None;
    }
    let decoded = STANDARD.decode(rest.trim_ascii()).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let (user, password) = decoded.split_at(colon);
    Some(Credentials {
        user: user.to_vec(),
        password: password.get(1..)?.to_vec(),
    })
}

#[cfg(test)]
mod tests;
