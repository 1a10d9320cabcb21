//! What stands around the handlers of a service or a resource.

use std::future::Future;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::error::Error;
use crate::observe::RequestKind;
use crate::reply::{Grant, Reply};
use crate::request::{Access, Auth, Call, Get};
use crate::resource::Handler;
use crate::snapshot::Snapshot;
use crate::trace::TraceContext;

/// A kind of request: [`Get`], [`Access`], [`Call`] or [`Auth`], and what it is answered with.
pub trait Request: private::Layered + Sized + Send + 'static {
    /// What a handler of this kind of request gives.
    type Answer: Send + 'static;

    /// Which kind it is.
    const KIND: RequestKind;

    /// To which trace the request belongs, if the sender said it.
    fn trace_context(&self) -> Option<TraceContext>;

    /// The gateway's id of the client's connection; empty if nobody's.
    fn cid(&self) -> &str;
}

impl Request for Get {
    type Answer = Snapshot;

    const KIND: RequestKind = RequestKind::Get;

    fn trace_context(&self) -> Option<TraceContext> {
        self.trace_context()
    }

    fn cid(&self) -> &str {
        ""
    }
}

impl Request for Access {
    type Answer = Grant;

    const KIND: RequestKind = RequestKind::Access;

    fn trace_context(&self) -> Option<TraceContext> {
        self.trace_context()
    }

    fn cid(&self) -> &str {
        self.cid()
    }
}

impl Request for Call {
    type Answer = Reply;

    const KIND: RequestKind = RequestKind::Call;

    fn trace_context(&self) -> Option<TraceContext> {
        self.trace_context()
    }

    fn cid(&self) -> &str {
        self.cid()
    }
}

impl Request for Auth {
    type Answer = Reply;

    const KIND: RequestKind = RequestKind::Auth;

    fn trace_context(&self) -> Option<TraceContext> {
        self.trace_context()
    }

    fn cid(&self) -> &str {
        self.cid()
    }
}

/// The rest of what happens with a request: the middleware further in, and then the handler.
pub struct Next<R: Request>(Handler<R, R::Answer>);

impl<R: Request> Next<R> {
    /// Goes on with the request.
    pub fn run(self, request: R) -> impl Future<Output = Result<R::Answer, Error>> + Send + 'static {
        (self.0)(request)
    }
}

impl<R: Request> std::fmt::Debug for Next<R> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Next").finish_non_exhaustive()
    }
}

pub(crate) use private::Layers;

impl Layers {
    pub(crate) fn push<R, F, Fut>(&mut self, middleware: F)
    where
        R: Request,
        F: Fn(R, Next<R>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R::Answer, Error>> + Send + 'static,
    {
        R::layers(self).push(Arc::new(move |request, next| middleware(request, next).boxed()));
    }

    /// These, with others further in.
    pub(crate) fn and(&self, inner: &Self) -> Self {
        let mut layers = self.clone();
        layers.gets.extend(inner.gets.iter().cloned());
        layers.accesses.extend(inner.accesses.iter().cloned());
        layers.calls.extend(inner.calls.iter().cloned());
        layers.auths.extend(inner.auths.iter().cloned());
        layers
    }

    /// A handler with all middleware of its kind around it.
    pub(crate) fn around<R: Request>(&mut self, handler: Handler<R, R::Answer>) -> Handler<R, R::Answer> {
        R::layers(self).iter().rev().fold(handler, |inner, layer| {
            let layer = Arc::clone(layer);
            Arc::new(move |request| layer(request, Next(Arc::clone(&inner))))
        })
    }
}

mod private {
    use super::{Access, Arc, Auth, BoxFuture, Call, Error, Get, Next, Reply, Request};

    pub(super) type Layer<R> =
        Arc<dyn Fn(R, Next<R>) -> BoxFuture<'static, Result<<R as Request>::Answer, Error>> + Send + Sync>;

    /// The middleware for each kind of request, the outermost first.
    #[derive(Clone, Default)]
    pub struct Layers {
        pub(super) gets: Vec<Layer<Get>>,
        pub(super) accesses: Vec<Layer<Access>>,
        pub(super) calls: Vec<Layer<Call>>,
        pub(super) auths: Vec<Layer<Auth>>,
    }

    /// Where the middleware of one kind of request is kept.
    pub trait Layered {
        #[doc(hidden)]
        fn layers(layers: &mut Layers) -> &mut Vec<Layer<Self>>
        where
            Self: Request;

        /// The error that an answer is, if it is one.
        #[doc(hidden)]
        fn failure(answer: &Self::Answer) -> Option<&Error>
        where
            Self: Request,
        {
            let _ = answer;
            None
        }
    }

    impl Layered for Get {
        fn layers(layers: &mut Layers) -> &mut Vec<Layer<Self>> {
            &mut layers.gets
        }
    }

    impl Layered for Access {
        fn layers(layers: &mut Layers) -> &mut Vec<Layer<Self>> {
            &mut layers.accesses
        }
    }

    impl Layered for Call {
        fn layers(layers: &mut Layers) -> &mut Vec<Layer<Self>> {
            &mut layers.calls
        }

        fn failure(answer: &Reply) -> Option<&Error> {
            answer.failure()
        }
    }

    impl Layered for Auth {
        fn layers(layers: &mut Layers) -> &mut Vec<Layer<Self>> {
            &mut layers.auths
        }

        fn failure(answer: &Reply) -> Option<&Error> {
            answer.failure()
        }
    }
}
