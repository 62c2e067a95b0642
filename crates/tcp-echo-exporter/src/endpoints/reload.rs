//! `/-/reload`: loading the configuration again.

use std::{error::Error, sync::Arc};

use axum::{
    Router,
    extract::State,
    http::{Extensions, HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::post,
};

use super::lifecycle::Lifecycle;

/// Why a reload failed.
pub type ReloadError = Box<dyn Error + Send + Sync>;

/// Loads the configuration again. It may block.
pub(super) type ReloadHook = dyn Fn() -> Result<(), ReloadError> + Send + Sync;

#[derive(Clone)]
struct AppState {
    reload: Option<Arc<ReloadHook>>,
    lifecycle: Lifecycle,
}

pub(super) fn routes(reload: Option<Arc<ReloadHook>>, lifecycle: Lifecycle) -> Router {
    Router::new()
        .route("/-/reload", post(handle))
        .with_state(AppState { reload, lifecycle })
}

async fn handle(
    State(state): State<AppState>,
    headers: HeaderMap,
    extensions: Extensions,
) -> Response {
    if let Some(refusal) = state.lifecycle.refusal(&headers, &extensions) {
        return refusal;
    }
    let Some(reload) = state.reload else {
        return "nothing to reload\n".into_response();
    };
    let failure = match tokio::task::spawn_blocking(move || reload()).await {
        Ok(Ok(())) => return "reloaded\n".into_response(),
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    let body = format!("reload failed: {failure}\n");
    (StatusCode::INTERNAL_SERVER_ERROR, body).into_response()
}
