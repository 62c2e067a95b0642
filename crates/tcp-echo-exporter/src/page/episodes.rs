//! The episodes of targets, as JSON and in the view of one.

use std::time::{Duration, SystemTime};

use maud::{Markup, html};
use serde::Serialize;
use tcp_echo_episodes::{Episodes, Json, Record};
use tcp_echo_prober::Cause;

use super::{
    query::{EpisodesQuery, Range, encode_pair},
    text,
};

/// The maximum number of episodes that a view lists, latest first.
const MAX_LISTED: usize = 10;

/// The width of the timeline, in units of its own.
const WIDTH: f64 = 1000.0;
/// A short episode is still visible.
const MIN_WIDTH: f64 = 3.0;

/// The body of `/api/v1/episodes`. The crate's documentation describes the fields.
#[derive(Debug, Serialize)]
pub(super) struct EpisodeList {
    episodes: Vec<Json>,
}

impl EpisodeList {
    /// The newest first.
    pub(super) fn of(episodes: Option<&Episodes>, query: &EpisodesQuery) -> Self {
        let newest = episodes.map(|episodes| match &query.target {
            Some(target) => episodes.newest_of(target),
            None => episodes.newest(),
        });
        let limit = query.limit.unwrap_or(usize::MAX);
        let newest = newest.unwrap_or_default();
        Self {
            episodes: newest.iter().take(limit).map(Json::from).collect(),
        }
    }
}

/// Shows the episodes of a target: a timeline of the range, and the last ones in words.
pub(super) fn section(episodes: &Episodes, name: &str, range: Range, now: SystemTime) -> Markup {
    let newest = episodes.newest_of(name);
    let json = format!("api/v1/episodes?{}", encode_pair("target", name));
    html! {
        section.episodes aria-labelledby="episodes" {
            h2 #episodes { "Episodes" }
            @if newest.is_empty() {
                p.note { "No outage so far." }
            } @else {
                (timeline(&newest, range, now))
                ol.changes {
                    @for record in newest.iter().take(MAX_LISTED) { (item(record, now)) }
                }
                @if newest.len() > MAX_LISTED {
                    p.note {
                        "The last " (MAX_LISTED) " of " (newest.len()) ". "
                        a href=(json) { "All as JSON" }
                    }
                }
            }
        }
    }
}

/// Draws the episodes of the range. The list below has them in words.
fn timeline(newest: &[Record], range: Range, now: SystemTime) -> Markup {
    let span = range.length().as_secs_f64();
    let x = |at: SystemTime| WIDTH * (1.0 - (before(at, now) / span).min(1.0));
    let marks = newest.iter().map(|record| {
        let (begin, end) = (x(record.began), x(record.ended.unwrap_or(now)));
        let width = (end - begin).max(MIN_WIDTH);
        (begin.min(WIDTH - width), end, width, record.cause)
    });
    let marks: Vec<_> = marks.filter(|(_, end, ..)| *end > 0.0).collect();
    let label = match marks.len() {
        0 => format!("No episode in the last {}", range.name()),
        1 => format!("1 episode in the last {}", range.name()),
        number => format!("{number} episodes in the last {}", range.name()),
    };
    html! {
        svg.timeline role="img" aria-label=(label) viewBox={ "0 0 " (WIDTH) " 20" }
            preserveAspectRatio="none" {
            @for (x, _, width, cause) in marks {
                rect class=(kind(cause)) x=(format!("{x:.1}")) y="0"
                    width=(format!("{width:.1}")) height="20" { title { (words(cause)) } }
            }
        }
        p.note.ends { span { (range.name()) " ago" } span { "now" } }
    }
}

fn item(record: &Record, now: SystemTime) -> Markup {
    let length = match record.ended {
        None => "still lasts".to_owned(),
        Some(ended) => {
            let length = ended.duration_since(record.began).unwrap_or_default();
            format!("for {}", long(length))
        }
    };
    html! {
        li {
            span.when { (text::ago(before(record.began, now))) }
            span class=(kind(record.cause)) { (words(record.cause)) }
            span { (length) ", " (slots(record.slots_lost)) }
            @if let Some(port) = record.source_port { span { "from port " (port) } }
            @if let Some(hop) = record.last_hop { span { "last hop " (hop) } }
        }
    }
}

