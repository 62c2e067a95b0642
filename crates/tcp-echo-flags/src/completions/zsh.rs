//! Completions for zsh.

use super::{Flag, Value, quoted};

pub(super) fn script(name: &str, flags: &[Flag], takes_hosts: bool) -> String {
    let mut specs: String = flags.iter().map(spec).collect();
    if takes_hosts {
        specs += " \\\n        '*:host:_hosts'";
    }
    format!(
        "#compdef {name}
# Completions of {name} for zsh.

_{name}() {{
    _arguments{specs}
}}

# In fpath this file is the body of the function; otherwise it is sourced once.
if [[ $funcstack[1] == _{name} ]]; then
    _{name} \"$@\"
else
    compdef _{name} {name}
fi
"
    )
}

/// The spec of a flag for `_arguments`: that all its spellings exclude each other, its help, and
/// its value.
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

/// `text` with backslashes before all of `special` and before backslashes.
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
