//! Responses in the exposition formats.

pub(crate) mod collect;
pub(crate) mod negotiate;

use std::io::Write;

use axum::{http::header, response::Response};

use crate::{
    encoding::{
        encoder::{Collector, Encoder},
        format::Format,
        global_labels::GlobalLabels,
    },
    http::{
        client::Client,
        renderer::{Renderer, set_header},
    },
};

/// Renders `collectors`, with `labels` in every series, in the format that the client prefers.
pub(crate) async fn respond<C>(
    renderer: &Renderer,
    client: &Client,
    labels: GlobalLabels,
    collectors: impl FnOnce(Format) -> C + Send + 'static,
) -> Response
where
    C: IntoIterator<Item = Box<dyn Collector>>,
{
    let format = negotiate::format(&client.headers);
    let render = move |out: &mut dyn Write| {
        let mut encoder = Encoder::new(format, labels, out);
        for collector in collectors(format) {
            collector.encode(&mut encoder)?;
        }
        encoder.finish()
    };
    let mut response = renderer.render(client, render).await;
    set_header(&mut response, header::CONTENT_TYPE, format.content_type());
    set_header(&mut response, header::VARY, "Accept, Accept-Encoding");
    response
}
