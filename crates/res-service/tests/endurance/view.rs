//! What one client was told: the resources it subscribed to, changed as the pushes say.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value};

/// The models and collections of a client, and everything that should not have happened to it.
#[derive(Debug, Default)]
pub(crate) struct View {
    pub(crate) resources: HashMap<String, Value>,
    /// Codes of refused subscriptions, and how often each came.
    pub(crate) refusals: BTreeMap<String, u64>,
    /// Pushes that take a resource away or that do not fit what was told before.
    pub(crate) violations: Vec<String>,
    pub(crate) connections: u64,
    pub(crate) pushes: u64,
}

impl View {
    /// Takes in the resources of an answer to a subscription.
    pub(crate) fn add(&mut self, set: &Value) {
        for kind in ["models", "collections"] {
            for (name, state) in set[kind].as_object().into_iter().flatten() {
                self.resources.insert(name.clone(), state.clone());
            }
        }
        for (name, error) in set["errors"].as_object().into_iter().flatten() {
            self.violations.push(format!("{name} came as an error: {error}"));
        }
    }

    /// Takes in one push. Gives the name of a resource that was taken away.
    pub(crate) fn push(&mut self, event: &str, data: &Value) -> Option<String> {
        self.pushes += 1;
        let (name, change) = event.rsplit_once('.')?;
        let fits = match (change, self.resources.get_mut(name)) {
            ("change", Some(Value::Object(model))) => changed(model, data),
            ("add", Some(Value::Array(items))) => added(items, data),
            ("remove", Some(Value::Array(items))) => removed(items, data),
            _ => None,
        };
        if fits.is_some() {
            return None;
        }
        self.violations.push(format!("{event} {data}"));
        self.resources.remove(name);
        (change == "unsubscribe").then(|| name.to_owned())
    }
}

fn changed(model: &mut Map<String, Value>, data: &Value) -> Option<()> {
    for (name, value) in data["values"].as_object()? {
        if value["action"] == "delete" {
            model.remove(name);
        } else {
            model.insert(name.clone(), value.clone());
        }
    }
    Some(())
}

fn added(items: &mut Vec<Value>, data: &Value) -> Option<()> {
    let at = usize::try_from(data["idx"].as_u64()?).ok().filter(|at| *at <= items.len())?;
    items.insert(at, data["value"].clone());
    Some(())
}

fn removed(items: &mut Vec<Value>, data: &Value) -> Option<()> {
    let at = usize::try_from(data["idx"].as_u64()?).ok().filter(|at| *at < items.len())?;
    items.remove(at);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_view_follows_the_pushes_and_tells_those_that_do_not_fit() {
        let mut view = View::default();
        view.add(&json!({"models": {"t.m": {"a": 1, "b": 2}}, "collections": {"t.c": ["x"]}}));
        view.push("t.m.change", &json!({"values": {"a": 3, "b": {"action": "delete"}}}));
        view.push("t.c.add", &json!({"idx": 1, "value": "y"}));
        view.push("t.c.remove", &json!({"idx": 0}));
        assert_eq!(view.resources["t.m"], json!({"a": 3}));
        assert_eq!(view.resources["t.c"], json!(["y"]));
        assert!(view.violations.is_empty());
        assert_eq!(view.push("t.c.remove", &json!({"idx": 1})), None);
        assert_eq!(view.push("t.m.unsubscribe", &json!({"reason": {}})).as_deref(), Some("t.m"));
        assert_eq!(view.violations.len(), 2);
        assert!(view.resources.is_empty(), "what is known to be wrong is no state");
    }
}
