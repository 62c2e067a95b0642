//! The event stream that updates open pages.
//!
//! One task makes a view every two seconds while a page is open. All streams share the view and
//! its formatted rows. A stream sends the changes of the rows that its page shows. It has no
//! queue: a slow reader skips views. Each stream ends after a while and the browser reconnects,
//! so a client that is gone holds its place no longer than that.

use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::{
    body::{Body, Bytes},
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_core::Stream;
use serde::Serialize;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{MissedTickBehavior, interval, timeout_at},
};

use super::{
    history::History,
    query::TargetsQuery,
    view::{Health, Row, View},
};

mod viewers;

use viewers::{Viewer, Viewers};

/// How often pages are updated.
const UPDATE_INTERVAL: Duration = Duration::from_secs(2);

/// The maximum number of streams.
const MAX_STREAMS: usize = 32;

/// The maximum age of a stream.
const MAX_STREAM_AGE: Duration = Duration::from_secs(50);

/// How long before its connection closes a stream ends, so that no event is cut off.
const CLOSE_MARGIN: Duration = Duration::from_secs(1);

/// The views, and the streams that send them.
#[derive(Debug)]
pub(crate) struct EventStreams {
    views: watch::Sender<Option<Arc<View>>>,
    viewers: Viewers,
    task: Option<JoinHandle<()>>,
}

impl Drop for EventStreams {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl EventStreams {
    /// Starts the task, which ends when this is dropped. Without a runtime there is none.
    pub(crate) fn start(history: Arc<History>) -> Self {
        let (views, _) = watch::channel(None);
        let runtime = tokio::runtime::Handle::try_current();
        let task = runtime.map(|runtime| runtime.spawn(run(history, views.clone())));
        Self {
            views,
            viewers: Viewers::new(MAX_STREAMS),
            task: task.ok(),
        }
    }

    /// Returns a response with the stream of `query` for `client`, on a connection that closes
    /// at `closes_at`.
    pub(crate) fn stream(
        &self,
        query: TargetsQuery,
        client: Option<IpAddr>,
        closes_at: Option<Instant>,
    ) -> Response {
        let (sender, receiver) = mpsc::channel(1);
        let latest_end = Instant::now() + MAX_STREAM_AGE;
        let end = closes_at
            .and_then(|closes_at| closes_at.checked_sub(CLOSE_MARGIN))
            .map_or(latest_end, |closes_at| closes_at.min(latest_end));
        let views = self.views.subscribe();
        let start = || tokio::spawn(send_updates(views, query, sender, end));
        let Some(viewer) = self.viewers.admit(client, start) else {
            let retry = [(header::RETRY_AFTER, HeaderValue::from_static("10"))];
            return (StatusCode::SERVICE_UNAVAILABLE, retry, "too many viewers\n").into_response();
        };
        let body = Body::from_stream(Events {
            receiver,
            _viewer: viewer,
        });
        let headers = [
            (header::CONTENT_TYPE, "text/event-stream"),
            // Otherwise nginx buffers events until its buffer is full (ngx_http_proxy_module,
            // `proxy_buffering`).
            (HeaderName::from_static("x-accel-buffering"), "no"),
        ];
        (headers, body).into_response()
    }
}

/// Advances the history, and makes views while a page is open.
async fn run(history: Arc<History>, views: watch::Sender<Option<Arc<View>>>) {
    let mut ticks = interval(UPDATE_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let now = ticks.tick().await;
        let watched = views.receiver_count() > 0;
        if !watched {
            // The next page must not start from an old view.
            views.send_if_modified(|view| {
                *view = None;
                false
            });
            if !history.is_due(now.into_std()) {
                continue;
            }
        }
        let history = Arc::clone(&history);
        let created_at = tokio::task::spawn_blocking(move || {
            if watched {
                return Some(Arc::new(View::of(&history)));
            }
            history.advance(Instant::now());
            None
        });
        if let Ok(Some(view)) = created_at.await {
            views.send_replace(Some(view));
        }
    }
}

/// Sends changes until the page is closed or the stream reaches its maximum age.
async fn send_updates(
    mut views: watch::Receiver<Option<Arc<View>>>,
    query: TargetsQuery,
    sender: mpsc::Sender<Bytes>,
    end: Instant,
) {
    let _ = timeout_at(end.into(), async {
        let retry = Bytes::from_static(b"retry: 1000\n\n");
        if sender.send(retry).await.is_err() {
            return;
        }
        views.mark_changed();
        let mut page = PageState::default();
        while views.changed().await.is_ok() {
            let view = views.borrow_and_update().clone();
            let Some(view) = view.filter(|view| view.created_at.elapsed() < 2 * UPDATE_INTERVAL)
            else {
                continue;
            };
            // Reserve first: a view becomes an event only after the previous event was taken.
            let Ok(place) = sender.reserve().await else {
                return;
            };
            if let Ok(event) = page.update(&view, &query) {
                place.send(event);
            }
        }
    })
    .await;
}

/// The events of one stream. Its task ends when this is dropped.
struct Events {
    receiver: mpsc::Receiver<Bytes>,
    _viewer: Viewer,
}

impl Stream for Events {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.receiver.poll_recv(context).map(|next| next.map(Ok))
    }
}

