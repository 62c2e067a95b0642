//! The hops that a run in the foreground prints.

use std::process::{Output, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use testkit::context::Context;

use super::chain::{Chain, Family, ROUTERS};

/// After this time the path breaks, long after the first traces.
const WHOLE: Duration = Duration::from_secs(4);
/// The router that then forwards nothing.
const BROKEN: usize = 2;

pub(super) fn run(context: &Context) -> Result<()> {
    let chain = Chain::new(context)?;
    let address = |hops| Chain::address(Family::V4, hops).to_string();
    let server = address(ROUTERS + 1);

    // Hops as lines at the start, and once more at the end.
    let target = format!("db={server}");
    let args = ["-trace=always", "-flows=2", "-interval=50ms", "-count=100"];
    let output = finish(context, &chain, &[&[&*target][..], &args].concat(), || {
        Ok(())
    })?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{}: {text}", output.status);
    let hops = format!("hops to db ({server}:4000), 2 flows");
    let parts: Vec<_> = text.split(&hops).collect();
    ensure!(parts.len() == 3, "hops are not there twice: {text}");
    ensure!(parts[1].contains("db port="), "no lines between: {text}");
    for part in &parts[1..] {
        for hop in 1..=ROUTERS + 1 {
            let line = format!("{hop}  {}  ", address(hop));
            ensure!(part.contains(&line), "no {line:?} in {part}");
        }
    }

    // Without a wish for more, only a loss is traced.
    let args = ["-interval=50ms", "-timeout=200ms", "-duration=9s"];
    let output = finish(context, &chain, &[&[&*server][..], &args].concat(), || {
        thread::sleep(WHOLE);
        chain.router(BROKEN).nft(
            "add table inet hole; \
             add chain inet hole rules { type filter hook forward priority 0; policy drop; }",
        )?;
        Ok(())
    })?;
    let text = String::from_utf8_lossy(&output.stdout);
    let begins = format!("loss begins after {}: nothing answers", address(BROKEN));
    ensure!(text.contains(&begins), "no {begins:?} in {text}");
    context.note(begins);
    Ok(())
}

/// Runs the program at the client, and `act` beside it.
fn finish(
    context: &Context,
    chain: &Chain,
    args: &[&str],
    act: impl FnOnce() -> Result<()>,
) -> Result<Output> {
    let inside = chain.client().inside();
    let child = inside
        .command(context.binary())
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    act()?;
    Ok(child.wait_with_output()?)
}
