//! A model and a collection for each test that wants one: what they hold is what the test says, and every way of
//! announcing it can be called.

use res_service::{Call, Collection, Data, Error, Get, Grant, Model, Ref, Reply, Resource, SoftRef};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::truth::Truth;

pub(crate) fn resources(truth: &Truth) -> Vec<Resource> {
    let (of_model, of_list, of_odd) = (truth.clone(), truth.clone(), truth.clone());
    let model = Resource::model("model.$id", move |get: Get| {
        let truth = of_model.clone();
        async move {
            truth.note(&format!("get {}", get.name()), json!(get.query()));
            Model::from_serialize(&truth.read(get.name(), json!({"name": get.name()}))?)
        }
    });
    let list = Resource::collection("list.$id", move |get: Get| {
        let truth = of_list.clone();
        async move {
            truth.note(&format!("get {}", get.name()), json!(get.query()));
            Collection::from_serialize(&truth.read(get.name(), json!([]))?)
        }
    });
    // Names of any characters, and a client's own by its connection.
    let odd = Resource::model("odd.$part", |get: Get| async move {
        Model::from_serialize(&json!({"name": get.name(), "part": get.parameter::<String>("part")?}))
    });
    let mine = Resource::model("user.$cid.me", move |get: Get| {
        let truth = of_odd.clone();
        async move {
            Model::from_serialize(&truth.read(get.name(), json!({"cid": get.parameter::<String>("cid")?}))?)
        }
    });
    let slow = Resource::model("slow.$milliseconds", |get: Get| async move {
        let pause = get.parameter("milliseconds")?;
        tokio::time::sleep(std::time::Duration::from_millis(pause)).await;
        Model::from_serialize(&json!({"waited": pause}))
    });
    let of_deep = truth.clone();
    let deep = Resource::model("deep.$id.$part", move |get: Get| {
        of_deep.note(&format!("get {}", get.name()), Value::Null);
        async { Model::from_serialize(&json!({})) }
    });
    let open = |_| async { Ok(Grant::all()) };
    let large = Resource::model("large.$bytes", |get: Get| async move {
        Model::from_serialize(&json!({"text": "x".repeat(get.parameter("bytes")?)}))
    });
    let typed = Resource::model("typed", |_: Get| async { Model::from_serialize(&Typed::new()?) });
    let of_set = truth.clone();
    let model = model.call("set", move |call: Call| {
        let truth = of_set.clone();
        async move { set(&call, &truth).await }
    });
    vec![
        announcing(model, truth).access(open),
        announcing(list, truth).access(open),
        odd.access(open),
        slow.access(open).owned_by_name(4),
        large.access(open),
        deep.access(open),
        typed.access(open),
        announcing(mine, truth).access(|access| async move {
            let cid: String = access.parameter("cid")?;
            Ok(if cid == access.cid() { Grant::all() } else { Grant::none() })
        }),
    ]
}

/// A value of every type that the library has for them.
#[derive(Serialize)]
struct Typed {
    reference: Ref,
    soft: SoftRef,
    list: Data<Vec<u8>>,
    object: Data<Value>,
    number: Data<u8>,
    nothing: Data<Option<u8>>,
}

impl Typed {
    fn new() -> Result<Self, Error> {
        Ok(Self {
            reference: Ref::new("test.model.typed")?,
            soft: SoftRef::new("test.model.typed_far")?,
            list: Data(vec![1, 2]),
            object: Data(json!({"rid": "not a reference"})),
            number: Data(5),
            nothing: Data(None),
        })
    }
}

/// Calls for everything a service can say of a resource.
pub(crate) fn announcing(resource: Resource, truth: &Truth) -> Resource {
    #[derive(Deserialize)]
    struct Emit {
        change: String,
        payload: Value,
    }
    let (replaced, quietly, deleted) = (truth.clone(), truth.clone(), truth.clone());
    resource
        .owned_by_name(4)
        .changes_per_second_max(0)
        .call("replace", move |call: Call| {
            replaced.write(call.name(), parameters(&call));
            async move {
                call.service().refresh_now(call.name()).await?;
                Ok(Reply::null())
            }
        })
        .call("replaceQuietly", move |call: Call| {
            quietly.write(call.name(), parameters(&call));
            async { Ok(Reply::null()) }
        })
        .call("refresh", |call: Call| async move {
            call.service().refresh(call.name()).await?;
            Ok(Reply::null())
        })
        .call("emit", |call: Call| async move {
            let emit: Emit = call.params()?;
            call.service().emit(call.name(), &emit.change, &emit.payload).await?;
            Ok(Reply::null())
        })
        .call("create", |call: Call| async move {
            call.service().create(call.name()).await?;
            Ok(Reply::null())
        })
        .call("delete", move |call: Call| {
            deleted.write(call.name(), Value::Null);
            async move {
                call.service().delete(call.name()).await?;
                Ok(Reply::null())
            }
        })
        .call("reaccess", |call: Call| async move {
            call.service().reaccess(call.name()).await?;
            Ok(Reply::null())
        })
}

/// The predefined `set`: properties to their values, or to `{"action":"delete"}`.
async fn set(call: &Call, truth: &Truth) -> Result<Reply, Error> {
    let changes: Map<String, Value> = call.params()?;
    let mut state = truth.read(call.name(), json!({"name": call.name()}))?;
    let properties = state.as_object_mut().expect("a model is an object");
    for (key, value) in changes {
        if value["action"] == "delete" {
            properties.remove(&key);
        } else {
            properties.insert(key, value);
        }
    }
    truth.write(call.name(), state);
    call.service().refresh_now(call.name()).await?;
    Ok(Reply::null())
}

pub(crate) fn parameters(call: &Call) -> Value {
    call.raw_params().map_or(Value::Null, |text| serde_json::from_str(text).unwrap())
}
