//! Telling of every handler that has ended, for metrics.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::time::Instant;

use crate::error::Error;
use crate::middleware::Request;
use crate::resource::Handler;

/// The kinds of requests a handler can be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RequestKind {
    /// [`Get`](crate::Get): of a gateway, of a query change, or to find out what a refresh has to tell.
    Get,
    /// [`Access`](crate::Access).
    Access,
    /// [`Call`](crate::Call).
    Call,
    /// [`Auth`](crate::Auth).
    Auth,
}

impl RequestKind {
    /// The name that the protocol has for it: `get`, `access`, `call` or `auth`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Access => "access",
            Self::Call => "call",
            Self::Auth => "auth",
        }
    }
}

impl fmt::Display for RequestKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A handler that has ended. There are only as many different `kind`s, `pattern`s and `method`s as the service declares,
/// so they can be labels of a metric.
#[derive(Debug)]
#[non_exhaustive]
pub struct Handled<'a> {
    /// What was asked.
    pub kind: RequestKind,
    /// The pattern of the resource, as declared.
    pub pattern: &'a str,
    /// The method as declared, `*` for the handler of all others; `None` unless it was a call or authentication.
    pub method: Option<&'a str>,
    /// How it ended. A handler that panicked, or was dropped because it took too long, ended with
    /// [`Error::INTERNAL_ERROR`].
    pub outcome: Result<(), &'a Error>,
    /// From its beginning to its end, middleware included.
    pub elapsed: Duration,
}

pub(crate) type Observer = Arc<dyn Fn(&Handled<'_>) + Send + Sync>;

/// What is told of a handler when it has ended, however it ends.
struct Watch {
    observer: Observer,
    kind: RequestKind,
    pattern: Arc<str>,
    method: Option<Arc<str>>,
    began: Instant,
    told: bool,
}

impl Watch {
    fn tell(&mut self, outcome: Result<(), &Error>) {
        self.told = true;
        let handled = Handled {
            kind: self.kind,
            pattern: &self.pattern,
            method: self.method.as_deref(),
            outcome,
            elapsed: self.began.elapsed(),
        };
        // What goes wrong here is no fault of the request.
        if catch_unwind(AssertUnwindSafe(|| (self.observer)(&handled))).is_err() {
            tracing::error!("the observer of handlers panicked");
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.told {
            self.tell(Err(&Error::INTERNAL_ERROR));
        }
    }
}

/// A handler whose every end is told.
pub(crate) fn observed<R: Request>(
    handler: Handler<R, R::Answer>,
    observer: Option<&Observer>,
    pattern: &str,
    method: Option<&str>,
) -> Handler<R, R::Answer> {
    let Some(observer) = observer.cloned() else { return handler };
    let (pattern, method): (Arc<str>, Option<Arc<str>>) = (pattern.into(), method.map(Into::into));
    Arc::new(move |request: R| {
        let (observer, pattern, method) = (Arc::clone(&observer), Arc::clone(&pattern), method.clone());
        let mut watch =
            Watch { observer, kind: R::KIND, pattern, method, began: Instant::now(), told: false };
        let handled = handler(request);
        async move {
            let outcome = handled.await;
            watch.tell(match &outcome {
                Ok(answer) => R::failure(answer).map_or(Ok(()), Err),
                Err(error) => Err(error),
            });
            outcome
        }
        .boxed()
    })
}
