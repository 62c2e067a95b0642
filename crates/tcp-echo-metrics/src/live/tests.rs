//! The view without a terminal.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tcp_echo_prober::{
    ConnectFailure, DisconnectReason, Event, Observer, Sensor, Seq, Session, SessionConfig, Target,
    UnsentReason,
};

use super::draw::draw;
use super::keys::{After, press};
use super::log::Log;
use super::targets::{LiveSensor, LiveTargets};
use super::view::View;
use crate::report::Charset;

const SECOND: Duration = Duration::from_secs(1);

/// A target that lives by what it is told.
struct Told {
    sensor: LiveSensor,
    session: Session,
}

impl Told {
    fn new(targets: &LiveTargets, name: &str, port: u16) -> Self {
        let config = SessionConfig::new(SECOND, SECOND).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let target = Target::new(address.into(), config.clone()).named(name);
        Self {
            sensor: targets.attach(&target),
            session: Session::new(&config, Instant::now()),
        }
    }

    fn tell(&mut self, event: &Event) {
        self.sensor.on_event(event, &self.session);
    }

    fn connect(&mut self) {
        let address = ([127, 0, 0, 1], 4000).into();
        let event = self
            .session
            .handle_connected(Instant::now(), address, SECOND);
        self.tell(&event);
    }

    fn receive(&mut self, micros: u64) {
        self.tell(&Event::Received {
            seq: Seq(1),
            rtt: Duration::from_micros(micros),
            host_delay: None,
        });
    }

    fn lose(&mut self) {
        self.miss(UnsentReason::Disconnected);
    }

    fn miss(&mut self, reason: UnsentReason) {
        self.tell(&Event::Unsent { reason, slots: 1 });
    }
}

/// One of each state: down, silent, new, and two that are up.
fn some(targets: &LiveTargets) -> Vec<Told> {
    let names = ["slow", "new", "down", "silent", "fast"];
    let mut told: Vec<_> = (1..)
        .zip(names)
        .map(|(port, name)| Told::new(targets, name, port))
        .collect();
    for (target, micros) in [(0, 900), (3, 10), (4, 10)] {
        told[target].connect();
        told[target].receive(micros);
    }
    told[3].lose();
    told[2].tell(&Event::ConnectFailed {
        reason: ConnectFailure::Refused,
    });
    told
}

fn names(view: &View) -> Vec<&str> {
    view.rows.iter().map(|row| &*row.cell.name).collect()
}

fn chosen(view: &View) -> &str {
    view.chosen().map_or("", |row| &row.cell.name)
}

fn key(view: &mut View, targets: &LiveTargets, code: KeyCode) -> After {
    let after = press(view, KeyEvent::new(code, KeyModifiers::NONE));
    if after == After::Read {
        view.read(targets);
    }
    after
}

#[test]
fn the_worst_is_first_and_columns_sort() {
    let targets = LiveTargets::new();
    let _told = some(&targets);
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
fn what_this_host_missed_is_not_the_targets_fault() {
    for reason in [UnsentReason::Overrun, UnsentReason::Resources] {
        let targets = LiveTargets::new();
        let mut told = some(&targets);
        told[4].miss(reason);
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
fn the_chosen_one_stays_chosen_wherever_it_goes() {
    let targets = LiveTargets::new();
    let mut told = some(&targets);
    let mut view = View::new();
    view.read(&targets);
    key(&mut view, &targets, KeyCode::End);
    assert_eq!(chosen(&view), "fast");
    told[4].tell(&Event::Disconnected {
        reason: DisconnectReason::Eof,
    });
    told[4].session.handle_disconnected(DisconnectReason::Eof);
    told[4].lose();
    view.read(&targets);
    // It has replies to look at, and so comes before the one that has none.
    assert_eq!(names(&view)[..2], ["fast", "down"]);
    assert_eq!((chosen(&view), view.position()), ("fast", Some(0)));
    key(&mut view, &targets, KeyCode::Up);
    assert_eq!(chosen(&view), "fast");
    key(&mut view, &targets, KeyCode::Down);
    assert_eq!(chosen(&view), "down");
    // One that goes away leaves the choice to the first.
    told.remove(2);
    view.read(&targets);
    assert_eq!((chosen(&view), view.position()), ("fast", Some(0)));
}

#[test]
fn typing_filters_by_name_and_address() {
    let targets = LiveTargets::new();
    let _told = some(&targets);
    let mut view = View::new();
    view.read(&targets);
    for c in "/FAq".chars() {
        assert_ne!(key(&mut view, &targets, KeyCode::Char(c)), After::Quit);
    }
    assert!(names(&view).is_empty() && view.chosen().is_none());
    key(&mut view, &targets, KeyCode::Backspace);
    assert_eq!(names(&view), ["fast"]);
    key(&mut view, &targets, KeyCode::Enter);
    assert_eq!(key(&mut view, &targets, KeyCode::Esc), After::Read);
    assert_eq!(view.rows.len(), 5);
    for c in "/.1:2".chars() {
        key(&mut view, &targets, KeyCode::Char(c));
    }
    assert_eq!(names(&view), ["new"]);
    key(&mut view, &targets, KeyCode::Esc);
    assert_eq!(key(&mut view, &targets, KeyCode::Char('q')), After::Quit);
    let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(press(&mut view, control_c), After::Quit);
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
    let _told = some(&targets);
    let mut view = View::new();
    view.read(&targets);
    for width in [1, 2, 9, 79, 80, 99, 100, 101, 300] {
        for height in [1, 2, 3, 4, 15, 16, 17, 24, 100] {
            for charset in [Charset::Unicode, Charset::Ascii] {
                drawn(&mut view, &targets, (width, height), charset);
            }
        }
    }
}

#[test]
fn a_terminal_without_unicode_gets_ascii() {
    let targets = LiveTargets::new();
    let _told = some(&targets);
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
fn of_many_targets_the_chosen_one_is_in_sight() {
    let targets = LiveTargets::new();
    let told: Vec<_> = (1..=1000)
        .map(|n| {
            let mut told = Told::new(&targets, &format!("t{n:04}"), n);
            told.connect();
            told.receive(u64::from(n));
            told
        })
        .collect();
    assert_eq!(told.len(), 1000);
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
        screen.contains(chosen(&view)) && chosen(&view) < "t1000",
        "{screen}"
    );
}
