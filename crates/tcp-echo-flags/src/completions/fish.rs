//! Completions for fish.

use super::{Flag, Value, quoted};

pub(super) fn script(name: &str, flags: &[Flag], takes_hosts: bool) -> String {
    let lines: String = flags.iter().map(|flag| line(name, flag)).collect();
    // No argument is a file.
    let hosts = if takes_hosts {
        " -a '(__fish_print_hostnames)'"
    } else {
        ""
    };
    format!("# Completions of {name} for fish.\n\ncomplete -c {name} -f{hosts}\n{lines}")
}

/// fish calls a long flag with one dash old-style (`-o`).
fn line(name: &str, flag: &Flag) -> String {
    let long = &flag.long;
    let short = flag
        .short
        .map_or_else(String::new, |short| format!(" -s {short}"));
    let value = match &flag.value {
        Value::None | Value::Optional(_) => "",
        Value::File => " -r -F",
        Value::Text { .. } => " -x",
    };
    let words = match flag.words() {
        [] => String::new(),
        words => format!(" -a '{}'", words.join(" ")),
    };
    let help = quoted(&flag.help.replace('\\', r"\\"), r"\'");
    format!("complete -c {name} -l {long} -o {long}{short}{value}{words} -d {help}\n")
}
