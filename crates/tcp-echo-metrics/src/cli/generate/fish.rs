//! Completions for fish.

use super::{Flag, Value, quoted};

pub(super) fn script(flags: &[Flag]) -> String {
    let lines: String = flags.iter().map(line).collect();
    format!(
        "# Completions of tcp-echo-metrics for fish.\n\n\
         # Everything is a flag.\n\
         complete -c tcp-echo-metrics -f\n{lines}"
    )
}

/// fish calls a long flag behind one dash an old one.
fn line(flag: &Flag) -> String {
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
    format!("complete -c tcp-echo-metrics -l {long} -o {long}{short}{value}{words} -d {help}\n")
}