/// Seconds before now.
fn before(at: SystemTime, now: SystemTime) -> f64 {
    now.duration_since(at).unwrap_or_default().as_secs_f64()
}

/// Formats the length of an episode, such as `1 h 2 min` or `12.4 s`.
fn long(length: Duration) -> String {
    let seconds = length.as_secs();
    match seconds {
        0..60 => format!("{:.1} s", length.as_secs_f64()),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

fn slots(lost: u64) -> String {
    match lost {
        1 => "1 slot lost".to_owned(),
        lost => format!("{lost} slots lost"),
    }
}

/// The class of a cause: its colour.
const fn kind(cause: Cause) -> &'static str {
    match cause {
        Cause::OwnHost => "missed",
        Cause::Queueing | Cause::PacketLoss | Cause::Path | Cause::Mtu => "lossy",
        _ => "down",
    }
}

/// The cause for people.
const fn words(cause: Cause) -> &'static str {
    match cause {
        Cause::Refused => "refused",
        Cause::Reset => "connection ended by the peer",
        Cause::Blackhole => "black hole",
        Cause::BlackholeForward => "black hole on the way there",
        Cause::BlackholeReverse => "black hole on the way back",
        Cause::PacketLoss => "packet loss",
        Cause::Queueing => "queueing",
        Cause::PeerStalled => "peer stalled",
        Cause::OwnHost => "this host",
        Cause::Dns => "name does not resolve",
        Cause::Mtu => "large packets dropped",
        Cause::Path => "one path of several",
        Cause::Unknown => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(ago: u64, length: Option<u64>, now: SystemTime) -> Record {
        let began = now - Duration::from_secs(ago);
        Record {
            target: "<a>".into(),
            began,
            ended: length.map(|length| began + Duration::from_secs(length)),
            cause: Cause::Blackhole,
            slots_lost: 1,
            source_port: Some(40_000),
            last_hop: Some([10, 0, 0, 1].into()),
        }
    }

    #[test]
    fn a_timeline_has_what_lies_in_its_range() {
        let now = SystemTime::now();
        let all = [
            record(30, None, now),
            record(660, Some(120), now),
            record(3_000, Some(1), now),
        ];
        let drawn = timeline(&all, Range::TenMinutes, now).into_string();
        assert_eq!(drawn.matches("<rect").count(), 2, "{drawn}");
        assert!(drawn.contains("2 episodes in the last 10 minutes"));
        assert!(drawn.contains(r#"x="950.0" y="0" width="50.0""#), "{drawn}");
        // Its first minute is out of the range.
        assert!(drawn.contains(r#"x="0.0" y="0" width="100.0""#), "{drawn}");
        let hour = timeline(&all, Range::Hour, now).into_string();
        assert_eq!(hour.matches("<rect").count(), 3);
        // The shortest one is visible, also at the edge.
        assert!(hour.contains(r#"width="3.0""#), "{hour}");
        let edge = timeline(&[record(0, None, now)], Range::Hour, now).into_string();
        assert!(edge.contains(r#"x="997.0" y="0" width="3.0""#), "{edge}");
    }

    #[test]
    fn an_episode_is_told_in_words() {
        let now = SystemTime::now();
        let text = item(&record(70, Some(12), now), now).into_string();
        for part in [
            "1 min 10 s ago",
            "black hole",
            "for 12.0 s, 1 slot lost",
            "from port 40000",
            "last hop 10.0.0.1",
        ] {
            assert!(text.contains(part), "{text}");
        }
        let text = item(&record(5, None, now), now).into_string();
        assert!(text.contains("still lasts"));
        assert_eq!(long(Duration::from_secs(125)), "2 min 5 s");
        assert_eq!(long(Duration::from_secs(7_320)), "2 h 2 min");
    }
}
