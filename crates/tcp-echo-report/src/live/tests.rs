//! The view without a terminal.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tcp_echo_prober::{
    ConnectFailure, DisconnectReason, Event, Observer, Segments, Sensor, Seq, Session,
    SessionConfig, Target, TcpInfo, UnsentReason,
};

use super::columns::Column;
use super::draw::draw;
use super::keys::{Effect, press};
use super::log::Log;
use super::targets::{LiveSensor, LiveTargets};
use super::view::View;
use crate::format::Charset;

const SECOND: Duration = Duration::from_secs(1);

/// A target with scripted events.
struct Scripted {
    sensor: LiveSensor,
    session: Session,
}

impl Scripted {
    fn new(targets: &LiveTargets, name: &str, port: u16) -> Self {
        let config = SessionConfig::new(SECOND, SECOND).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let target = Target::new(address.into(), config.clone()).named(name);
        Self {
            sensor: targets.attach(&target),
            session: Session::new(&config, Instant::now()),
        }
    }

    fn emit(&mut self, event: &Event) {
        self.sensor.on_event(event, &self.session);
    }

    fn connect(&mut self) {
        let address = ([127, 0, 0, 1], 4000).into();
        let event = self
            .session
            .handle_connected(Instant::now(), address, SECOND);
        self.emit(&event);
    }

    fn receive(&mut self, micros: u64) {
        self.emit(&Event::Received {
            seq: Seq(1),
            rtt: Duration::from_micros(micros),
            host_delay: None,
        });
    }

    fn lose(&mut self) {
        self.miss(UnsentReason::Disconnected);
    }

    fn miss(&mut self, reason: UnsentReason) {
        self.emit(&Event::Unsent { reason, slots: 1 });
    }
}

/// One of each state: down, silent, new, and two that are up.
fn some(targets: &LiveTargets) -> Vec<Scripted> {
    let names = ["slow", "new", "down", "silent", "fast"];
    let mut scripted: Vec<_> = (1..)
        .zip(names)
        .map(|(port, name)| Scripted::new(targets, name, port))
        .collect();
    for (target, micros) in [(0, 900), (3, 10), (4, 10)] {
        scripted[target].connect();
        scripted[target].receive(micros);
    }
    scripted[3].lose();
    scripted[2].emit(&Event::ConnectFailed {
        reason: ConnectFailure::Refused,
    });
    scripted
}

fn names(view: &View) -> Vec<&str> {
    view.rows.iter().map(|row| &*row.cell.name).collect()
}

fn selected(view: &View) -> &str {
    view.selected().map_or("", |row| &row.cell.name)
}

fn key(view: &mut View, targets: &LiveTargets, code: KeyCode) -> Effect {
    let effect = press(view, KeyEvent::new(code, KeyModifiers::NONE));
    if effect == Effect::Read {
        view.read(targets);
    }
    effect
}

#[test]
fn the_worst_is_first_and_columns_sort() {
    let targets = LiveTargets::new();
    let _scripted = some(&targets);
    let mut view = View::new();
    view.read(&targets);
    assert_eq!(names(&view), ["down", "silent", "new", "slow", "fast"]);
    key(&mut view, &targets, KeyCode::Char('s'));
    assert_eq!(names(&view), ["down", "fast", "new", "silent", "slow"]);
    key(&mut view, &targets, KeyCode::Char('r'));
    assert_eq!(names(&view), ["slow", "silent", "new", "fast", "down"]);
    key(&mut view, &targets, KeyCode::Char('r'));
    for _ in 0..2 {
        key(&mut view, &targets, KeyCode::Char('s'));
    }
    // By p50, the unknown last.
    assert_eq!(names(&view), ["slow", "fast", "silent", "down", "new"]);
}

#[test]
fn missed_slots_are_not_the_fault_of_the_target() {
    for reason in [UnsentReason::Overrun, UnsentReason::Resources] {
        let targets = LiveTargets::new();
        let mut scripted = some(&targets);
        scripted[4].miss(reason);
        let mut view = View::new();
        view.read(&targets);
        assert_eq!(names(&view), ["down", "silent", "fast", "new", "slow"]);
        let screen = drawn(&mut view, &targets, (80, 24), Charset::Ascii);
        let line = screen.lines().find(|line| line.contains("fast"));
        assert!(
            line.is_some_and(|line| line.contains(" missed ")),
            "{screen}"
        );
    }
}

#[test]
fn the_selection_follows_its_target() {
    let targets = LiveTargets::new();
    let mut scripted = some(&targets);
    let mut view = View::new();
    view.read(&targets);
    key(&mut view, &targets, KeyCode::End);
    assert_eq!(selected(&view), "fast");
    scripted[4].emit(&Event::Disconnected {
        reason: DisconnectReason::Eof,
    });
    scripted[4]
        .session
        .handle_disconnected(DisconnectReason::Eof);
    scripted[4].lose();
    view.read(&targets);
    // It has replies, and so comes before the one without.
    assert_eq!(names(&view)[..2], ["fast", "down"]);
    assert_eq!((selected(&view), view.position()), ("fast", Some(0)));
    key(&mut view, &targets, KeyCode::Up);
    assert_eq!(selected(&view), "fast");
    key(&mut view, &targets, KeyCode::Down);
    assert_eq!(selected(&view), "down");
    // The selection moves to the first if its target is removed.
    scripted.remove(2);
    view.read(&targets);
    assert_eq!((selected(&view), view.position()), ("fast", Some(0)));
}

