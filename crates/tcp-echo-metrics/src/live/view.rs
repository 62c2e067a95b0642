//! What is shown, chosen and sorted: the state of the view.

use std::sync::Arc;

use super::columns::{Column, Row};
use super::targets::{Cell, LiveTargets};

/// How many slots a column of the chart can stand for.
pub(super) const ZOOMS: [usize; 4] = [1, 2, 4, 8];

/// The state of the view.
#[derive(Debug)]
pub(super) struct View {
    /// The targets that the filter leaves, as they are sorted.
    pub(super) rows: Vec<Row>,
    /// How many targets there are.
    pub(super) total: usize,
    pub(super) sort: Column,
    pub(super) is_reversed: bool,
    pub(super) filter: String,
    pub(super) is_typing: bool,
    pub(super) pane: Pane,
    /// Which of [`ZOOMS`].
    pub(super) zoom: usize,
    /// The row at the top.
    pub(super) top: usize,
    /// How many rows there is room for, as of the last drawing.
    pub(super) page: usize,
    chosen: Option<Arc<Cell>>,
    scratch: Vec<f32>,
}

/// What stands beside the chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pane {
    /// What became of the chosen target's connection.
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
            chosen: None,
            scratch: Vec::new(),
        }
    }

    /// Reads all targets anew.
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

    /// Sorts the rows, and keeps the chosen one.
    pub(super) fn arrange(&mut self) {
        let (sort, is_reversed) = (self.sort, self.is_reversed);
        self.rows.sort_by(|a, b| {
            let order = sort.order(a, b);
            if is_reversed { order.reverse() } else { order }
        });
        if self.position().is_none() {
            self.choose(0);
        }
    }

    /// The chosen target, if there is any.
    pub(super) fn chosen(&self) -> Option<&Row> {
        self.rows.get(self.position()?)
    }

    /// In which row the chosen target is.
    pub(super) fn position(&self) -> Option<usize> {
        let chosen = self.chosen.as_ref()?;
        self.rows
            .iter()
            .position(|row| Arc::ptr_eq(&row.cell, chosen))
    }

    /// Chooses the target in that row, or in the last one.
    pub(super) fn choose(&mut self, row: usize) {
        let row = row.min(self.rows.len().saturating_sub(1));
        self.chosen = self.rows.get(row).map(|row| Arc::clone(&row.cell));
    }

    /// Chooses another one, so many rows further down or up.
    pub(super) fn step(&mut self, rows: isize) {
        let here = self.position().unwrap_or(0);
        self.choose(here.saturating_add_signed(rows));
    }

    /// Sets how many rows there is room for, and moves the chosen one into sight.
    pub(super) fn fit(&mut self, page: usize) {
        self.page = page.max(1);
        let chosen = self.position().unwrap_or(0);
        let last_top = self.rows.len().saturating_sub(self.page);
        self.top = self
            .top
            .clamp((chosen + 1).saturating_sub(self.page), chosen)
            .min(last_top);
    }
}