/// What was sent to a page.
#[derive(Default)]
struct PageState {
    /// The ids of the rows, from top to bottom.
    order: Vec<u32>,
    /// The view of the last event.
    view: Option<Arc<View>>,
}

/// The data of an event.
#[derive(Serialize)]
struct Update<'a> {
    /// The number of targets by [`Health`].
    tally: HashMap<&'static str, usize>,
    matched: usize,
    /// The ids of all rows from top to bottom, if they changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<&'a [u32]>,
    rows: Vec<RowChange<'a>>,
}

/// Name, address and labels.
type RowHead<'a> = (&'a str, &'a str, &'a [(String, String)]);

/// The changes of a row.
#[derive(Serialize)]
struct RowChange<'a> {
    id: u32,
    health: &'static str,
    cells: [&'a str; 4],
    #[serde(skip_serializing_if = "Option::is_none")]
    spark: Option<[&'a str; 2]>,
    /// What never changes of a row; only for rows that are new to the page.
    #[serde(skip_serializing_if = "Option::is_none")]
    head: Option<RowHead<'a>>,
}

impl PageState {
    fn update(&mut self, view: &Arc<View>, query: &TargetsQuery) -> serde_json::Result<Bytes> {
        let (rows, matched) = view.select(query);
        let order: Vec<u32> = rows.iter().map(|row| row.id).collect();
        let page: HashSet<u32> = self.order.iter().copied().collect();
        let before: HashMap<u32, &Row> = self
            .view
            .iter()
            .flat_map(|view| &view.rows)
            .filter(|row| page.contains(&row.id))
            .map(|row| (row.id, row))
            .collect();
        let changes = rows
            .iter()
            .filter_map(|row| change(before.get(&row.id).copied(), row));
        let update = Update {
            tally: Health::ALL
                .map(Health::as_str)
                .into_iter()
                .zip(view.count_by_health())
                .collect(),
            matched,
            order: (order != self.order).then_some(&order),
            rows: changes.collect(),
        };
        let mut event = b"data: ".to_vec();
        serde_json::to_writer(&mut event, &update)?;
        event.extend(b"\n\n");
        self.view = Some(Arc::clone(view));
        self.order = order;
        Ok(event.into())
    }
}

/// Returns what changed of a row since it was last sent.
fn change<'a>(before: Option<&Row>, row: &'a Row) -> Option<RowChange<'a>> {
    let cells = row.cells();
    let old = before.map(Row::cells);
    if before.is_some_and(|before| before.health == row.health) && old == Some(cells) {
        return None;
    }
    let spark = old.is_none_or(|old| old.spark != cells.spark);
    Some(RowChange {
        id: row.id,
        health: row.health.as_str(),
        cells: [&cells.rtt, &cells.p50, &cells.p99, &cells.loss],
        spark: spark.then_some([&cells.spark.line, &cells.spark.loss]),
        head: before
            .is_none()
            .then_some((&row.name, &row.address, &row.labels)),
    })
}

#[cfg(test)]
mod tests;
