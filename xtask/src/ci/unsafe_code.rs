//! Where `unsafe` code may stand.

use anyhow::{Result, bail};

use super::code::{code_only, has_word};
use super::crates::UNSAFE;
use super::files::texts;

/// No `unsafe` but in one crate; benches, examples and tools are no exception.
pub(super) fn contained() -> Result<()> {
    let allowed = format!("crates/{UNSAFE}");
    let (inside, outside): (Vec<_>, Vec<_>) = texts("rs")?
        .into_iter()
        .filter(|(_, text)| has_word(&code_only(text), "unsafe"))
        .map(|(file, _)| file)
        .partition(|file| file.starts_with(&allowed));
    if let [first, ..] = &outside[..] {
        bail!(
            "unsafe outside {allowed}: {} and {} more",
            first.display(),
            outside.len() - 1
        );
    }
    if inside.is_empty() {
        bail!("no unsafe in {allowed} either: this check sees none, or it can go");
    }
    Ok(())
}
