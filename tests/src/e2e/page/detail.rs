//! The picture of one target: its text, its axis, and the values of a step.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use testkit::context::Context;
use testkit::relay::{Mode, Relay};

use super::SEEN;
use super::browser::Browser;

/// The smallest text that is easy to read, in CSS pixels as rendered.
const MIN_TEXT: f64 = 12.0;

/// A script that returns the sizes of the picture's text as rendered, in CSS pixels.
const TEXT_SIZES: &str = "(async () => {
    const image = document.querySelector('#plot img');
    const text = await (await fetch(image.currentSrc)).text();
    const svg = new DOMParser().parseFromString(text, 'image/svg+xml').documentElement;
    const box = document.adoptNode(svg);
    box.removeAttribute('height');
    box.setAttribute('width', image.clientWidth);
    document.body.append(box);
    const sizes = [...box.querySelectorAll('text')]
        .map((node) => parseFloat(getComputedStyle(node).fontSize) * box.getScreenCTM().a);
    box.remove();
    return sizes;
})()";

const VALUES: &str =
    "return document.querySelector('[role=slider]').getAttribute('aria-valuetext');";
const SHOWN: &str =
    "return [...document.querySelectorAll('#plot dd')].map((node) => node.textContent).join('|');";
const LOADED: &str = "document.querySelector('#plot img')?.naturalWidth > 100 && document.querySelector('#plot img').complete";

/// The delay of the way back.
const DELAY: Duration = Duration::from_millis(20);
/// The time limit until it is said to be slow: two steps after the one in which it became slow.
const SAID: Duration = Duration::from_secs(40);

/// Checks the page of a target behind the relay that has been probed for less than ten minutes.
pub(super) fn check(context: &Context, browser: &Browser, relay: &Relay) -> Result<()> {
    way_back(context, browser, relay)?;
    for scheme in ["light", "dark"] {
        browser.scheme(scheme)?;
        for width in [1280, 1000, 701, 560, 430, 360, 320] {
            browser.size(width, 900, 1.0)?;
            let fits = format!(
                "({LOADED}) && document.querySelector('#plot img').currentSrc.includes('theme={scheme}') \
                 && document.querySelector('#plot img').naturalWidth \
                 <= document.querySelector('#plot img').clientWidth"
            );
            browser.until("a picture that is not reduced", SEEN, &fits)?;
            readable(context, browser, width)?;
        }
    }
    browser.scheme("light")?;
    browser.size(1280, 900, 1.0)?;
    browser.until("the picture", SEEN, LOADED)?;
    axis(context, browser)?;
    keyboard(browser)?;
    touch(browser)?;
    ranges(browser)
}

/// Delays the way back, and checks that the page says so.
fn way_back(context: &Context, browser: &Browser, relay: &Relay) -> Result<()> {
    let verdict = "document.querySelector('.verdict').textContent";
    let clear = format!("{verdict} === 'Both ways are clear.'");
    browser.until("both ways clear", SEEN, &clear)?;
    relay.set(Mode::Pass(DELAY));
    let slow = format!("{verdict}.startsWith('Slow on the way back since ')");
    let took = browser.until("the slow way back", SAID, &slow)?;
    let said = browser.run(&format!("return {verdict};"))?;
    context.note(format!("after {} s: {said}", took.as_secs()));
    let back = browser.run(
        "const at = [...document.querySelectorAll('#steps thead th')]
            .findIndex((head) => head.textContent === 'Way back');
         return document.querySelector('#steps tbody tr').cells[at].textContent;",
    )?;
    let back = back.as_str().context("no cell of the way back")?;
    let millis = back.strip_suffix(" ms").map(str::parse::<f64>);
    let millis = millis.with_context(|| back.to_owned())??;
    let expected = DELAY.as_secs_f64() * 1e3;
    ensure!(
        (0.8..1.5).contains(&(millis / expected)),
        "{back} on the way back"
    );
    Ok(())
}

/// Checks that text is large enough, and that nothing is wider than the page.
fn readable(context: &Context, browser: &Browser, width: u32) -> Result<()> {
    let sizes = browser.run_async(TEXT_SIZES)?;
    let sizes: Vec<f64> =
        serde_json::from_value(sizes.clone()).with_context(|| sizes.to_string())?;
    let smallest = sizes.iter().copied().fold(f64::INFINITY, f64::min);
    ensure!(sizes.len() > 5, "{width}: too little text: {sizes:?}");
    ensure!(smallest > MIN_TEXT - 0.01, "{width}: text of {smallest} px");
    let wide = browser.run("return document.documentElement.scrollWidth - innerWidth;")?;
    ensure!(wide == 0, "{width}: {wide} px beyond the page");
    context.note(format!(
        "{width} px: the picture's smallest text has {smallest:.1} px"
    ));
    Ok(())
}

