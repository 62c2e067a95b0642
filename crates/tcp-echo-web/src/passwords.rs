//! Basic auth (RFC 7617): whether a request comes from a user.

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

/// How many results of each kind are kept.
const KEPT: usize = 256;

/// What is known of a request's sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// A user, or there are none to be.
    Allowed,
    /// Nobody that is known.
    Unknown,
    /// Too many want to know.
    Busy,
}

/// Checks passwords, and remembers the results.
pub(crate) struct Passwords {
    /// Of this process alone.
    key: hmac::Key,
    known: Mutex<Known>,
    queue: ClientQueue,
}

/// Results, under keyed hashes of user, hash and password. Those of right passwords
/// are apart, so that wrong ones can't push them out.
#[derive(Default)]
struct Known {
    right: HashSet<Fingerprint>,
    wrong: HashSet<Fingerprint>,
}

type Fingerprint = [u8; 32];

/// Who a request says it comes from.
struct Credentials {
    user: Vec<u8>,
    password: Vec<u8>,
}

impl Passwords {
    /// None where the system gives no random numbers.
    pub(crate) fn new() -> Option<Self> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
        Some(Self {
            key: key.ok()?,
            known: Mutex::default(),
            queue: ClientQueue::default(),
        })
    }

    /// Who sent a request with such headers from `client`'s address, where that is known.
    ///
    /// A refusal takes the time of the highest cost among the users' hashes, whether the user
    /// exists or not. A password that was checked before is answered at once.
    pub(crate) async fn check(
        &self,
        users: &Users,
        headers: &HeaderMap,
        client: Option<IpAddr>,
    ) -> Verdict {
        if users.is_empty() {
            return Verdict::Allowed;
        }
        let Some(Credentials { user, password }) = credentials(headers) else {
            return Verdict::Unknown;
        };
        let found = users.get(&user).cloned();
        let is_user = found.is_some();
        let hash = found.unwrap_or_else(|| Hash::decoy(users.cost()));
        let fingerprint = self.fingerprint(&user, &hash, &password);
        if let Some(right) = self.known().get(&fingerprint) {
            return verdict(is_user && right);
        }
        let Some(permit) = self.queue.acquire(client).await else {
            return Verdict::Busy;
        };
        // Others may have asked the same meanwhile.
        if let Some(right) = self.known().get(&fingerprint) {
            return verdict(is_user && right);
        }
        let cost = users.cost();
        let verified = tokio::task::spawn_blocking(move || {
            let right = hash.verify(&password);
            if !right {
                hash.make_up_for(cost, &password);
            }
            // Also where nobody waits for the result any more.
            drop(permit);
            right
        });
        let Ok(right) = verified.await else {
            return Verdict::Busy;
        };
        let right = is_user && right;
        self.known().insert(fingerprint, right);
        verdict(right)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fingerprint(&self, user: &[u8], hash: &Hash, password: &[u8]) -> Fingerprint {
        let mut context = hmac::Context::with_key(&self.key);
        for part in [user, hash.as_str().as_bytes(), password] {
            // So that no part can run into the next.
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part);
        }
        let mut fingerprint = Fingerprint::default();
        fingerprint.copy_from_slice(context.sign().as_ref());
        fingerprint
    }
}

fn verdict(right: bool) -> Verdict {
    if right {
        Verdict::Allowed
    } else {
        Verdict::Unknown
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
        if marks.len() >= KEPT {
            // Whichever the set's own random key has put first.
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
