//! The responder on this crate.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use res_service::{Access, Builder, Call, Data, Error, Get, Grant, Model, Ref, Reply, Resource};

use crate::Failure;
use crate::items::{self, Item, Price, SumParams, SumResult};

struct Items(Vec<Item<Ref, Data<Vec<Price>>>>);

impl Items {
    fn find(&self, number: usize) -> Result<&Item<Ref, Data<Vec<Price>>>, Error> {
        self.0.get(number).ok_or(Error::NOT_FOUND)
    }
}

/// Serves until the process is ended.
pub(crate) async fn serve(client: async_nats::Client, name: &str) -> Result<(), Failure> {
    let reference = |resource_id: String| Ref::new(resource_id).expect("a valid resource id");
    let items = Arc::new(Items(items::all(reference, Data)));
    let counted = Arc::clone(&items);
    let item = Resource::model("item.$number", move |get: Get| {
        let items = Arc::clone(&items);
        async move { Model::from_serialize(items.find(get.parameter("number")?)?) }
    });
    let item = item
        .owned_by_name(16)
        // The driver counts on one change for each increment.
        .changes_per_second_max(0)
        .access(|_: Access| async { Ok(Grant::all()) })
        .call("sum", |call: Call| async move {
            let params: SumParams = call.params()?;
            Reply::result(&SumResult { sum: params.a + params.b, label: params.label })
        })
        .call("increment", move |call: Call| {
            let items = Arc::clone(&counted);
            async move {
                items.find(call.parameter("number")?)?.count.fetch_add(1, Ordering::Relaxed);
                call.service().refresh_now(call.name()).await?;
                Ok(Reply::null())
            }
        });
    let _service = Builder::new(name).changes_per_second_max(0).resource(item).start(client).await?;
    std::future::pending().await
}
