//! The actions of keys.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::view::{Pane, View, ZOOMS};

/// The keys, for the footer.
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

/// The keys while typing a filter, for the footer.
pub(super) const TYPING: [(&str, &str); 3] =
    [("enter", "done"), ("esc", "no filter"), ("ctrl-u", "clear")];

/// The effect of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// None beyond the view's state.
    Stay,
    /// Read the targets again.
    Read,
    /// Clear the screen and redraw it.
    Clear,
    /// Leave the view.
    Quit,
}

/// Handles a key.
pub(super) fn press(view: &mut View, key: KeyEvent) -> Effect {
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('c' | 'd') if is_control => Effect::Quit,
        KeyCode::Char('u') if is_control => filter(view, String::clear),
        KeyCode::Char('l') if is_control => Effect::Clear,
        KeyCode::Char(_) if is_control => Effect::Stay,
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

fn type_in(view: &mut View, code: KeyCode) -> Effect {
    match code {
        KeyCode::Enter => {
            view.is_typing = false;
            Effect::Stay
        }
        KeyCode::Esc => {
            view.is_typing = false;
            filter(view, String::clear)
        }
        KeyCode::Backspace => filter(view, |text| {
            text.pop();
        }),
        KeyCode::Char(c) if !c.is_control() => filter(view, |text| text.push(c)),
        _ => Effect::Stay,
    }
}

fn command(view: &mut View, code: KeyCode) -> Effect {
    match code {
        KeyCode::Char('q') => return Effect::Quit,
        KeyCode::Esc if view.filter.is_empty() => return Effect::Quit,
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
    Effect::Stay
}

/// Changes the order, and selects the first row.
fn sort(view: &mut View, change: impl FnOnce(&mut View)) {
    change(view);
    view.arrange();
    view.select(0);
}

fn step(view: &mut View, rows: isize) -> Effect {
    view.step(rows);
    Effect::Stay
}

fn filter(view: &mut View, change: impl FnOnce(&mut String)) -> Effect {
    change(&mut view.filter);
    Effect::Read
}
