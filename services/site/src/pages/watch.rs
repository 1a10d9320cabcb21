//! Each request as a span and in a metric. What a browser says of a trace is not believed: it begins here.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use livehouse_contract::metric;
use livehouse_platform::telemetry::{self, label};
use tracing::Instrument as _;
use tracing::field::Empty;

/// Answers a request, watched.
pub(super) async fn watch(request: Request, next: Next) -> Response {
    let began = Instant::now();
    // Not the address itself: whoever asks would make as many series as they like.
    let route = match request.extensions().get::<MatchedPath>() {
        Some(matched) => matched.as_str().to_owned(),
        None => "none".to_owned(),
    };
    let method = match *request.method() {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        _ => "_OTHER",
    };
    let span = tracing::debug_span!(
        parent: None, "request", otel.name = format!("{method} {route}"), otel.kind = "server",
        http.request.method = method, http.route = route, http.response.status_code = Empty, otel.status_code = Empty,
        trace_id = Empty,
    );
    let response = next.run(request).instrument(telemetry::identified(span.clone())).await;
    let status = i64::from(response.status().as_u16());
    span.record("http.response.status_code", status);
    if response.status().is_server_error() {
        span.record("otel.status_code", "error");
    }
    let labels = [
        label("http.request.method", method),
        label("http.route", route),
        label("http.response.status_code", status),
    ];
    telemetry::record(&metric::HTTP_DURATION, began.elapsed().as_secs_f64(), &labels);
    response
}
