//! Soak: weeks of load in minutes, checked for growth of memory, open files and CPU time.
//!
//! The short form takes half a minute. Each of the variables `TCP_ECHO_SOAK_PROBES`,
//! `_RECONNECTS`, `_SCRAPES` and `_RELOADS` selects the long form, which sends a million probes in
//! eight minutes, and sets one of its amounts; the long form draws `docs/images/soak.svg`.
//!
//! One prober has a hundred permanent targets, thirty whose peer ends each connection after its
//! first reply (alternately by a close and a reset), and twenty that are replaced at each reload; it
//! is scraped continuously. The load is spread evenly over the run and divided into thirds. In the
//! last third, the median of memory may be at most 2 % and 512 KiB above that of the middle third,
//! there may be no more open files (except for requests), and the CPU time per probe may be at most a
//! fifth higher. The first third is for one-time allocations. The number of open files at rest is
//! exactly the same before and after.
//!
//! Memory is the resident set size. Two effects increase it without a leak: the history of each
//! target grows for an hour, by 34 bytes every 10 s, and the allocator reaches its size only after
//! some thousand reloads: 12,816 then 13,232 KiB with `TCP_ECHO_SOAK_RELOADS=6000`, 13,208 then
//! 13,536 with 30,000. A leak of a few bytes per target is too small to detect here;
//! `cargo test -p tcp-echo-metrics --test reloads` measures the heap directly.

use std::env;

use anyhow::{Context as _, Result};

mod growth;
mod peer;
mod plot;
mod run;
pub(crate) use run::SCENARIO;

/// The minimum number of each operation.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Amounts {
    probes: u64,
    reconnects: u64,
    scrapes: u64,
    reloads: u64,
}

const SHORT: Amounts = Amounts {
    probes: 60_000,
    reconnects: 5000,
    scrapes: 500,
    reloads: 500,
};

const LONG: Amounts = Amounts {
    probes: 1_000_000,
    reconnects: 100_000,
    scrapes: 10_000,
    reloads: 10_000,
};

impl Amounts {
    /// Returns the amounts of the long form, if the environment sets any.
    fn from_env() -> Result<Option<Self>> {
        Self::parse(|name| env::var(name).ok())
    }

    fn parse(value: impl Fn(&str) -> Option<String>) -> Result<Option<Self>> {
        let mut amounts = LONG;
        let mut is_long = false;
        for (name, amount) in [
            ("TCP_ECHO_SOAK_PROBES", &mut amounts.probes),
            ("TCP_ECHO_SOAK_RECONNECTS", &mut amounts.reconnects),
            ("TCP_ECHO_SOAK_SCRAPES", &mut amounts.scrapes),
            ("TCP_ECHO_SOAK_RELOADS", &mut amounts.reloads),
        ] {
            if let Some(number) = value(name) {
                *amount = number
                    .parse()
                    .with_context(|| format!("{name}={number:?}"))?;
                is_long = true;
            }
        }
        Ok(is_long.then_some(amounts))
    }
}

#[cfg(test)]
mod tests {
    use super::{Amounts, LONG};

    #[test]
    fn amounts_are_parsed() {
        let parse = |scrapes: Option<&str>| {
            let value = |name: &str| {
                let scrapes = scrapes.filter(|_| name == "TCP_ECHO_SOAK_SCRAPES");
                scrapes.map(str::to_owned)
            };
            Amounts::parse(value)
        };
        assert_eq!(parse(None).unwrap(), None);
        let fewer = Amounts { scrapes: 7, ..LONG };
        assert_eq!(parse(Some("7")).unwrap(), Some(fewer));
        assert!(parse(Some("many")).is_err());
    }
}
