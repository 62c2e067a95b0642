//! Words for a shell.

/// One word of a shell's command line, with nothing for the shell to expand.
pub(super) fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Words with spaces between them, as one text that a shell is to read again.
pub(super) fn quote_all(words: &[String]) -> String {
    words
        .iter()
        .map(|word| quote(word))
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    /// What a shell makes of words that were assigned to a variable and then evaluated,
    /// as scripts of services have it.
    fn through_sh(words: &[String]) -> Vec<String> {
        let assigned = quote(&quote_all(words));
        let script = format!("args={assigned}\neval \"printf '%s\\n' x $args\"");
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().skip(1).map(str::to_owned).collect()
    }

    #[test]
    fn a_shell_gives_back_what_was_quoted() {
        let words = [
            "--target=a b=:1",
            "$HOME",
            "${HOME}",
            "`id`",
            "$(id)",
            "it's",
            "\"",
            "\\",
            "*",
            "~",
            "a;b",
            "#",
            "",
            "%n",
            "&",
            "é",
        ]
        .map(str::to_owned);
        assert_eq!(through_sh(&words), words);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn whatever_it_is(words in prop::collection::vec("[ -~]{0,8}", 1..6)) {
            prop_assert_eq!(through_sh(&words), words);
        }
    }
}
