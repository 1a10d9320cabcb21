use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use res_service::test_kit::Session;
use res_service::{Access, Builder, Call, Error, Get, Grant, Model, Reply, Resource};
use serde_json::json;

/// The service as `main` starts it: a test starts the same.
fn counter() -> Builder {
    let count = Arc::new(AtomicU64::new(0));
    let read = Arc::clone(&count);
    Builder::new("example").resource(
        Resource::model("counter", move |_: Get| {
            let count = read.load(Ordering::Relaxed);
            async move { Model::from_serialize(&json!({ "count": count })) }
        })
        .access(|_: Access| async { Ok(Grant::get().call(["add"])) })
        .call("add", move |call: Call| {
            let count = Arc::clone(&count);
            async move {
                let by: std::collections::BTreeMap<String, u64> = call.params()?;
                let by = by.get("by").copied().ok_or(Error::INVALID_PARAMS)?;
                let now = count.fetch_add(by, Ordering::Relaxed) + by;
                call.service().refresh_now(call.name()).await?;
                Reply::result(&now)
            }
        }),
    )
}

#[tokio::test]
async fn a_call_counts_and_tells_everybody() {
    let session = Session::start(counter()).await;
    session
        .transcript(
            r#"
            > get.example.counter
            < {"result":{"model":{"count":0}}}

            # Whoever has the counter sees the change before the caller has its answer.
            > call.example.counter.add {"params":{"by":1}}
            < event.example.counter.change {"values":{"count":1}}
            < {"result":1}

            > call.example.counter.add {"params":{"by":"one"}}
            < {"error":{"code":"system.invalidParams","message":"$any"}}
            "#,
        )
        .await;
    assert_eq!(session.call("example.counter", "add", &json!({"by": 2})).await.result::<u64>(), 3);
    assert_eq!(session.get("example.missing").await.error(), Error::NOT_FOUND);
    assert!(session.access("example.counter", &()).await.granted().may_call("add"));
    session.stop().await;
}
