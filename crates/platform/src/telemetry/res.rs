//! A RES service that is watched: how long its handlers take, and to which trace what they do belongs.

use std::future::Future;

use livehouse_contract::metric;
use res_service::{Access, Auth, Builder, Call, Error, Get, Handled, Next, Request};
use tracing::Instrument as _;
use tracing::field::Empty;

use super::metrics::{label, record};
use super::traces;

/// The service with its handlers watched. The library itself makes a span for every request.
#[must_use]
pub fn watched(builder: Builder) -> Builder {
    let builder = builder.observe(note);
    if !super::sends_lines() {
        return builder;
    }
    builder.around(within::<Get>).around(within::<Access>).around(within::<Call>).around(within::<Auth>)
}

fn note(handled: &Handled<'_>) {
    let method = match handled.method {
        Some(method) => format!("{} {}/{method}", handled.kind, handled.pattern),
        None => format!("{} {}", handled.kind, handled.pattern),
    };
    let mut labels = vec![label("rpc.system.name", "res"), label("rpc.method", method)];
    if let Err(error) = handled.outcome {
        labels.push(label("error.type", error.code().to_owned()));
    }
    record(&metric::RPC_DURATION, handled.elapsed.as_secs_f64(), &labels);
}

/// Handles a request in a span that says the trace's id in a field, for lines that are sent with the fields of their spans.
fn within<R: Request>(
    request: R,
    next: Next<R>,
) -> impl Future<Output = Result<R::Answer, Error>> + Send + 'static {
    let span = traces::identified(tracing::debug_span!("handle", trace_id = Empty));
    next.run(request).instrument(span)
}
