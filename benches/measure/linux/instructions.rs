//! Instructions an operation, by callgrind: the same on an idle and on a busy machine.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::program::{folder, path};
use super::results::Group;
use testkit::shell::{has, root};
use testkit::skip::skip;

/// What may come of another compiler.
const MARGIN: f64 = 1.1;
/// The bounds that hold, in instructions, by cargo's profile: what crosses crates is inlined in
/// one and called in the other.
const BOUNDS: &str = "benches/instructions.json";

pub(super) fn count(quick: bool) -> Result<Group> {
    if !has("valgrind") {
        return skip("valgrind is not installed: instructions are not counted");
    }
    let text = fs::read_to_string(root().join(BOUNDS)).context(BOUNDS)?;
    let mut bounds: BTreeMap<String, BTreeMap<String, f64>> =
        serde_json::from_str(&text).context(BOUNDS)?;
    let bounds = bounds
        .remove(folder())
        .with_context(|| format!("{BOUNDS}: no bounds for the profile {}", folder()))?;
    let times: u32 = if quick { 2000 } else { 20_000 };
    let mut group = Group {
        title: "Instructions",
        text: "Of one operation, in virtual time: what 2N of them take less what N take, by N. \
               The target is the figure of the profile in `benches/instructions.json` and a tenth more.",
        command: format!(
            "valgrind --tool=callgrind target/{}/instructions WORK {times}",
            folder()
        ),
        ..Group::default()
    };
    let mut beyond = Vec::new();
    for (work, bound) in bounds {
        let (once, twice) = (callgrind(&work, times)?, callgrind(&work, 2 * times)?);
        let each = (twice - once) / f64::from(times);
        // Of few instructions a tenth is none.
        let max = (bound * MARGIN).max(bound + 1.0);
        group.at_most(work.clone(), each, "instructions", max.round());
        if each > max {
            beyond.push(format!(
                "{work}: {each:.1}, and {bound} plus a tenth is allowed"
            ));
        } else if each < bound / MARGIN - 1.0 {
            println!("    {work} takes {each:.1}: lower its bound in {BOUNDS}");
        }
    }
    if !beyond.is_empty() {
        group.print();
        bail!("more instructions than before: {}", beyond.join("; "));
    }
    Ok(group)
}

fn callgrind(work: &str, times: u32) -> Result<f64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(path("instructions"))
        .args([work, &times.to_string()])
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("callgrind of {work}: {said}");
    }
    collected(&said).with_context(|| format!("callgrind said {said}"))
}

/// From the line `==1== Collected : 123`.
fn collected(said: &str) -> Option<f64> {
    let (_, rest) = said.split_once("Collected :")?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::collected;

    #[test]
    fn callgrind_is_understood() {
        let said = "==7== Events    : Ir\n==7== Collected : 210345\n==7== \n";
        assert_eq!(collected(said), Some(210_345.0));
        assert_eq!(collected("==7== Events    : Ir\n"), None);
    }
}
