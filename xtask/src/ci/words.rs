//! What is left undone says so in its own words.

use anyhow::{Result, bail};

use super::code::{code_only, has_word};
use super::files::texts;

/// In comments and prose. Split, so that this file does not name them itself.
const NOTES: [&str; 3] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
];
const MACROS: [&str; 3] = ["todo!", "unimplemented!", "dbg!"];

pub(super) fn none_left() -> Result<()> {
    let mut found = Vec::new();
    for extension in ["rs", "md", "toml", "yml"] {
        for (file, text) in texts(extension)? {
            let code = if extension == "rs" {
                code_only(&text)
            } else {
                String::new()
            };
            for word in words_in(&text, &code) {
                found.push(format!("{} has {word}", file.display()));
            }
        }
    }
    if !found.is_empty() {
        bail!("{}", found.join("; "));
    }
    Ok(())
}

fn words_in(text: &str, code: &str) -> Vec<&'static str> {
    let notes = NOTES.into_iter().filter(|word| has_word(text, word));
    let macros = MACROS.into_iter().filter(|word| code.contains(word));
    notes.chain(macros).collect()
}

#[cfg(test)]
mod tests {
    use super::{NOTES, words_in};

    #[test]
    fn notes_and_macros_are_found() {
        let note = format!("// {}: later", NOTES[0]);
        assert_eq!(words_in(&note, ""), [NOTES[0]]);
        let code = "fn later() { todo!() }";
        assert_eq!(words_in(code, code), ["todo!"]);
        assert!(words_in("a method", "a method").is_empty());
    }
}
