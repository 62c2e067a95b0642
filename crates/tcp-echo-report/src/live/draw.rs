//! Draws the screen: the table of targets, the chart of the selected one, the events of its
//! connection or the log, and the keys.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::border;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, Paragraph, Row as TableRow, Table};
use tcp_echo_prober::{Direction, Event};

use super::chart::Chart;
use super::columns::{Column, Row, State};
use super::keys;
use super::log::Log;
use super::targets::{Change, LiveTargets, Sample};
use super::view::{Pane, View, ZOOMS};
use crate::format::{Charset, short};

/// Screens below this height show the table only.
const MIN_HEIGHT: u16 = 16;
/// Screens below this width show fewer columns, and nothing beside the chart.
const MIN_WIDTH: u16 = 100;
/// Screens of this width show packet loss by direction, too.
const ALL_WIDTH: u16 = 125;

/// The lines of a table besides its rows: two borders and the header.
const FRAME_LINES: usize = 3;

/// Borders for terminals without Unicode.
const ASCII: border::Set<'_> = border::Set {
    top_left: "+",
    top_right: "+",
    bottom_left: "+",
    bottom_right: "+",
    vertical_left: "|",
    vertical_right: "|",
    horizontal_top: "-",
    horizontal_bottom: "-",
};

/// Draws the whole screen.
pub(super) fn draw(
    frame: &mut Frame<'_>,
    view: &mut View,
    targets: &LiveTargets,
    log: &Log,
    charset: Charset,
) {
    let area = frame.area();
    // The chart gets the lines that the table of all targets leaves.
    let left = usize::from(area.height).saturating_sub(1 + FRAME_LINES + view.total);
    let left = u16::try_from(left).unwrap_or(0);
    let details = if area.height < MIN_HEIGHT {
        0
    } else {
        left.max(area.height * 2 / 5)
    };
    let [table, details, footer] = Layout::vertical([
        Constraint::Min(1),
        Constraint::Length(details),
        Constraint::Length(1),
    ])
    .areas(area);
    draw_table(frame, table, view, charset);
    if details.height > 0 {
        draw_details(frame, details, view, targets, log, charset);
    }
    frame.render_widget(Paragraph::new(footer_line(view, area.width)), footer);
}

fn block(charset: Charset) -> Block<'static> {
    let block = Block::bordered().border_style(Style::new().fg(Color::DarkGray));
    match charset {
        Charset::Unicode => block,
        Charset::Ascii => block.border_set(ASCII),
    }
}

fn columns(width: u16) -> &'static [(Column, Constraint)] {
    use Column::{
        Last, Late, Loss, LostBack, LostThere, Name, P50, P99, Received, Sent, Timeouts, Worst,
    };
    use Constraint::{Fill, Length};
    const WIDE: [(Column, Constraint); 10] = [
        (Name, Fill(1)),
        (Worst, Length(11)),
        (Last, Length(7)),
        (P50, Length(7)),
        (P99, Length(7)),
        (Loss, Length(6)),
        (Sent, Length(10)),
        (Received, Length(10)),
        (Timeouts, Length(9)),
        (Late, Length(7)),
    ];
    const WIDEST: [(Column, Constraint); 12] = [
        WIDE[0],
        WIDE[1],
        WIDE[2],
        WIDE[3],
        WIDE[4],
        WIDE[5],
        (LostThere, Length(12)),
        (LostBack, Length(11)),
        WIDE[6],
        WIDE[7],
        WIDE[8],
        WIDE[9],
    ];
    const NARROW: [(Column, Constraint); 8] = [
        WIDE[0],
        WIDE[1],
        WIDE[2],
        WIDE[3],
        WIDE[4],
        WIDE[5],
        (Received, Length(9)),
        WIDE[8],
    ];
    match width {
        0..MIN_WIDTH => &NARROW,
        MIN_WIDTH..ALL_WIDTH => &WIDE,
        ALL_WIDTH.. => &WIDEST,
    }
}

fn draw_table(frame: &mut Frame<'_>, area: Rect, view: &mut View, charset: Charset) {
    let columns = columns(area.width);
    view.fit(usize::from(area.height).saturating_sub(FRAME_LINES));
    let header = columns.iter().map(|(column, _)| {
        let is_sorted = *column == view.sort;
        let arrow = match (is_sorted, view.is_reversed) {
            (false, _) => "",
            (true, false) => " v",
            (true, true) => " ^",
        };
        let title = format!("{}{arrow}", column.title());
        cell(*column, title).style(Style::new().add_modifier(Modifier::BOLD))
    });
    let selected = view.position();
    let rows = view.rows.iter().enumerate().skip(view.top).take(view.page);
    let rows = rows.map(|(number, row)| {
        let cells = columns.iter().map(|(column, _)| {
            cell(*column, row.text(*column, charset)).style(color(row, *column))
        });
        let style = Style::new();
        TableRow::new(cells.collect::<Vec<_>>()).style(if Some(number) == selected {
            style.add_modifier(Modifier::REVERSED)
        } else {
            style
        })
    });
    let block = block(charset).title(title(view));
    let table = Table::new(rows, columns.iter().map(|(_, width)| *width))
        .header(TableRow::new(header.collect::<Vec<_>>()))
        .block(block);
    frame.render_widget(table, area);
}

