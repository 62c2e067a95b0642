//! Formats of figures and names for people.

use std::env;
use std::fmt::Write as _;
use std::io::IsTerminal;
use std::time::Duration;

use tcp_echo_log::Escaped;

/// The characters that a terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// All of them.
    Unicode,
    /// Those of ASCII.
    Ascii,
}

impl Charset {
    /// The character set of a stream: Unicode if it is a terminal with such a locale.
    pub fn of(stream: &impl IsTerminal) -> Self {
        if stream.is_terminal() && is_utf8(|name| env::var(name).ok()) {
            Self::Unicode
        } else {
            Self::Ascii
        }
    }
}

/// Whether the locale has UTF-8. As in setlocale(3), the first of these variables that is set
/// decides.
fn is_utf8(variable: impl Fn(&str) -> Option<String>) -> bool {
    if cfg!(windows) {
        // Consoles of Windows accept UTF-16, whatever their code page.
        return true;
    }
    let set = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(|name| variable(name).filter(|value| !value.is_empty()));
    set.is_some_and(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

/// A duration in three digits and a unit: `47.1µs`, `1.20ms`, `12.0s`.
pub(crate) fn short(duration: Duration, charset: Charset) -> String {
    let micro = match charset {
        Charset::Unicode => "µs",
        Charset::Ascii => "us",
    };
    let nanos = duration.as_nanos();
    let units = [(1_u128, "ns"), (1_000, micro), (1_000_000, "ms")];
    for (unit, name) in units {
        // A value that would round to 1000 takes the next unit.
        if nanos * 10 < unit * 9995 {
            return format!(
                "{}{name}",
                three_digits(nanos as f64 / unit as f64, unit > 1)
            );
        }
    }
    format!("{}s", three_digits(duration.as_secs_f64(), true))
}

/// A number with three digits, or more if it has more before its point.
fn three_digits(number: f64, fraction: bool) -> String {
    let digits = match number {
        _ if !fraction => 0,
        n if n < 9.995 => 2,
        n if n < 99.95 => 1,
        _ => 0,
    };
    format!("{number:.digits$}")
}

/// A text from outside with its control characters escaped.
pub(crate) fn printable(text: &str) -> String {
    let mut printed = String::with_capacity(text.len());
    // Writing to a string can't fail.
    let _ = Escaped(&mut printed).write_str(text);
    printed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_three_digits() {
        for (nanos, text) in [
            (0, "0ns"),
            (999, "999ns"),
            (1_000, "1.00us"),
            (9_994, "9.99us"),
            (9_996, "10.0us"),
            (99_960, "100us"),
            (999_499, "999us"),
            (999_500, "1.00ms"),
            (1_234_567, "1.23ms"),
            (800_000_000, "800ms"),
            (999_500_000, "1.00s"),
            (12_000_000_000, "12.0s"),
            (86_400_000_000_000, "86400s"),
        ] {
            assert_eq!(short(Duration::from_nanos(nanos), Charset::Ascii), text);
        }
        let micros = Duration::from_micros(47);
        assert_eq!(short(micros, Charset::Unicode), "47.0µs");
    }

    #[cfg(unix)]
    #[test]
    fn the_locale_decides_about_utf8() {
        let is_utf8_with = |set: &[(&str, &str)]| {
            is_utf8(|name| {
                let value = set.iter().find(|(set, _)| *set == name);
                value.map(|(_, value)| (*value).to_owned())
            })
        };
        assert!(is_utf8_with(&[("LANG", "en_GB.UTF-8")]));
        assert!(is_utf8_with(&[("LC_ALL", ""), ("LC_CTYPE", "C.utf8")]));
        assert!(!is_utf8_with(&[("LC_ALL", "C"), ("LANG", "en_GB.UTF-8")]));
        assert!(!is_utf8_with(&[]));
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(
            printable("a\u{1b}[2Jb\u{9b}c\u{202e}\n"),
            r"a\u{1b}[2Jb\u{9b}c\u{202e}\n"
        );
        assert_eq!(printable("größe 東京"), "größe 東京");
    }
}
