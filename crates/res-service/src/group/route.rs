//! Which queue a resource belongs to.

use std::ops::Deref;
use std::sync::Arc;

use crate::resource::Definition;

/// Where a resource belongs. What is remembered keeps it, so that it is worked out once and shared by all requests.
#[derive(Clone)]
pub(crate) struct Route(Arc<RouteParts>);

pub(crate) struct RouteParts {
    pub(crate) definition: Arc<Definition>,
    pub(crate) name: Arc<str>,
    pub(crate) key: Option<Arc<str>>,
    pub(crate) group: Arc<str>,
}

impl Route {
    pub(crate) fn new(definition: Arc<Definition>, name: &str) -> Self {
        let name: Arc<str> = name.into();
        let key = definition.key(&name);
        let group = definition.shared_group(&name).unwrap_or_else(|| Arc::clone(&name));
        Self(Arc::new(RouteParts { definition, name, key, group }))
    }
}

impl Deref for Route {
    type Target = RouteParts;

    fn deref(&self) -> &RouteParts {
        &self.0
    }
}
