//! Parses service definitions as the service managers do.

use std::{collections::BTreeSet, path::Path};

use tcp_echo_metrics::cli::Config;
use tcp_echo_service::{Definition, Spec};

pub(super) fn check(config: &Config, program: &Path) {
    let Ok(spec) = Spec::new(&config.service_options, &config.command_line(), program) else {
        return;
    };
    let mut command = vec![spec.program.clone()];
    command.extend(spec.arguments.iter().cloned());

    let unit = Definition::Systemd.render(&spec).unwrap();
    assert_eq!(exec_start(&unit), command, "{unit}");
    assert_eq!(keys(&unit), expected_keys(&spec), "{unit}");

    let list = Definition::Launchd.render(&spec).unwrap();
    let list = plist::Value::from_reader_xml(list.as_bytes()).unwrap();
    let words = list.as_dictionary().unwrap()["ProgramArguments"].as_array();
    let words: Vec<_> = words.unwrap().iter().map(|word| word.as_string()).collect();
    assert_eq!(
        words,
        command.iter().map(|w| Some(&**w)).collect::<Vec<_>>()
    );

    let script = Definition::OpenRc.render(&spec).unwrap();
    let program = shell_words(assigned(&script, "command"));
    assert_eq!(program, command[..1]);
    let [evaluated] = &shell_words(assigned(&script, "command_args"))[..] else {
        panic!("{script}");
    };
    assert_eq!(shell_words(evaluated), spec.arguments);
    assert!(Definition::Rcd.render(&spec).unwrap().starts_with("#!"));
}

/// Returns the lines of a unit with continued lines joined.
fn lines(unit: &str) -> Vec<String> {
    let joined = unit.replace("\\\n", " ");
    joined.split('\n').map(str::to_owned).collect()
}

/// Parses the words of `ExecStart` according to systemd.service(5): split at unquoted spaces, with C
/// escapes; then `%%` and, after the first word, `$$` stand for one character.
fn exec_start(unit: &str) -> Vec<String> {
    let starts = lines(unit)
        .into_iter()
        .filter_map(|line| Some(line.strip_prefix("ExecStart=")?.to_owned()));
    let [line] = &starts.collect::<Vec<_>>()[..] else {
        panic!("not exactly one ExecStart: {unit}");
    };
    let mut words: Vec<String> = Vec::new();
    let (mut word, mut begun, mut quote) = (String::new(), false, None);
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                begun = true;
                match chars.next() {
                    Some(c @ ('\\' | '"' | '\'' | ' ')) => word.push(c),
                    other => panic!("escape {other:?} in {line}"),
                }
            }
            c if Some(c) == quote => quote = None,
            '"' | '\'' if quote.is_none() => {
                begun = true;
                quote = Some(c);
            }
            ' ' if quote.is_none() => {
                if begun {
                    words.push(std::mem::take(&mut word));
                    begun = false;
                }
            }
            c => {
                begun = true;
                word.push(c);
            }
        }
    }
    assert_eq!(quote, None, "{line}");
    if begun {
        words.push(word);
    }
    let single = |word: &str, mark: &str| {
        let parts: Vec<_> = word.split(&mark.repeat(2)).collect();
        assert!(parts.iter().all(|part| !part.contains(mark)), "{word}");
        parts.join(mark)
    };
    words
        .iter()
        .enumerate()
        .map(|(place, word)| match (place, single(word, "%")) {
            (0, word) => word,
            (_, word) => single(&word, "$"),
        })
        .collect()
}

/// Returns the keys that a unit sets, with their sections.
fn keys(unit: &str) -> BTreeSet<String> {
    let mut section = String::new();
    let mut keys = BTreeSet::new();
    for line in lines(unit) {
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if line.starts_with('[') {
            section = line;
            continue;
        }
        let (key, _) = line.split_once('=').unwrap_or_else(|| panic!("{line:?}"));
        keys.insert(format!("{section}{key}"));
    }
    keys
}

/// Returns the keys for a plain command with the same requirements.
fn expected_keys(spec: &Spec) -> BTreeSet<String> {
    let mut plain = spec.clone();
    plain.arguments.truncate(1);
    plain.account = plain.account.map(|_| "echo".to_owned());
    let mut expected = keys(&Definition::Systemd.render(&plain).unwrap());
    if spec.account.is_none() && !spec.user {
        assert!(expected.contains("[Service]DynamicUser"));
    }
    expected.remove("");
    expected
}

/// Returns the value that a script assigns to a variable.
fn assigned<'a>(script: &'a str, name: &str) -> &'a str {
    let start = format!("\n{name}=");
    let (_, rest) = script.split_once(&start).unwrap();
    rest.split_once('\n').unwrap().0
}

/// Parses the words of a shell line, which must contain no expansions.
fn shell_words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                word.extend(chars.by_ref().take_while(|c| *c != '\''));
            }
            '\\' => word.get_or_insert_default().extend(chars.next()),
            c => {
                assert!(
                    c.is_ascii_alphanumeric() || "-_./:=,@+".contains(c),
                    "{line}"
                );
                word.get_or_insert_default().push(c);
            }
        }
    }
    words.extend(word);
    words
}
