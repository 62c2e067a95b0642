//! Log lines in the view.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tcp_echo_log::Redirect;

/// The number of lines kept.
const MAX_LINES: usize = 200;

/// The last lines of the log. Takes the log until it is dropped.
#[derive(Debug)]
pub(super) struct Log {
    lines: Arc<Mutex<VecDeque<String>>>,
    _redirect: Redirect,
}

impl Log {
    /// Redirects the log.
    pub(super) fn take() -> Self {
        let lines = Arc::<Mutex<VecDeque<String>>>::default();
        let kept = Arc::clone(&lines);
        let redirect = tcp_echo_log::redirect(move |line| {
            let line = plain(&String::from_utf8_lossy(line));
            let mut lines = kept.lock().unwrap_or_else(PoisonError::into_inner);
            if lines.len() == MAX_LINES {
                lines.pop_front();
            }
            lines.push_back(line);
        });
        Self {
            lines,
            _redirect: redirect,
        }
    }

    /// The last `count` lines, the oldest first.
    pub(super) fn last(&self, count: usize) -> Vec<String> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let skipped = lines.len().saturating_sub(count);
        lines.iter().skip(skipped).cloned().collect()
    }
}

/// A line without colours, date and fractions of a second: `14:16:21  INFO …`. Text from
/// outside is escaped already, so all escape sequences are those of the log.
fn plain(line: &str) -> String {
    let mut parts = line.trim_end().split('\u{1b}');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str(part.split_once('m').map_or("", |(_, after)| after));
    }
    let time = text
        .split_once(' ')
        .filter(|(time, _)| time.len() == 27 && time.ends_with('Z') && time.is_ascii());
    match time {
        Some((time, rest)) => format!("{} {rest}", &time[11..19]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_shortened() {
        let line =
            "\u{1b}[2m2026-11-24T14:16:21.123456Z\u{1b}[0m \u{1b}[32m INFO\u{1b}[0m connected\n";
        assert_eq!(plain(line), "14:16:21  INFO connected");
        assert_eq!(plain(" INFO connected\n"), " INFO connected");
        assert_eq!(plain("{\"level\":\"INFO\"}\n"), "{\"level\":\"INFO\"}");
        assert_eq!(plain("\u{1b}"), "");
    }
}