/// Checks that the time axis begins where the data do.
fn axis(context: &Context, browser: &Browser) -> Result<()> {
    let found = browser.run(
        "return [Number(document.querySelector('#plot').dataset.span),
            -[...document.querySelectorAll('#steps tbody tr')].at(-1).dataset.begin];",
    )?;
    let (span, oldest): (f64, f64) = serde_json::from_value(found)?;
    ensure!(
        span >= 30.0 && (span - oldest < 10.1 || span < 30.1) && span >= oldest - 0.1,
        "an axis of {span} s, and data of {oldest} s"
    );
    context.note(format!("an axis of {span} s with data of {oldest} s"));
    Ok(())
}

fn keyboard(browser: &Browser) -> Result<()> {
    browser.run("document.querySelector('[role=slider]').focus();")?;
    browser.press("End")?;
    let latest = browser.run(VALUES)?;
    for part in [
        "Median ",
        "p99 ",
        "Loss ",
        "Replies ",
        "Lost there ",
        "Way back ",
    ] {
        let has = latest.as_str().is_some_and(|text| text.contains(part));
        ensure!(has, "{part}: {latest}");
    }
    browser.press("ArrowLeft")?;
    let before = browser.run(VALUES)?;
    ensure!(before != latest, "the arrow key does nothing: {latest}");
    let shown = browser.run(SHOWN)?;
    let replies = shown.as_str().context("no values")?.split('|').nth(7);
    let replies = replies.context("too few values")?;
    let same = format!("Replies {replies},");
    ensure!(
        before.as_str().is_some_and(|text| text.contains(&same)),
        "{before}, but {shown} is shown"
    );
    browser.press("Home")?;
    let first = "return document.querySelector('[role=slider]').getAttribute('aria-valuenow');";
    ensure!(browser.run(first)? == "0", "not the first step");
    let marked = "!document.querySelector('#plot .cursor i').hidden";
    browser.until("the mark of the step", SEEN, marked)?;
    browser.run("document.activeElement.blur();")?;
    browser.until("no mark", SEEN, &format!("!({marked})"))?;
    Ok(())
}

/// Touches the latest step and an older one at a phone's width.
fn touch(browser: &Browser) -> Result<()> {
    browser.size(360, 900, 1.0)?;
    browser.until("the picture", SEEN, LOADED)?;
    browser.run("document.querySelector('#plot picture').scrollIntoView();")?;
    let place = browser.run(
        "const box = document.querySelector('#plot .cursor').getBoundingClientRect();
         return [box.right - 1, box.left + box.width * 0.7, box.top + 40];",
    )?;
    let [right, left, y]: [f64; 3] = serde_json::from_value(place)?;
    browser.touch(right, y)?;
    let latest = number(browser)?;
    browser.touch(left, y)?;
    let older = number(browser)?;
    ensure!(older < latest, "touched {older} and {latest}");
    browser.size(1280, 900, 1.0)
}

/// Returns the number of the shown step.
fn number(browser: &Browser) -> Result<f64> {
    let value = browser.run(
        "return Number(document.querySelector('[role=slider]').getAttribute('aria-valuenow'));",
    )?;
    value.as_f64().with_context(|| value.to_string())
}

/// Follows the link to the longer range, which live updates keep.
fn ranges(browser: &Browser) -> Result<()> {
    let shown = "document.querySelector('.range [aria-current]').textContent";
    ensure!(browser.run(&format!("return {shown};"))? == "10 minutes");
    browser.run("[...document.querySelectorAll('.range a')].at(-1).click();")?;
    browser.until(
        "an hour",
        SEEN,
        &format!("{shown} === '1 hour' && ({LOADED})"),
    )?;
    let updated = "document.documentElement.dataset.live === 'yes' \
        && document.querySelector('#plot img').currentSrc.includes('range=1h') \
        && document.querySelector('#plot img').currentSrc.includes('at=')";
    browser.until("an update", SEEN, updated)?;
    let address = browser.run("return new URL(location.href).searchParams.get('range');")?;
    ensure!(address == "1h", "{address}");
    Ok(())
}
