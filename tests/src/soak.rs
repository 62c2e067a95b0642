//! `cargo xtask soak`: what takes weeks, in minutes, and whether anything grows.
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
//! some thousand reloads: 12,816 then 13,232 KiB with `--reloads 6000`, 13,208 then 13,536 with
//! 30,000. A leak of a few bytes a target is too small for this, and is found on the heap itself by
//! `cargo test -p tcp-echo-metrics --test reloads`.

use std::process::ExitCode;

use crate::report::Report;

mod flat;
mod peer;
mod plot;
mod run;
pub(crate) use run::SCENARIO;

/// How much of each there is to be, at least.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Amounts {
    probes: u64,
    reconnects: u64,
    scrapes: u64,
    reloads: u64,
}

const FULL: Amounts = Amounts {
    probes: 1_000_000,
    reconnects: 100_000,
    scrapes: 10_000,
    reloads: 10_000,
};

const USAGE: &str =
    "usage: cargo xtask soak [--probes N] [--reconnects N] [--scrapes N] [--reloads N]";

/// Runs it by these arguments, and draws its picture.
pub(crate) fn run(arguments: &[&str]) -> ExitCode {
    let Some(amounts) = options(arguments) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let mut report = Report::new();
    run::run(&mut report, amounts);
    report.finish()
}

fn options(arguments: &[&str]) -> Option<Amounts> {
    let mut amounts = FULL;
    for pair in arguments.chunks(2) {
        let [name, number] = pair else { return None };
        let amount = match *name {
            "--probes" => &mut amounts.probes,
            "--reconnects" => &mut amounts.reconnects,
            "--scrapes" => &mut amounts.scrapes,
            "--reloads" => &mut amounts.reloads,
            _ => return None,
        };
        *amount = number.parse().ok()?;
    }
    Some(amounts)
}

#[cfg(test)]
mod tests {
    use super::{Amounts, FULL, options};

    #[test]
    fn options_are_read() {
        assert_eq!(options(&[]), Some(FULL));
        let fewer = Amounts { scrapes: 7, ..FULL };
        assert_eq!(options(&["--scrapes", "7"]), Some(fewer));
        assert_eq!(options(&["--scrapes"]), None);
        assert_eq!(options(&["--scrape", "7"]), None);
    }
}
