//! What a service publishes of its own accord: changes, tokens and resets.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use res_service::{Builder, Call, Collection, Error, Get, Model, Reply, Resource, Service};
use serde_json::{Value, json};

use crate::world::{PATIENCE, Wire, World, eventually};

/// What a resource is made of, as a database would hold it.
#[derive(Clone)]
pub(crate) struct Truth(Arc<Mutex<Result<Value, Error>>>);

impl Truth {
    pub(crate) fn new(value: Value) -> Self {
        Self(Arc::new(Mutex::new(Ok(value))))
    }

    pub(crate) fn set(&self, value: impl Into<Result<Value, Error>>) {
        *self.0.lock().unwrap() = value.into();
    }

    pub(crate) fn read(&self) -> Result<Value, Error> {
        self.0.lock().unwrap().clone()
    }
}

pub(crate) fn model(pattern: &str, truth: &Truth) -> Resource {
    let truth = truth.clone();
    Resource::model(pattern, move |_: Get| {
        let truth = truth.clone();
        async move { Model::from_serialize(&truth.read()?) }
    })
    .owned_by_name(4)
}

pub(crate) fn collection(pattern: &str, truth: &Truth) -> Resource {
    let truth = truth.clone();
    Resource::collection(pattern, move |_: Get| {
        let truth = truth.clone();
        async move { Collection::from_serialize(&truth.read()?) }
    })
    .owned_by_name(4)
}

/// A service whose resets of the start are over: one is out, and the other does not come within a test.
pub(crate) async fn start(world: &World, resource: Resource) -> Service {
    start_with(world, Builder::new("test").resource(resource)).await
}

pub(crate) async fn start_with(world: &World, builder: Builder) -> Service {
    let service =
        builder.request_timeout(Duration::from_secs(60)).start(world.connect().await).await.unwrap();
    let resets = || service.statistics().resets_published.get();
    eventually("the reset of the start is out", resets, |resets| *resets == 1).await;
    service.barrier().await.unwrap();
    service
}

/// The next change or answer.
pub(crate) async fn next(wire: &mut Wire) -> (String, String) {
    wire.next_where(|subject| subject.starts_with("event.") || subject.starts_with("reply.")).await
}

pub(crate) fn is_change(subject: &str) -> bool {
    subject.starts_with("event.")
}

