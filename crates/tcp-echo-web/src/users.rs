//! Users and their password hashes.

use std::{collections::BTreeMap, fmt};

use bcrypt::HashParts;

use crate::{WebConfigError, section::Entry};

/// The accepted costs of bcrypt. The minimum is bcrypt's own; above the maximum, a first request
/// would exceed the timeout of a scrape.
const COSTS: std::ops::RangeInclusive<u32> = 4..=18;

/// The cost of bcrypt for passwords in plain text: a tenth of a second or less.
const COST: u32 = 10;

/// Users and the hashes of their passwords.
#[derive(Clone, Default)]
pub(crate) struct Users {
    hashes: BTreeMap<String, Hash>,
    /// The highest cost among them.
    cost: u32,
}

/// The bcrypt hash of a password.
#[derive(Clone)]
pub(crate) struct Hash {
    text: String,
    cost: u32,
}

impl Users {
    pub(crate) fn parse(entry: Entry<'_>) -> Result<Self, WebConfigError> {
        let mut hashes = BTreeMap::new();
        for (user, entry) in entry.section(&[])?.rest() {
            if user.contains(':') {
                return Err(entry.refuse(
                    "a colon can't stand in a user's name, since one follows it in requests",
                ));
            }
            let hash = Hash::parse(&entry)?;
            hashes.insert(user, hash);
        }
        let cost = hashes.values().map(|hash| hash.cost).max().unwrap_or(0);
        Ok(Self { hashes, cost })
    }

    /// One user, whose password is hashed here.
    pub(crate) fn with(user: &str, password: &str) -> Result<Self, WebConfigError> {
        let hash = Hash::of(password)?;
        Ok(Self {
            cost: hash.cost,
            hashes: [(user.to_owned(), hash)].into(),
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// The hash of a user's password, if there is such a user.
    pub(crate) fn get(&self, user: &[u8]) -> Option<&Hash> {
        self.hashes.get(std::str::from_utf8(user).ok()?)
    }

    /// The highest cost of a hash.
    pub(crate) fn cost(&self) -> u32 {
        self.cost
    }
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.hashes.keys()).finish()
    }
}

impl Hash {
    fn parse(entry: &Entry<'_>) -> Result<Self, WebConfigError> {
        let text = entry.text()?.unwrap_or_default();
        let not_bcrypt = || {
            entry.refuse(
                "its value (not shown here) is no bcrypt hash: 60 characters, as in \
                 $2y$10$ and what follows, are accepted; htpasswd -nBC 10 \"\" makes one",
            )
        };
        let parts: HashParts = text.parse().map_err(|_| not_bcrypt())?;
        let cost = parts.get_cost();
        if !COSTS.contains(&cost) {
            return Err(entry.refuse(format_args!(
                "its bcrypt hash is of cost {cost}: {} to {} are accepted",
                COSTS.start(),
                COSTS.end()
            )));
        }
        Ok(Self {
            text: text.to_owned(),
            cost,
        })
    }

    /// The hash of a password, with a salt of random numbers.
    fn of(password: &str) -> Result<Self, WebConfigError> {
        let text = bcrypt::hash(password, COST).map_err(|_| WebConfigError::Hash)?;
        Ok(Self { text, cost: COST })
    }

    /// A hash of no password, with this cost.
    pub(crate) fn decoy(cost: u32) -> Self {
        const REST: &str = "..............................................uuuuuuu";
        Self {
            text: format!("$2b${cost:02}${REST}"),
            cost,
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is the hash of `password`. Takes milliseconds to seconds, by its cost.
    pub(crate) fn verify(&self, password: &[u8]) -> bool {
        bcrypt::verify(password, &self.text).unwrap_or(false)
    }

    /// Takes as long as a verification at `cost` takes longer than this one. Each step of cost
    /// doubles the time, so the times of all steps in between add up to the difference.
    pub(crate) fn make_up_for(&self, cost: u32, password: &[u8]) {
        for step in self.cost..cost {
            std::hint::black_box(Self::decoy(step).verify(password));
        }
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hash")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decoy_is_a_hash_of_its_cost() {
        let decoy = Hash::decoy(7);
        let parts: HashParts = decoy.as_str().parse().unwrap();
        assert_eq!(parts.get_cost(), 7);
        assert!(bcrypt::verify("x", decoy.as_str()).is_ok());
    }
}
