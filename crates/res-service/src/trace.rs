//! W3C trace context: taken from the headers of a request, and put into the headers of what its handler causes.

use std::future::Future;
use std::sync::Arc;

use async_nats::HeaderMap;
use futures::FutureExt;

use crate::middleware::Request;
use crate::resource::Handler;

const PARENT: &str = "traceparent";
const STATE: &str = "tracestate";

tokio::task_local! {
    static CURRENT: TraceContext;
}

/// To which trace something belongs, as the headers `traceparent` and `tracestate` say it.
///
/// What a handler publishes carries the context of its request, and so do the changes that its refreshes lead to. What
/// happens elsewhere, e.g. in a task that reads an outbox, can be given one with [`TraceContext::scope`].
///
/// ```
/// use res_service::TraceContext;
///
/// let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
/// assert_eq!(TraceContext::new(text, None).map(|context| context.parent().to_owned()).as_deref(), Some(text));
/// assert_eq!(TraceContext::new("not a context", None), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    parent: Arc<str>,
    state: Option<Arc<str>>,
}

impl TraceContext {
    /// A context from the values of the two headers; `None` if `traceparent` is not one (a version, a trace id, a span
    /// id and flags, in lower-case hexadecimal, neither id zero). A `tracestate` that no header could hold is left out.
    pub fn new(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        let hexadecimal = |text: &str, length: usize| {
            text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let mut parts = traceparent.split('-');
        let version = parts.next().filter(|version| hexadecimal(version, 2) && *version != "ff")?;
        let ids = [parts.next()?, parts.next()?];
        let good = hexadecimal(ids[0], 32)
            && hexadecimal(ids[1], 16)
            && ids.iter().all(|id| id.bytes().any(|byte| byte != b'0'))
            && parts.next().is_some_and(|flags| hexadecimal(flags, 2))
            // Later versions may say more.
            && (version != "00" || parts.next().is_none())
            && traceparent.len() <= 512
            && traceparent.bytes().all(|byte| byte.is_ascii_graphic());
        let state = tracestate.filter(|state| {
            state.len() <= 4096 && state.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
        });
        good.then(|| Self { parent: traceparent.into(), state: state.map(Into::into) })
    }

    /// The context of the request whose handler runs, or of the [`TraceContext::scope`] around this.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// Makes this the current context of a future.
    pub fn scope<F: Future>(self, future: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, future)
    }

    /// Makes this the current context of what does not wait.
    pub(crate) fn sync_scope<T>(self, function: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(self, function)
    }

    /// The value of `traceparent`.
    pub fn parent(&self) -> &str {
        &self.parent
    }

    /// The value of `tracestate`.
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let value = |name| headers.get(name).map(async_nats::HeaderValue::as_str);
        Self::new(value(PARENT)?, value(STATE))
    }

    /// At most so many bytes of a message are taken by the headers.
    pub(crate) fn wire_bytes(&self) -> usize {
        64 + self.parent.len() + self.state.as_ref().map_or(0, |state| state.len())
    }

    pub(crate) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(PARENT, &*self.parent);
        if let Some(state) = &self.state {
            headers.insert(STATE, &**state);
        }
        headers
    }
}

/// Runs a future in a context, if there is one.
pub(crate) async fn within<F: Future>(context: Option<TraceContext>, future: F) -> F::Output {
    match context {
        None => future.await,
        Some(context) => context.scope(future).await,
    }
}

/// A handler that runs in the context of its request.
pub(crate) fn traced<R: Request>(handler: Handler<R, R::Answer>) -> Handler<R, R::Answer> {
    Arc::new(move |request: R| match request.trace_context() {
        None => handler(request),
        Some(context) => {
            let handler = Arc::clone(&handler);
            // What a handler does before its first future belongs to the trace, too.
            context.scope(async move { handler(request).await }).boxed()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_recommendation_allows_is_a_context() {
        let trace = "0af7651916cd43dd8448eb211c80319c";
        let span = "b7ad6b7169203331";
        for (text, good) in [
            (format!("00-{trace}-{span}-01"), true),
            (format!("01-{trace}-{span}-01-later"), true),
            (format!("00-{trace}-{span}-01-later"), false),
            (format!("ff-{trace}-{span}-01"), false),
            (format!("00-{}-{span}-01", "0".repeat(32)), false),
            (format!("00-{trace}-{}-01", "0".repeat(16)), false),
            (format!("00-{}-{span}-01", trace.to_uppercase()), false),
            (format!("00-{trace}-{span}"), false),
            (format!("01-{trace}-{span}-01-\r\nx: y"), false),
            (String::new(), false),
        ] {
            assert_eq!(TraceContext::new(&text, None).is_some(), good, "{text:?}");
        }
        let kept =
            TraceContext::new(&format!("00-{trace}-{span}-00"), Some("a=1\r\nb: 2")).expect("a context");
        assert_eq!(kept.state(), None, "a state that would end the header is left out");
    }
}