/// A key that came later would begin with nothing remembered, and a change until then would be told to nobody.
#[tokio::test]
async fn a_service_without_a_lease_owns_its_names_before_the_first_request() {
    let world = World::new().await;
    let resource = Resource::new("x").owned_by_name(4);
    let service = Builder::new("test").resource(resource).start(world.connect().await).await.unwrap();
    let keys: Vec<String> = service.holdings().into_iter().map(|holding| holding.key).collect();
    assert_eq!(keys, ["name.0", "name.1", "name.2", "name.3"]);
    service.stop(PATIENCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e04_e05_a_refresh_publishes_exactly_what_changed() {
    let world = World::new().await;
    let truth = Truth::new(json!({"seq": 1, "a": "free", "b": "free", "old": true}));
    let service = start(&world, model("m", &truth)).await;
    world.ask("get.test.m", "").await;
    let mut wire = world.listen().await;
    truth.set(Ok(json!({"seq": 2, "a": "held", "b": "free"})));
    service.refresh_now("test.m").await.unwrap();
    let (subject, payload) = next(&mut wire).await;
    assert_eq!(subject, "event.test.m.change");
    assert_eq!(payload, r#"{"values":{"a":"held","seq":2,"old":{"action":"delete"}}}"#);
    service.refresh_now("test.m").await.unwrap();
    assert!(wire.is_silent(is_change).await, "nothing changed, so nothing is said");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e06_e07_e08_a_collection_is_announced_step_by_step() {
    let world = World::new().await;
    let truth = Truth::new(json!(["a", "b", "c", "d"]));
    let service = start(&world, collection("l", &truth)).await;
    world.ask("get.test.l", "").await;
    let mut wire = world.listen().await;
    truth.set(Ok(json!(["a", "c", "d", {"rid": "test.x"}, "b"])));
    service.refresh_now("test.l").await.unwrap();
    let mut transcript = Vec::new();
    for _ in 0..3 {
        transcript.push(next(&mut wire).await);
    }
    let expected = [
        ("event.test.l.remove", r#"{"idx":1}"#),
        ("event.test.l.add", r#"{"value":{"rid":"test.x"},"idx":3}"#),
        ("event.test.l.add", r#"{"value":"b","idx":4}"#),
    ];
    assert_eq!(transcript, expected.map(|(subject, payload)| (subject.to_owned(), payload.to_owned())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e09_a_remembered_resource_that_is_gone_is_deleted_once() {
    let world = World::new().await;
    let truth = Truth::new(json!({"a": 1}));
    let service = start(&world, model("m", &truth)).await;
    world.ask("get.test.m", "").await;
    let mut wire = world.listen().await;
    truth.set(Err(Error::NOT_FOUND));
    service.refresh_now("test.m").await.unwrap();
    assert_eq!(next(&mut wire).await, ("event.test.m.delete".to_owned(), String::new()));
    service.refresh_now("test.m").await.unwrap();
    assert_eq!(world.ask("get.test.m", "").await["error"]["code"], "system.notFound");
    assert!(wire.is_silent(is_change).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_get_that_finds_a_resource_gone_tells_those_who_still_have_it() {
    let world = World::new().await;
    let truth = Truth::new(json!({"a": 1}));
    let _service = start(&world, model("m", &truth)).await;
    world.ask("get.test.m", "").await;
    let mut wire = world.listen().await;
    truth.set(Err(Error::NOT_FOUND));
    wire.request("get.test.m", "reply.1", "").await;
    assert_eq!(next(&mut wire).await.0, "event.test.m.delete");
    assert_eq!(next(&mut wire).await.0, "reply.1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d01_a_get_publishes_what_changed_before_its_answer() {
    let world = World::new().await;
    let truth = Truth::new(json!({"seq": 1}));
    let _service = start(&world, model("m", &truth)).await;
    world.ask("get.test.m", "").await;
    let mut wire = world.listen().await;
    truth.set(Ok(json!({"seq": 2})));
    wire.request("get.test.m", "reply.1", "").await;
    assert_eq!(
        next(&mut wire).await,
        ("event.test.m.change".to_owned(), r#"{"values":{"seq":2}}"#.to_owned())
    );
    assert_eq!(next(&mut wire).await, ("reply.1".to_owned(), r#"{"result":{"model":{"seq":2}}}"#.to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resource_nobody_asked_for_is_not_even_read_on_a_refresh() {
    let world = World::new().await;
    let reads = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&reads);
    let resource = Resource::model("m.$id", move |_: Get| {
        counted.fetch_add(1, Ordering::SeqCst);
        async { Model::from_serialize(&json!({})) }
    });
    let service = start(&world, resource.owned_by_name(4)).await;
    service.refresh_now("test.m.1").await.unwrap();
    service.refresh("test.m.1").await.unwrap();
    world.ask("get.test.m.2", "").await;
    assert_eq!(reads.load(Ordering::SeqCst), 1);
}

/// A gateway takes an empty query in an answer for none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_whose_query_is_empty_is_that_of_the_resource_itself() {
    let world = World::new().await;
    let truth = Truth::new(json!({"a": 1}));
    let read = truth.clone();
    let resource = Resource::model("m", move |get: Get| {
        let read = read.clone();
        async move { Ok(Model::from_serialize(&read.read()?)?.query(get.query().unwrap_or_default())) }
    });
    let service = start(&world, resource).await;
    assert_eq!(world.ask("get.test.m", "").await, json!({"result": {"model": {"a": 1}}}));
    let mut wire = world.listen().await;
    truth.set(Ok(json!({"a": 2})));
    service.refresh("test.m").await.unwrap();
    let change = ("event.test.m.change".to_owned(), r#"{"values":{"a":2}}"#.to_owned());
    assert_eq!(next(&mut wire).await, change);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d11_changes_go_out_at_once_when_idle_and_then_at_their_pace_with_the_last_value() {
    let world = World::new().await;
    let truth = Truth::new(json!({"n": 0}));
    let service = start(&world, model("m", &truth).changes_per_second_max(1)).await;
    world.ask("get.test.m", "").await;
    let mut wire = world.listen().await;
    let started = Instant::now();
    let mut published = Vec::new();
    for n in 1..=300 {
        truth.set(Ok(json!({"n": n})));
        service.refresh("test.m").await.unwrap();
        if n == 1 {
            published.push(next(&mut wire).await.1);
            assert!(started.elapsed() < Duration::from_millis(900), "the first goes out at once");
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    while published.last().is_none_or(|payload| payload != r#"{"values":{"n":300}}"#) {
        published.push(next(&mut wire).await.1);
    }
    let seconds = started.elapsed().as_secs_f64();
    assert!(published.len() as f64 <= seconds + 1.0, "{} changes in {seconds} s", published.len());
    assert!(service.statistics().refreshes_conflated.get() > 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c08_a_set_publishes_its_change_before_its_answer_whatever_the_pace() {
    let world = World::new().await;
    let truth = Truth::new(json!({"n": 0}));
    let set = truth.clone();
    let resource = model("m", &truth).changes_per_second_max(1).call("set", move |call: Call| {
        let set = set.clone();
        async move {
            set.set(Ok(call.params::<Value>()?));
            call.service().refresh_now(call.name()).await?;
            Ok(Reply::null())
        }
    });
    let _service = start(&world, resource).await;
    world.ask("get.test.m", "").await;
    let mut wire = world.listen().await;
    for n in 1..=3 {
        wire.request("call.test.m.set", "reply.set", &json!({"params": {"n": n}}).to_string()).await;
        assert_eq!(
            next(&mut wire).await,
            ("event.test.m.change".to_owned(), format!("{{\"values\":{{\"n\":{n}}}}}"))
        );
        assert_eq!(next(&mut wire).await.0, "reply.set");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e10_e11_e12_e13_other_changes_are_published_as_they_are_and_reserved_names_are_not() {
    let world = World::new().await;
    let service = start(&world, model("m", &Truth::new(json!({})))).await;
    let mut wire = world.listen().await;
    service.create("test.m").await.unwrap();
    service.reaccess("test.m").await.unwrap();
    service.emit("test.m?q=1", "rang", &json!({"loud": true})).await.unwrap();
    service.emit("test.m", "silent", &()).await.unwrap();
    service.delete("test.m").await.unwrap();
    for (subject, payload) in [
        ("event.test.m.create", ""),
        ("event.test.m.reaccess", ""),
        ("event.test.m.rang", r#"{"loud":true}"#),
        ("event.test.m.silent", "null"),
        ("event.test.m.delete", ""),
    ] {
        assert_eq!(next(&mut wire).await, (subject.to_owned(), payload.to_owned()));
    }
    for name in ["change", "reset", "unsubscribe", "a.b", ""] {
        assert!(service.emit("test.m", name, &()).await.is_err(), "{name:?}");
    }
    for wrong in ["other.m", "test..m", "", "testing.m", &format!("test.{}", "x".repeat(4000))] {
        assert!(service.emit(wrong, "rang", &()).await.is_err(), "{wrong:?}");
        assert!(service.refresh(wrong).await.is_err(), "{wrong:?}");
        assert!(service.delete(wrong).await.is_err(), "{wrong:?}");
    }
    assert!(service.refresh("test.unknown").await.is_err(), "no such pattern");
    assert!(wire.is_silent(is_change).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn q01_q03_q05_a_refresh_of_a_query_resource_makes_gateways_ask_for_each_query() {
    let world = World::new().await;
    let gone = Arc::new(AtomicBool::new(false));
    let is_gone = Arc::clone(&gone);
    let resource = Resource::collection("list", move |get: Get| {
        let gone = is_gone.load(Ordering::SeqCst);
        async move {
            if gone {
                return Err(Error::NOT_FOUND);
            }
            let query = get.query().unwrap_or("all").to_owned();
            Ok(Collection::from_serialize(&[&query])?.query(query))
        }
    });
    let service = start(&world, resource.owned_by_name(4)).await;
    world.ask("get.test.list", r#"{"query":"a=1"}"#).await;
    let mut wire = world.listen().await;
    service.refresh("test.list").await.unwrap();
    let (subject, payload) = next(&mut wire).await;
    assert_eq!(subject, "event.test.list.query");
    let inbox: Value = serde_json::from_str(&payload).unwrap();
    let inbox = inbox["subject"].as_str().unwrap();
    assert_eq!(world.ask(inbox, r#"{"query":"a=1"}"#).await, json!({"result": {"collection": ["a=1"]}}));
    gone.store(true, Ordering::SeqCst);
    assert_eq!(world.ask(inbox, r#"{"query":"a=1"}"#).await["error"]["code"], "system.notFound");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e14_g06_a_model_has_changes_alone_and_a_collection_additions_and_removals_alone() {
    let world = World::new().await;
    let (properties, items) = (Truth::new(json!({})), Truth::new(json!([])));
    let builder = Builder::new("test").resource(model("m", &properties)).resource(collection("l", &items));
    let service = start_with(&world, builder).await;
    world.ask("get.test.m", "").await;
    world.ask("get.test.l", "").await;
    let mut wire = world.listen().await;
    for n in 1..=20_u32 {
        properties.set(Ok(json!({(n % 3).to_string(): n, "same": true})));
        items.set(Ok(json!((0..n * 7 % 5).map(|i| i * n % 4).collect::<Vec<_>>())));
        service.refresh_now("test.m").await.unwrap();
        service.refresh_now("test.l").await.unwrap();
    }
    properties.set(Ok(json!(["a list"])));
    items.set(Ok(json!({"a": "model"})));
    assert!(service.refresh_now("test.m").await.is_err());
    assert!(service.refresh_now("test.l").await.is_err());
    service.emit("test.m", "end", &()).await.unwrap();
    let mut names = std::collections::BTreeSet::new();
    loop {
        let (subject, _) = next(&mut wire).await;
        if subject == "event.test.m.end" {
            break;
        }
        names.insert(subject);
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(names, ["event.test.l.add", "event.test.l.remove", "event.test.m.change"]);
}
