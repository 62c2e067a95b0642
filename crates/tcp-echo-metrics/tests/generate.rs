//! The manual page and the completions that the binary prints. Shells and formatters try
//! them in the end-to-end tests.
#![expect(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

use std::collections::BTreeSet;
use std::process::Command;

const ALL: [&str; 5] = [
    "man",
    "complete-bash",
    "complete-zsh",
    "complete-fish",
    "complete-powershell",
];

fn output(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_tcp-echo-metrics"))
        .args(args)
        // It is no flag to have in an environment.
        .env("TCP_ECHO_GENERATE", "nothing")
        .output()
        .unwrap();
    assert!(output.status.success(), "{args:?}: {}", output.status);
    assert!(output.stderr.is_empty(), "{args:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The long names of all flags in the help.
fn flags() -> BTreeSet<String> {
    let name = |line: &str| {
        // Behind the letter, where there is one.
        let mut words = line
            .split_whitespace()
            .skip_while(|word| word.ends_with(','));
        let name = words.next()?.strip_prefix("--")?;
        let end = name.find('[').unwrap_or(name.len());
        Some(name[..end].to_owned())
    };
    let flags: BTreeSet<String> = output(&["--help"]).lines().filter_map(name).collect();
    for known in ["mode", "verbose", "live", "version"] {
        assert!(flags.contains(known), "{flags:?}");
    }
    flags
}

/// Whether `word` stands in `text`, with no more of a name before or behind it.
fn has(text: &str, word: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_');
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let behind = text[at + word.len()..].chars().next();
        !before.is_some_and(is_name) && !behind.is_some_and(is_name)
    })
}

#[test]
fn each_has_every_flag() {
    for what in ALL {
        let text = output(&["-generate", what]);
        let text = match what {
            // As the formatters show it.
            "man" => text.replace("\\fB", "").replace("\\-", "-"),
            _ => text,
        };
        for flag in flags() {
            let written = match what {
                "man" => vec![format!("--{flag}")],
                "complete-fish" => vec![format!("-l {flag} -o {flag}")],
                "complete-powershell" => vec![format!("Name = '{flag}'")],
                _ => vec![format!("-{flag}"), format!("--{flag}")],
            };
            for written in written {
                assert!(has(&text, &written), "{what} has no {written}");
            }
        }
    }
}

#[test]
fn the_page_has_its_sections_in_order() {
    let page = output(&["-generate=man"]);
    let sections: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix(".SH "))
        .collect();
    let expected = [
        "NAME",
        "SYNOPSIS",
        "DESCRIPTION",
        "OPTIONS",
        "ENVIRONMENT",
        "SIGNALS",
        "\"EXIT STATUS\"",
        "FILES",
        "EXAMPLES",
        "\"SEE ALSO\"",
    ];
    assert_eq!(sections, expected);
    // What the help says once is once on the page too.
    for text in [
        "tcp\\-echo\\-metrics \\-\\-mode both",
        "Durations have units",
    ] {
        assert_eq!(page.matches(text).count(), 1, "{text}");
    }
    let help = output(&["--help"]);
    for group in page.lines().filter_map(|line| line.strip_prefix(".SS ")) {
        let heading = format!("\n{}:\n", group.trim_matches('"'));
        assert!(help.contains(&heading), "{group}");
    }
}

#[test]
fn what_cannot_be_generated_is_refused() {
    let output = Command::new(env!("CARGO_BIN_EXE_tcp-echo-metrics"))
        .args(["--generate", "html"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("complete-zsh"), "{error}");
}
