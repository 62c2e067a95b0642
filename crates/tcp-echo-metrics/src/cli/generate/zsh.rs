//! Completions for zsh.

use super::{Flag, Value, quoted};

pub(super) fn script(flags: &[Flag]) -> String {
    let specs: String = flags.iter().map(spec).collect();
    format!(
        "#compdef tcp-echo-metrics
# Completions of tcp-echo-metrics for zsh.

_tcp-echo-metrics() {{
    _arguments{specs}
}}

# Found in fpath, this file is the function's first call; else it is read once.
if [[ $funcstack[1] == _tcp-echo-metrics ]]; then
    _tcp-echo-metrics \"$@\"
else
    compdef _tcp-echo-metrics tcp-echo-metrics
fi
"
    )
}

/// What `_arguments` wants to know of a flag: that it is given once however it is
/// spelled, what it is for and what its value is.
fn spec(flag: &Flag) -> String {
    let spellings: Vec<String> = flag.spellings().collect();
    let once = if flag.repeats {
        "*".to_owned()
    } else {
        format!("({})", spellings.join(" "))
    };
    let words = flag.words().join(" ");
    let actions = if words.is_empty() {
        String::new()
    } else {
        format!("({words})")
    };
    let (sign, value) = match &flag.value {
        Value::None => ("", String::new()),
        Value::Optional(_) => ("=-", format!("::value:{actions}")),
        Value::File => ("=", ":FILE:_files".to_owned()),
        Value::Text { name, .. } => ("=", format!(":{}:{actions}", escaped(name, &[':']))),
    };
    let help = escaped(&flag.help, &['[', ']']);
    let rest = quoted(&format!("{sign}[{help}]{value}"), r"'\''");
    format!(
        " \\\n        {}{{{}}}{rest}",
        quoted(&once, ""),
        spellings.join(",")
    )
}

/// `text` with a backslash before each of `special` and before backslashes.
fn escaped(text: &str, special: &[char]) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        if c == '\\' || special.contains(&c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}
