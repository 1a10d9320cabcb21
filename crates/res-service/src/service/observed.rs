//! What the test kit sees of a service from the inside.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use crate::statistics::Statistic;

use super::Service;

impl Service {
    /// How many requests the service has begun with.
    pub(crate) fn requests_taken(&self) -> u64 {
        let statistics = self.statistics();
        let requests = [
            &statistics.get_requests,
            &statistics.call_requests,
            &statistics.auth_requests,
            &statistics.access_requests,
            &statistics.query_requests,
        ];
        requests.into_iter().map(Statistic::get).sum()
    }

    /// What keeps the service from being idle; `None` if all it was asked for is done.
    pub(crate) fn unfinished(&self) -> Option<String> {
        let hints = self.inner.hints.lock().unwrap_or_else(PoisonError::into_inner).len();
        let counted = [
            (self.inner.calls.taken(), "calls and authentications"),
            (self.inner.gets.taken(), "gets"),
            (self.inner.accesses.taken(), "access requests"),
            (hints, "messages to owners"),
            (usize::from(!self.groups().are_quiet()), "groups with gets or refreshes to do"),
        ];
        let mut left = counted.into_iter().filter(|(count, _)| *count > 0).peekable();
        left.peek()?;
        Some(left.map(|(count, what)| format!("{count} {what}")).collect::<Vec<_>>().join(", "))
    }

    /// The patterns that the service resets without being told to: all it has, and what belongs to the keys it holds.
    pub(crate) fn own_reset_patterns(&self) -> BTreeSet<String> {
        let name = self.name();
        let definitions = &self.inner.parts.definitions;
        let of_keys = self.ownership().held().into_iter().flat_map(|key| {
            let patterns = definitions.iter().filter(|definition| definition.get.is_some());
            patterns.filter_map(move |definition| definition.reset_pattern(name, &key)).collect::<Vec<_>>()
        });
        of_keys.chain([name.to_owned(), format!("{name}.>")]).collect()
    }
}
