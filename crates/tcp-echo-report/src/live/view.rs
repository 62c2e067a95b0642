//! The state of the view: filter, order and selection.

use std::sync::Arc;

use super::columns::{Column, Row};
use super::targets::{Cell, LiveTargets};

/// The number of slots per column of the chart.
pub(super) const ZOOMS: [usize; 4] = [1, 2, 4, 8];

/// The state of the view.
#[derive(Debug)]
pub(super) struct View {
    /// The targets that match the filter, sorted.
    pub(super) rows: Vec<Row>,
    /// The number of all targets.
    pub(super) total: usize,
    pub(super) sort: Column,
    pub(super) is_reversed: bool,
    pub(super) filter: String,
    pub(super) is_typing: bool,
    pub(super) pane: Pane,
    /// An index of [`ZOOMS`].
    pub(super) zoom: usize,
    /// The first visible row.
    pub(super) top: usize,
    /// The number of visible rows, at the last drawing.
    pub(super) page: usize,
    selected: Option<Arc<Cell>>,
    scratch: Vec<f32>,
}

/// The pane beside the chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pane {
    /// The events of the selected target's connection.
    Changes,
    /// The log.
    Log,
}

impl View {
    pub(super) fn new() -> Self {
        Self {
            rows: Vec::new(),
            total: 0,
            sort: Column::Worst,
            is_reversed: false,
            filter: String::new(),
            is_typing: false,
            pane: Pane::Changes,
            zoom: 0,
            top: 0,
            page: 1,
            selected: None,
            scratch: Vec::new(),
        }
    }

    /// Reads all targets.
    pub(super) fn read(&mut self, targets: &LiveTargets) {
        let cells = targets.cells();
        self.total = cells.len();
        let filter = self.filter.to_lowercase();
        let passes = |text: &str| text.to_lowercase().contains(&filter);
        self.rows.clear();
        for cell in &cells {
            if filter.is_empty() || passes(&cell.name) || passes(&cell.address) {
                self.rows.push(Row::new(cell, &mut self.scratch));
            }
        }
        self.arrange();
    }

    /// Sorts the rows, and keeps the selection.
    pub(super) fn arrange(&mut self) {
        let (sort, is_reversed) = (self.sort, self.is_reversed);
        self.rows.sort_by(|a, b| {
            let order = sort.order(a, b);
            if is_reversed { order.reverse() } else { order }
        });
        if self.position().is_none() {
            self.select(0);
        }
    }

    /// The selected target, if there is one.
    pub(super) fn selected(&self) -> Option<&Row> {
        self.rows.get(self.position()?)
    }

    /// The row of the selected target.
    pub(super) fn position(&self) -> Option<usize> {
        let selected = self.selected.as_ref()?;
        self.rows
            .iter()
            .position(|row| Arc::ptr_eq(&row.cell, selected))
    }

    /// Selects the target in that row, or in the last one.
    pub(super) fn select(&mut self, row: usize) {
        let row = row.min(self.rows.len().saturating_sub(1));
        self.selected = self.rows.get(row).map(|row| Arc::clone(&row.cell));
    }

    /// Moves the selection down, or up if negative.
    pub(super) fn step(&mut self, rows: isize) {
        let here = self.position().unwrap_or(0);
        self.select(here.saturating_add_signed(rows));
    }

    /// Sets the number of visible rows, and scrolls to the selected one.
    pub(super) fn fit(&mut self, page: usize) {
        self.page = page.max(1);
        let selected = self.position().unwrap_or(0);
        let last_top = self.rows.len().saturating_sub(self.page);
        self.top = self
            .top
            .clamp((selected + 1).saturating_sub(self.page), selected)
            .min(last_top);
    }
}
