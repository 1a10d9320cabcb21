//! What a client knows: the resources it subscribed to and all they refer to, changed as the pushes say.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

/// The models and collections of one client.
#[derive(Debug, Default)]
pub(super) struct Cache {
    pub(super) models: HashMap<String, Map<String, Value>>,
    pub(super) collections: HashMap<String, Vec<Value>>,
    pub(super) errors: HashMap<String, Value>,
    pub(super) unsubscribed: HashMap<String, Value>,
    pub(super) violations: Vec<String>,
    /// How often each resource was subscribed to by name. The rest is here because one of these leads to it.
    direct: HashMap<String, usize>,
}

impl Cache {
    /// A subscription was granted; `set` holds what the gateway had not sent this client before.
    pub(super) fn subscribe(&mut self, rid: &str, set: &Value) {
        *self.direct.entry(rid.to_string()).or_default() += 1;
        self.unsubscribed.remove(rid);
        self.add(set);
    }

    pub(super) fn unsubscribe(&mut self, rid: &str) {
        if let Some(count) = self.direct.get_mut(rid) {
            *count -= 1;
            if *count == 0 {
                self.direct.remove(rid);
                self.forget_unreachable();
            }
        }
    }

    /// Empties the cache for a new connection and gives what has to be subscribed to again.
    pub(super) fn forget_resources(&mut self) -> Vec<(String, usize)> {
        self.models.clear();
        self.collections.clear();
        self.errors.clear();
        let mut direct: Vec<_> = self.direct.drain().collect();
        direct.sort();
        direct
    }

    /// One push about one resource.
    pub(super) fn apply(&mut self, rid: &str, name: &str, data: &Value) {
        self.add(data);
        match name {
            "change" => self.change(rid, data),
            "add" => self.insert(rid, data),
            "remove" => self.remove(rid, data),
            "delete" => self.drop_resource(rid),
            "unsubscribe" => {
                self.unsubscribed.insert(rid.to_string(), data["reason"].clone());
                self.direct.remove(rid);
                self.forget_unreachable();
            }
            _ => {}
        }
    }

    /// A resource set. It wins over what is here: the gateway sends only what this client does not have by its count.
    fn add(&mut self, set: &Value) {
        for (rid, model) in set["models"].as_object().into_iter().flatten() {
            let model = model.as_object().into_iter().flatten();
            let model = model.map(|(name, value)| (name.clone(), unwrapped(value))).collect();
            self.errors.remove(rid);
            self.models.insert(rid.clone(), model);
        }
        for (rid, items) in set["collections"].as_object().into_iter().flatten() {
            let items = items.as_array().into_iter().flatten().map(unwrapped).collect();
            self.errors.remove(rid);
            self.collections.insert(rid.clone(), items);
        }
        for (rid, error) in set["errors"].as_object().into_iter().flatten() {
            self.errors.insert(rid.clone(), error.clone());
        }
    }

    fn change(&mut self, rid: &str, data: &Value) {
        let Some(model) = self.models.get_mut(rid) else {
            self.violations.push(format!("change of {rid}, which is no model here: {data}"));
            return;
        };
        let mut lost_reference = false;
        for (name, value) in data["values"].as_object().into_iter().flatten() {
            let old = if value["action"] == "delete" {
                model.remove(name)
            } else {
                model.insert(name.clone(), unwrapped(value))
            };
            lost_reference |= old.is_some_and(|old| reference(&old).is_some());
        }
        if lost_reference {
            self.forget_unreachable();
        }
    }

    fn insert(&mut self, rid: &str, data: &Value) {
        let index = data["idx"].as_u64().and_then(|index| usize::try_from(index).ok());
        match (self.collections.get_mut(rid), index) {
            (Some(items), Some(index)) if index <= items.len() => {
                items.insert(index, unwrapped(&data["value"]))
            }
            _ => self.violations.push(format!("add to {rid} that does not fit: {data}")),
        }
    }

    fn remove(&mut self, rid: &str, data: &Value) {
        let index = data["idx"].as_u64().and_then(|index| usize::try_from(index).ok());
        match (self.collections.get_mut(rid), index) {
            (Some(items), Some(index)) if index < items.len() => {
                items.remove(index);
                self.forget_unreachable();
            }
            _ => self.violations.push(format!("remove from {rid} that does not fit: {data}")),
        }
    }

    fn drop_resource(&mut self, rid: &str) {
        self.models.remove(rid);
        self.collections.remove(rid);
    }

    /// Forgets what no subscription leads to any more, as the gateway does.
    fn forget_unreachable(&mut self) {
        let mut reached: HashSet<String> = HashSet::new();
        let mut next: Vec<String> = self.direct.keys().cloned().collect();
        while let Some(rid) = next.pop() {
            let values = self.models.get(&rid).into_iter().flat_map(Map::values);
            let values = values.chain(self.collections.get(&rid).into_iter().flatten());
            next.extend(
                values.filter_map(reference).filter(|rid| !reached.contains(*rid)).map(str::to_string),
            );
            reached.insert(rid);
        }
        self.models.retain(|rid, _| reached.contains(rid));
        self.collections.retain(|rid, _| reached.contains(rid));
        self.errors.retain(|rid, _| reached.contains(rid));
    }
}

/// The resource a value refers to, if the gateway follows it.
fn reference(value: &Value) -> Option<&str> {
    if value["soft"] == true {
        return None;
    }
    value.as_object()?.get("rid")?.as_str()
}

/// What a data value holds, any other value itself.
fn unwrapped(value: &Value) -> Value {
    match value.as_object().and_then(|object| object.get("data")) {
        Some(data) => data.clone(),
        None => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn a_model_follows_its_changes() {
        let mut cache = Cache::default();
        cache.subscribe("t.m", &json!({ "models": { "t.m": { "a": 1, "list": { "data": [1] } } } }));
        let values = json!({ "values": { "a": 2, "b": "x", "list": { "action": "delete" } } });
        cache.apply("t.m", "change", &values);
        assert_eq!(Value::from(cache.models["t.m"].clone()), json!({ "a": 2, "b": "x" }));
        assert!(cache.violations.is_empty());
    }

    #[test]
    fn a_collection_follows_its_changes_and_an_index_that_is_not_there_is_a_violation() {
        let mut cache = Cache::default();
        cache.subscribe("t.c", &json!({ "collections": { "t.c": ["a", "c"] } }));
        cache.apply("t.c", "add", &json!({ "idx": 1, "value": "b" }));
        cache.apply("t.c", "remove", &json!({ "idx": 0 }));
        assert_eq!(cache.collections["t.c"], ["b", "c"]);
        cache.apply("t.c", "remove", &json!({ "idx": 2 }));
        cache.apply("t.c", "add", &json!({ "idx": 4, "value": "z" }));
        assert_eq!(cache.violations.len(), 2);
        assert_eq!(cache.collections["t.c"], ["b", "c"]);
    }

    #[test]
    fn what_nothing_leads_to_is_forgotten_also_in_a_circle() {
        let mut cache = Cache::default();
        let set = json!({
            "models": { "t.a": { "other": { "rid": "t.b" } }, "t.b": { "other": { "rid": "t.a" } } },
            "collections": { "t.c": [{ "rid": "t.a" }] },
        });
        cache.subscribe("t.c", &set);
        cache.apply("t.c", "remove", &json!({ "idx": 0 }));
        assert!(cache.models.is_empty());
        assert!(cache.collections.contains_key("t.c"));
        cache.unsubscribe("t.c");
        assert!(cache.collections.is_empty());
    }
}
