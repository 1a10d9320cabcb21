//! From the name of a resource to what serves it.

use std::sync::Arc;

use super::Service;
use crate::error::Error;
use crate::group::Route;
use crate::name::{check_resource_id, is_name, split_resource_id};
use crate::resource::Definition;

impl Service {
    /// The definition for a full resource name. What no gateway can ask for has none: with a `*` in its name, a reset of
    /// one resource would be a reset of all.
    pub(crate) fn find(&self, name: &str) -> Option<&Arc<Definition>> {
        if !is_name(name) {
            return None;
        }
        let rest = name.strip_prefix(self.name())?;
        let rest =
            if rest.is_empty() { rest } else { rest.strip_prefix('.').filter(|rest| !rest.is_empty())? };
        self.inner.parts.trie.find(rest).map(|number| &self.inner.parts.definitions[number])
    }

    /// The definition of this number.
    pub(crate) fn definition(&self, number: usize) -> &Arc<Definition> {
        &self.inner.parts.definitions[number]
    }

    pub(crate) fn own_name<'a>(&self, resource_id: &'a str) -> Result<&'a str, Error> {
        check_resource_id(resource_id)?;
        let name = split_resource_id(resource_id).0;
        if name.split('.').next() == Some(self.name()) {
            return Ok(name);
        }
        Err(Error::internal(format!("{name:?} is not a resource of the service {:?}", self.name())))
    }

    /// Where the resource of this name belongs; `None` if none with a get handler has it.
    pub(crate) fn route(&self, name: &str) -> Option<Route> {
        self.groups().route(name).or_else(|| self.new_route(name))
    }

    /// The same for a resource that is not remembered.
    pub(crate) fn new_route(&self, name: &str) -> Option<Route> {
        let definition = self.find(name).filter(|definition| definition.get.is_some())?;
        Some(Route::new(Arc::clone(definition), name))
    }

    pub(super) fn route_of(&self, resource_id: &str) -> Result<Route, Error> {
        // What is remembered has been checked before.
        if let Some(route) = self.groups().route(split_resource_id(resource_id).0) {
            return Ok(route);
        }
        let name = self.own_name(resource_id)?;
        let unknown = || Error::internal(format!("no resource with a get handler has the name {name:?}"));
        self.route(name).ok_or_else(unknown)
    }
}
