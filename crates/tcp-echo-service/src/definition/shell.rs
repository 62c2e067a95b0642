//! Quoting for a shell.

/// Quotes one word, so that a shell expands nothing in it.
pub(super) fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Quotes words and joins them with spaces, for a shell to evaluate.
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

    /// The words that a shell reads after an assignment to a variable and an evaluation, as in
    /// the scripts of services.
    fn through_sh(words: &[String]) -> Vec<String> {
        let assigned = quote(&quote_all(words));
        let script = format!("args={assigned}\neval \"printf '%s\\n' x $args\"");
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().skip(1).map(str::to_owned).collect()
    }

    #[test]
    fn a_shell_reads_quoted_words_unchanged() {
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
        fn a_shell_reads_any_quoted_words_unchanged(words in prop::collection::vec("[ -~]{0,8}", 1..6)) {
            prop_assert_eq!(through_sh(&words), words);
        }
    }
}
