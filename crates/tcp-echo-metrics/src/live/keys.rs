//! What keys do.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::view::{Pane, View, ZOOMS};

/// The keys, for the line at the bottom.
pub(super) const HELP: [(&str, &str); 8] = [
    ("q", "quit"),
    ("up/down", "choose"),
    ("/", "filter"),
    ("s", "sort"),
    ("r", "reverse"),
    ("z", "zoom"),
    ("l", "log"),
    ("home/end", "first/last"),
];

/// The same while a filter is typed.
pub(super) const TYPING: [(&str, &str); 3] =
    [("enter", "done"), ("esc", "no filter"), ("ctrl-u", "clear")];

/// What comes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// The view goes on.
    Stay,
    /// The same, with other targets in it.
    Read,
    /// The same, drawn anew on an empty screen.
    Clear,
    /// It ends.
    Quit,
}

/// Does what a key means.
pub(super) fn press(view: &mut View, key: KeyEvent) -> After {
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('c' | 'd') if is_control => After::Quit,
        KeyCode::Char('u') if is_control => filter(view, String::clear),
        KeyCode::Char('l') if is_control => After::Clear,
        KeyCode::Char(_) if is_control => After::Stay,
        KeyCode::Up => step(view, -1),
        KeyCode::Down => step(view, 1),
        KeyCode::PageUp => step(view, -view.page.cast_signed()),
        KeyCode::PageDown => step(view, view.page.cast_signed()),
        KeyCode::Home => step(view, isize::MIN),
        KeyCode::End => step(view, isize::MAX),
        code if view.is_typing => type_in(view, code),
        code => command(view, code),
    }
}

fn type_in(view: &mut View, code: KeyCode) -> After {
    match code {
        KeyCode::Enter => {
            view.is_typing = false;
            After::Stay
        }
        KeyCode::Esc => {
            view.is_typing = false;
            filter(view, String::clear)
        }
        KeyCode::Backspace => filter(view, |text| {
            text.pop();
        }),
        KeyCode::Char(c) if !c.is_control() => filter(view, |text| text.push(c)),
        _ => After::Stay,
    }
}

fn command(view: &mut View, code: KeyCode) -> After {
    match code {
        KeyCode::Char('q') => return After::Quit,
        KeyCode::Esc if view.filter.is_empty() => return After::Quit,
        KeyCode::Esc => return filter(view, String::clear),
        KeyCode::Char('/') => view.is_typing = true,
        KeyCode::Char('k') => return step(view, -1),
        KeyCode::Char('j') => return step(view, 1),
        KeyCode::Char('s') => sort(view, |view| view.sort = view.sort.next()),
        KeyCode::Char('S') => sort(view, |view| view.sort = view.sort.previous()),
        KeyCode::Char('r') => sort(view, |view| view.is_reversed = !view.is_reversed),
        KeyCode::Char('z') => view.zoom = (view.zoom + 1) % ZOOMS.len(),
        KeyCode::Char('l') | KeyCode::Tab => {
            view.pane = match view.pane {
                Pane::Changes => Pane::Log,
                Pane::Log => Pane::Changes,
            };
        }
        _ => {}
    }
    After::Stay
}

/// Sorts in another way, and shows what is first then.
fn sort(view: &mut View, change: impl FnOnce(&mut View)) {
    change(view);
    view.arrange();
    view.choose(0);
}

fn step(view: &mut View, rows: isize) -> After {
    view.step(rows);
    After::Stay
}

fn filter(view: &mut View, change: impl FnOnce(&mut String)) -> After {
    change(&mut view.filter);
    After::Read
}