fn title(view: &View) -> String {
    let shown = view.rows.len();
    let targets = if view.filter.is_empty() {
        format!("{shown} targets")
    } else {
        format!("{shown} of {} targets", view.total)
    };
    let by = match view.sort {
        Column::Worst => "worst first".to_owned(),
        column => format!("by {}", column.title()),
    };
    let reversed = if view.is_reversed { ", reversed" } else { "" };
    format!(" {targets}, {by}{reversed} ")
}

fn cell(column: Column, text: String) -> Cell<'static> {
    let line = Line::raw(text);
    Cell::new(match column {
        Column::Name | Column::Worst => line,
        _ => line.right_aligned(),
    })
}

fn color(row: &Row, column: Column) -> Style {
    match column {
        Column::Worst => match row.state {
            State::Down(_) => Style::new().fg(Color::Red),
            State::Silent => Style::new().fg(Color::Yellow),
            State::Missed => Style::new().fg(Color::Magenta),
            State::Departed | State::New => Style::new(),
            State::Up => Style::new().fg(Color::Green),
        },
        Column::Loss if row.loss_ratio > 0.0 => Style::new().fg(Color::Red),
        Column::LostThere if row.packet_loss(Direction::Forward) > Some(0.0) => {
            Style::new().fg(Color::Red)
        }
        Column::LostBack if row.packet_loss(Direction::Reverse) > Some(0.0) => {
            Style::new().fg(Color::Red)
        }
        _ => Style::new(),
    }
}

fn draw_details(
    frame: &mut Frame<'_>,
    area: Rect,
    view: &View,
    targets: &LiveTargets,
    log: &Log,
    charset: Charset,
) {
    let is_log = view.pane == Pane::Log;
    let widths = match (area.width < MIN_WIDTH, is_log) {
        (true, true) => [Constraint::Length(0), Constraint::Min(0)],
        (true, false) => [Constraint::Min(0), Constraint::Length(0)],
        (false, _) => [Constraint::Fill(3), Constraint::Fill(2)],
    };
    let [left, right] = Layout::horizontal(widths).areas(area);
    let room = usize::from(area.height.saturating_sub(2));
    let now = targets.now();
    let mut changes = Vec::new();
    if let Some(row) = view.selected() {
        let data = row.cell.lock();
        let samples: Vec<Sample> = data.samples.iter().rev().copied().collect();
        let skipped = data.changes.len().saturating_sub(room);
        changes.extend(data.changes.iter().skip(skipped).cloned());
        let jitter = Duration::try_from_secs_f64(data.jitter_seconds).unwrap_or_default();
        let missed = match data.counts.missed() {
            0 => String::new(),
            missed => format!(", host missed {missed} slots"),
        };
        drop(data);
        let title = format!(
            " {} {}, jitter {}{missed} ",
            row.cell.name,
            if row.cell.name == row.cell.address {
                ""
            } else {
                &row.cell.address
            },
            short(jitter, charset)
        );
        let block = block(charset).title(title.replace(" , ", ", "));
        let inner = block.inner(left);
        frame.render_widget(block, left);
        let zoom = ZOOMS[view.zoom];
        frame.render_widget(
            Chart {
                samples: &samples,
                zoom,
                now,
                charset,
            },
            inner,
        );
    }
    let (title, lines): (_, Vec<_>) = if is_log {
        (" log ", log.last(room))
    } else {
        let lines = changes.iter().map(|change| describe(change, now, charset));
        (" connection ", lines.collect())
    };
    let lines = lines.into_iter().map(Line::raw).collect::<Vec<_>>();
    frame.render_widget(
        Paragraph::new(lines).block(block(charset).title(title)),
        right,
    );
}

/// An event of the connection, and its age.
fn describe(change: &Change, now: f64, charset: Charset) -> String {
    let text = match &change.event {
        Event::Connected { address, handshake } => {
            format!("connected to {address} in {}", short(*handshake, charset))
        }
        Event::ConnectFailed { reason } => format!("cannot connect: {reason}"),
        Event::Disconnected { reason } => format!("disconnected: {reason}"),
        Event::Departed => "departed".to_owned(),
        Event::SoftError => "unreachable, says a router, but connected".to_owned(),
        _ => String::new(),
    };
    format!("{:>7.1}s ago  {text}", (now - change.at).max(0.0))
}

fn footer_line(view: &View, width: u16) -> Line<'static> {
    let keys: &[(&str, &str)] = if view.is_typing {
        &keys::TYPING
    } else {
        &keys::HELP
    };
    let mut spans = Vec::new();
    if view.is_typing || !view.filter.is_empty() {
        let cursor = if view.is_typing { "_" } else { "" };
        let style = Style::new().fg(Color::Yellow);
        spans.push(Span::styled(format!("/{}{cursor}  ", view.filter), style));
    }
    let mut line = Line::from(spans);
    for (key, meaning) in keys {
        let bold = Style::new().add_modifier(Modifier::BOLD);
        let (key, meaning) = (Span::styled(*key, bold), Span::raw(format!(" {meaning}  ")));
        // Keys are omitted rather than truncated.
        if line.width() + key.width() + meaning.width() > usize::from(width) + 2 {
            break;
        }
        line.push_span(key);
        line.push_span(meaning);
    }
    line
}
