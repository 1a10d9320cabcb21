//! A shopping list: a collection of references, each to a model of its own. Start nats-server and Resgate, run this, and
//! look at `http://localhost:8080/api/shopping/list`; then
//! `curl -d '{"name": "Milk"}' http://localhost:8080/api/shopping/list/add`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use res_service::{Access, Builder, Call, Collection, Error, Get, Grant, Model, Reply, Resource};
use serde::{Deserialize, Serialize};

mod nats;

/// What has to be bought, in the order in which it was thought of.
#[derive(Clone, Default)]
struct List(Arc<Mutex<BTreeMap<u64, Item>>>);

#[derive(Clone, Serialize)]
struct Item {
    name: String,
    bought: bool,
}

#[derive(Deserialize)]
struct Add {
    name: String,
}

#[derive(Deserialize)]
struct Set {
    bought: bool,
}

impl List {
    fn items(&self) -> MutexGuard<'_, BTreeMap<u64, Item>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The list: clients that subscribe to it get all items at once, because Resgate follows the references.
fn list(list: &List) -> Resource {
    let (reading, adding) = (list.clone(), list.clone());
    Resource::collection("list", move |_: Get| {
        let numbers: Vec<String> =
            reading.items().keys().map(|number| format!("shopping.item.{number}")).collect();
        async move { Collection::references(numbers) }
    })
    .access(|_: Access| async { Ok(Grant::get().call(["add"])) })
    .call("add", move |call: Call| {
        let list = adding.clone();
        async move {
            let add: Add = call.params()?;
            let number = {
                let mut items = list.items();
                let number = items.last_key_value().map_or(1, |(last, _)| last + 1);
                items.insert(number, Item { name: add.name, bought: false });
                number
            };
            call.service().refresh(call.name()).await?;
            Reply::resource(format!("shopping.item.{number}"))
        }
    })
}

fn item(list: &List) -> Resource {
    let (reading, setting, removing) = (list.clone(), list.clone(), list.clone());
    Resource::model("item.$number", move |get: Get| {
        let list = reading.clone();
        async move {
            let number = get.parameter("number")?;
            let item = list.items().get(&number).cloned().ok_or(Error::NOT_FOUND)?;
            Model::from_serialize(&item)
        }
    })
    .access(|_: Access| async { Ok(Grant::get().call(["set", "remove"])) })
    .call("set", move |call: Call| {
        let list = setting.clone();
        async move {
            let set: Set = call.params()?;
            list.items().get_mut(&call.parameter("number")?).ok_or(Error::NOT_FOUND)?.bought = set.bought;
            call.service().refresh(call.name()).await?;
            Ok(Reply::null())
        }
    })
    .call("remove", move |call: Call| {
        let list = removing.clone();
        async move {
            list.items().remove(&call.parameter("number")?).ok_or(Error::NOT_FOUND)?;
            // First out of the list, then gone: nobody is left with a reference to nothing.
            call.service().refresh_now("shopping.list").await?;
            call.service().refresh(call.name()).await?;
            Ok(Reply::null())
        }
    })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let shopping = List::default();
    let service = Builder::new("shopping")
        .resource(list(&shopping))
        .resource(item(&shopping))
        .start(async_nats::connect(nats::url()).await?)
        .await?;
    tokio::signal::ctrl_c().await?;
    service.stop(Duration::from_secs(10)).await?;
    Ok(())
}
