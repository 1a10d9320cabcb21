//! Running handlers. Most are done at once, and cost neither a task nor a timer nor a future of their own; only what
//! must wait goes on as a task.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tracing::Instrument;
use tracing::instrument::Instrumented;

use crate::error::Error;
use crate::service::Service;
use crate::statistics::count;

/// What is left to do when something must be waited for.
pub(crate) type Rest = BoxFuture<'static, ()>;

/// What a handler answers, some day.
pub(crate) type Handled<A> = Instrumented<BoxFuture<'static, Result<A, Error>>>;

/// A handler that has gone as far as it could without waiting.
pub(crate) enum Begun<A> {
    Done(Result<A, Error>),
    /// For [`guarded`].
    Waiting(Handled<A>),
}

/// Begins a handler.
pub(crate) fn begin<A>(
    service: &Service,
    span: tracing::Span,
    handler: impl FnOnce() -> BoxFuture<'static, Result<A, Error>>,
) -> Begun<A> {
    let begun = catch_unwind(AssertUnwindSafe(|| {
        let entered = span.enter();
        let mut handled = handler();
        let polled = handled.poll_unpin(&mut Context::from_waker(Waker::noop()));
        drop(entered);
        match polled {
            Poll::Ready(outcome) => Begun::Done(outcome),
            // Whoever awaits it asks it once more, with a waker that wakes.
            Poll::Pending => Begun::Waiting(handled.instrument(span)),
        }
    }));
    begun.unwrap_or_else(|panic| Begun::Done(Err(panicked(service, &*panic))))
}

/// Runs a handler to its end, its panic, or its time limit.
pub(crate) async fn guarded<A>(
    service: &Service,
    time_max: Duration,
    handled: impl Future<Output = Result<A, Error>>,
) -> Result<A, Error> {
    match tokio::time::timeout(time_max, AssertUnwindSafe(handled).catch_unwind()).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(panic)) => Err(panicked(service, &*panic)),
        Err(_) => {
            count(&service.statistics().handler_timeouts);
            Err(Error::internal(format!("the handler took longer than {time_max:?} and was dropped")))
        }
    }
}

#[cold]
fn panicked(service: &Service, panic: &(dyn Any + Send)) -> Error {
    count(&service.statistics().handler_panics);
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or_default();
    Error::internal(format!("the handler panicked: {text}"))
}

/// The same rest; a request counts as being in work until what is kept of it is dropped.
pub(crate) fn keeping<T: Send + 'static>(rest: Rest, kept: T) -> Rest {
    let keep = async move {
        rest.await;
        drop(kept);
    };
    keep.boxed()
}

/// Sees a future through: at once if it has no need to wait, and else as a task of its own.
pub(crate) fn now_or_later(future: impl Future<Output = ()> + Send + 'static) {
    let mut future = Box::pin(future);
    if (&mut future).now_or_never().is_none() {
        tokio::spawn(future);
    }
}