#[test]
fn typing_filters_by_name_and_address() {
    let targets = LiveTargets::new();
    let _scripted = some(&targets);
    let mut view = View::new();
    view.read(&targets);
    for c in "/FAq".chars() {
        assert_ne!(key(&mut view, &targets, KeyCode::Char(c)), Effect::Quit);
    }
    assert!(names(&view).is_empty() && view.selected().is_none());
    key(&mut view, &targets, KeyCode::Backspace);
    assert_eq!(names(&view), ["fast"]);
    key(&mut view, &targets, KeyCode::Enter);
    assert_eq!(key(&mut view, &targets, KeyCode::Esc), Effect::Read);
    assert_eq!(view.rows.len(), 5);
    for c in "/.1:2".chars() {
        key(&mut view, &targets, KeyCode::Char(c));
    }
    assert_eq!(names(&view), ["new"]);
    key(&mut view, &targets, KeyCode::Esc);
    assert_eq!(key(&mut view, &targets, KeyCode::Char('q')), Effect::Quit);
    let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(press(&mut view, control_c), Effect::Quit);
}

fn drawn(view: &mut View, targets: &LiveTargets, size: (u16, u16), charset: Charset) -> String {
    let log = Log::take();
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
    terminal
        .draw(|frame| draw(frame, view, targets, &log, charset))
        .unwrap();
    terminal.backend().to_string()
}

#[test]
fn every_size_can_be_drawn() {
    let targets = LiveTargets::new();
    let _scripted = some(&targets);
    let mut view = View::new();
    view.read(&targets);
    for width in [1, 2, 9, 79, 80, 99, 100, 101, 124, 125, 300] {
        for height in [1, 2, 3, 4, 15, 16, 17, 24, 100] {
            for charset in [Charset::Unicode, Charset::Ascii] {
                drawn(&mut view, &targets, (width, height), charset);
            }
        }
    }
}

#[test]
fn wide_screens_show_packet_loss_where_it_is_known() {
    let targets = LiveTargets::new();
    let mut scripted = some(&targets);
    let slow = &mut scripted[0];
    let info = TcpInfo {
        segments: Some(Segments { sent: 80, lost: 10 }),
        ..TcpInfo::default()
    };
    let event = slow.session.handle_tcp_info(Instant::now(), info);
    slow.emit(&event);
    let mut view = View::new();
    view.read(&targets);
    let screen = drawn(&mut view, &targets, (124, 24), Charset::Ascii);
    assert!(
        !screen.contains("lost there") && !screen.contains("12.5%"),
        "{screen}"
    );
    let screen = drawn(&mut view, &targets, (125, 24), Charset::Ascii);
    assert!(screen.contains("lost there   lost back"), "{screen}");
    let line = |name| screen.lines().find(|line| line.contains(name)).unwrap();
    let words: Vec<_> = line("slow").split_whitespace().collect();
    assert_eq!(words[5..8], ["0.0%", "12.5%", "-"], "{screen}");
    // Unknown values are last.
    for _ in 0..6 {
        key(&mut view, &targets, KeyCode::Char('s'));
    }
    assert_eq!(view.sort, Column::LostThere);
    assert_eq!(names(&view)[0], "slow");
}

#[test]
fn a_terminal_without_unicode_gets_ascii() {
    let targets = LiveTargets::new();
    let _scripted = some(&targets);
    let mut view = View::new();
    view.read(&targets);
    let screen = drawn(&mut view, &targets, (80, 24), Charset::Ascii);
    assert!(screen.is_ascii(), "{screen}");
    for word in [
        "refused",
        "silent",
        "900us",
        "q quit",
        "+ 5 targets, worst first",
    ] {
        assert!(screen.contains(word), "{word} in\n{screen}");
    }
}

#[test]
fn the_selection_is_visible_among_many_targets() {
    let targets = LiveTargets::new();
    let scripted: Vec<_> = (1..=1000)
        .map(|n| {
            let mut scripted = Scripted::new(&targets, &format!("t{n:04}"), n);
            scripted.connect();
            scripted.receive(u64::from(n));
            scripted
        })
        .collect();
    assert_eq!(scripted.len(), 1000);
    let mut view = View::new();
    view.read(&targets);
    key(&mut view, &targets, KeyCode::Char('s'));
    let screen = drawn(&mut view, &targets, (100, 30), Charset::Unicode);
    assert!(
        screen.contains("t0001") && !screen.contains("t0030"),
        "{screen}"
    );
    key(&mut view, &targets, KeyCode::End);
    let screen = drawn(&mut view, &targets, (100, 30), Charset::Unicode);
    assert!(
        screen.contains("t1000") && !screen.contains("t0970"),
        "{screen}"
    );
    key(&mut view, &targets, KeyCode::PageUp);
    let screen = drawn(&mut view, &targets, (100, 30), Charset::Unicode);
    assert!(
        screen.contains(selected(&view)) && selected(&view) < "t1000",
        "{screen}"
    );
}
