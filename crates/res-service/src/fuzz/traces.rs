//! The headers of traces.

use proptest::prelude::*;

use crate::TraceContext;

proptest! {
    #[test]
    fn a_trace_context_is_read_as_it_was_said_or_refused(
        parent in prop_oneof!["[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-[!-~]{0,9})?", "[0-9a-fF-]{0,60}", ".*"],
        state in prop::option::of(prop_oneof!["[ -~]{0,60}", ".*"]),
    ) {
        if let Some(context) = TraceContext::new(&parent, state.as_deref()) {
            prop_assert_eq!(context.parent(), &parent);
            prop_assert!(context.state().is_none_or(|said| Some(said) == state.as_deref()));
            // What is passed on can be a header, and is read there as the same.
            prop_assert_eq!(TraceContext::of(&context.headers()), Some(context));
        }
    }
}
