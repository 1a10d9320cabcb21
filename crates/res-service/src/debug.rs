//! How what has no obvious text shows itself: by its name, and never with a token or what a client sent.

use std::fmt::{Debug, Formatter, Result};

use crate::request::{Access, Auth, Call, Get};
use crate::service::Service;

impl Debug for Service {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        formatter
            .debug_struct("Service")
            .field("name", &self.name())
            .field("replica", &self.replica())
            .finish_non_exhaustive()
    }
}

impl Debug for Get {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        formatter
            .debug_struct("Get")
            .field("name", &self.name())
            .field("query", &self.query())
            .finish_non_exhaustive()
    }
}

impl Debug for Access {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        formatter
            .debug_struct("Access")
            .field("name", &self.name())
            .field("query", &self.query())
            .field("cid", &self.cid())
            .finish_non_exhaustive()
    }
}

macro_rules! with_method {
    ($request:ident) => {
        impl Debug for $request {
            fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
                formatter
                    .debug_struct(stringify!($request))
                    .field("name", &self.name())
                    .field("query", &self.query())
                    .field("method", &self.method())
                    .field("cid", &self.cid())
                    .finish_non_exhaustive()
            }
        }
    };
}

with_method!(Call);
with_method!(Auth);
