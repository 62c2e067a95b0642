//! Soak: what takes weeks, in minutes, and whether anything grows.
//!
//! The short form takes half a minute. Any of the variables `TCP_ECHO_SOAK_PROBES`,
//! `_RECONNECTS`, `_SCRAPES` and `_RELOADS` asks for the long form, a million probes and more in
//! eight minutes, with another number of what it names; that draws `docs/images/soak.svg`.
//!
//! One prober has a hundred targets that stay, thirty whose peer ends each connection after its
//! first reply (in order and by a reset in turn), and twenty that are others after each reload;
//! it is scraped all the while. All of that is evenly spread over the run, so its thirds are
//! alike. Flat is: in the last third the median of memory is at most 2 % and 512 KiB above that of the
//! middle one, there are no more files at once than in the middle one (but for requests), the
//! processor time a probe is at most a fifth above. The first third is for what is made once.
//! Files at rest are the same, exactly, before and after.
//!
//! Memory is what the system has given. Two things add to it without a leak: the history of each
//! target fills for an hour, by 34 bytes every 10 s, and the allocator finds its size only after
//! some thousand reloads: 12,816 then 13,232 KiB with `TCP_ECHO_SOAK_RELOADS=6000`, 13,208 then 13,536 with
//! 30,000. A leak of a few bytes a target is too small for this, and is found on the heap itself by
//! `cargo test -p tcp-echo-metrics --test reloads`.

use std::env;

use anyhow::{Context as _, Result};

mod growth;
mod peer;
mod plot;
mod run;
pub(crate) use run::SCENARIO;

/// The least number of each.
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
    /// Those of the long form, if the environment names any.
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
    fn amounts_are_read() {
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
