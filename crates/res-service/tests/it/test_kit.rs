//! The test kit: right transcripts pass, and wrong ones fail with a picture that says what is wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use res_service::test_kit::{NatsServer, Session};
use res_service::{
    Access, Auth, Builder, Call, Collection, Error, Get, Grant, MemoryLease, Model, Reply, Resource,
};
use serde_json::{Value, json};
use tokio::sync::Notify;

/// Long enough for what comes, and short enough for what does not.
const SHORT: Duration = Duration::from_millis(300);

fn counter() -> Resource {
    let count = Arc::new(AtomicU64::new(0));
    let read = Arc::clone(&count);
    let add = move |call: &Call| {
        let by = call.raw_params().and_then(|params| params.parse().ok()).unwrap_or(1);
        count.fetch_add(by, Ordering::SeqCst) + by
    };
    let later = add.clone();
    Resource::model("counter", move |_: Get| {
        let count = read.load(Ordering::SeqCst);
        async move { Model::from_serialize(&json!({ "count": count })) }
    })
    .access(|access: Access| async move {
        let token: Option<Value> = access.token()?;
        Ok(if token.is_some() { Grant::all() } else { Grant::get().call(["add"]) })
    })
    .call("add", move |call: Call| {
        let now = add(&call);
        async move {
            call.service().refresh_now(call.name()).await?;
            Reply::result(&now)
        }
    })
    .call("addLater", move |call: Call| {
        let now = later(&call);
        async move {
            call.service().refresh(call.name()).await?;
            Reply::result(&now)
        }
    })
}

fn session_resource() -> Resource {
    Resource::new("session")
        .auth("login", |auth: Auth| async move {
            let user: Value = auth.params()?;
            auth.service().set_token(auth.cid(), &user, None).await?;
            Reply::result(&json!([auth.header("user-agent"), auth.host(), auth.remote_address(), auth.uri()]))
        })
        .call("who", |call: Call| async move {
            let token: Option<Value> = call.token()?;
            let reply = Reply::result(&json!({"cid": call.cid(), "token": token, "query": call.query()}))?;
            Ok(reply.status(303).header("Location", "/there"))
        })
        .call("fail", |_: Call| async {
            Err(Error::custom("test.taken", "Taken").with_data(&json!({"seat": 1})))
        })
        .call("new", |_: Call| async { Reply::resource("test.item.77") })
}

fn everything() -> Builder {
    Builder::new("test")
        .resource(counter())
        .resource(session_resource())
        .resource(Resource::model("item.$id", |get: Get| async move {
            let id: String = get.parameter("id")?;
            Model::from_serialize(&json!({"id": id, "at": "2027-01-01", "price": 12}))
        }))
        .resource(Resource::collection("list", |get: Get| async move {
            Ok(Collection::from_serialize(&["a", "b"])?.query(get.query().unwrap_or("all")))
        }))
        .resource(Resource::model("broken.$id", |_: Get| async {
            Err::<Model, _>(Error::internal("the database is away"))
        }))
        .resource(Resource::new("elsewhere").access_elsewhere())
}

async fn session() -> Session {
    Session::start(everything()).await
}

/// The picture of a transcript that must fail.
async fn picture(session: &Session, transcript: &str) -> String {
    session.check(transcript).await.expect_err("the transcript is wrong").to_string()
}

#[path = "test_kit/pictures.rs"]
mod pictures;

#[tokio::test]
async fn a_right_transcript_passes_with_every_kind_of_line() {
    let session = session().await;
    session
        .transcript(
            r#"
            # The reset of the start may be asked for, and needs not.
            < system.reset {"resources":["test","test.>"]}
            > get.test.counter
            < {"result":{"model":{"count":0}}}
            > access.test.counter {"token":null,"cid":"c1"}
            < {"result":{"get":true,"call":"add"}}
            > call.test.counter.add
                {"params":
                # by five
                5}
            < event.test.counter.change {"values":{"count":5}}
            < {"result":5.0}
            > auth.test.session.login {"params":{"user":"ann"},"cid":"c1","header":{"User-Agent":["x"]}}
            < conn.c1.token {"token":{"user":"ann"}}
            < {"result":["x","","",""]}
            > get.test.list {"query":"q=1"}
            < {"result":{"query":"q=1","collection":["a","b"]}}
            > get.test.gone
            < {"error":{"message":"Not found","code":"system.notFound"}}
            > access.test.elsewhere {}
            "#,
        )
        .await;
    session.stop().await;
}

#[tokio::test]
async fn the_resets_of_the_start_are_passed_over() {
    let session = Session::start(everything().request_timeout(Duration::ZERO)).await;
    session.transcript("< system.reset {\"resources\":[\"test\",\"test.>\"]}").await;
    // The second comes after a second; the log has it, and no line is needed.
    let resets = || session.service().statistics().resets_published.get();
    crate::world::eventually("the second reset is out", resets, |resets| *resets == 2).await;
    session.transcript("> get.test.counter\n< {\"result\":{\"model\":{\"count\":0}}}").await;
}

#[tokio::test]
async fn placeholders_stand_for_what_is_not_known_beforehand() {
    let session = session().await;
    session
        .transcript(
            r#"
            > call.test.session.new {}
            < {"resource":{"rid":"test.item.$id"}}
            > get.test.item.$id
            < {"result":{"model":{"id":"$id","at":"$any","$others":""}}}
            "#,
        )
        .await;
    assert_eq!(session.captured("id"), Some(json!("77")));
    session.capture("id", "78");
    session.transcript("> get.test.item.$id\n< {\"result\":{\"model\":{\"id\":\"78\",\"$others\":0}}}").await;
    let picture =
        picture(&session, "> get.test.item.77\n< {\"result\":{\"model\":{\"id\":\"$id\",\"$others\":0}}}")
            .await;
    assert!(picture.contains(r#"result.model.id: $id is "78" by now, and "77" came"#), "{picture}");
}

#[tokio::test]
async fn several_requests_at_a_time_have_numbers_and_pre_responses_may_be_asked_for() {
    let go = Arc::new(Notify::new());
    let goes = Arc::clone(&go);
    let slow = Resource::new("slow")
        .calls_side_by_side()
        .call("wait", move |_: Call| {
            let goes = Arc::clone(&goes);
            async move {
                goes.notified().await;
                Ok(Reply::null())
            }
        })
        .call("go", move |_: Call| {
            go.notify_one();
            async { Ok(Reply::null()) }
        });
    let session = Session::start(Builder::new("test").resource(slow)).await;
    session
        .transcript(
            r#"
            >1 call.test.slow.wait {}
            <1 timeout:"10000"
            >2 call.test.slow.go {}
            <2 {"result":null}
            <1 {"result":null}
            "#,
        )
        .await;
    let pre_responses = || session.service().statistics().pre_responses.get();
    let go_after = async |count: u64| {
        crate::world::eventually("the pre-response is out", pre_responses, |sent| *sent == count).await;
        session.call("test.slow", "go", &()).await.result::<()>();
    };
    // A pre-response depends on time, so that it needs no line.
    let unnamed = session.transcript("> call.test.slow.wait {}\n< {\"result\":null}");
    tokio::join!(unnamed, go_after(2));
    let (answer, ()) = tokio::join!(session.call("test.slow", "wait", &()), go_after(3));
    assert_eq!(answer.pre_responses(), ["timeout:\"10000\""]);
    let wrong = picture(
        &session,
        ">1 call.test.slow.wait {}\n>2 call.test.slow.go {}\n<1 {\"result\":null}\n<2 {\"result\":null}",
    )
    .await;
    assert!(
        wrong.contains("the answer to another request") && wrong.contains("(the answer to line 2)"),
        "{wrong}"
    );
}

#[tokio::test]
async fn the_reset_that_follows_a_failed_get_needs_no_line() {
    let session = session().await;
    session
        .transcript("> get.test.broken.1\n< {\"error\":{\"code\":\"system.internalError\",\"message\":\"Internal error\"}}")
        .await;
    session.transcript("< system.reset {\"resources\":[\"test.broken.1\"]}").await;
    session.service().reset(&["test.broken.1"], &[]).await.unwrap();
    session.transcript("").await;
    session.service().reset(&["test.other"], &[]).await.unwrap();
    let wrong = picture(&session, "").await;
    assert!(wrong.contains("< system.reset {\"resources\":[\"test.other\"]}"), "{wrong}");
}

#[tokio::test]
async fn answers_are_read_by_their_kind() {
    let session = session().await;
    let ann = session.client().cid("c9").token(&json!("ann")).is_http();
    let answer = ann.call("test.session?q=1", "who", &()).await;
    assert_eq!(answer.result::<Value>(), json!({"cid": "c9", "token": "ann", "query": "q=1"}));
    assert_eq!((answer.status(), answer.header("Location")), (Some(303), vec!["/there"]));
    assert_eq!(session.call("test.session", "who", &()).await.status(), None, "not over HTTP");
    assert_eq!(session.call("test.session", "new", &()).await.resource(), "test.item.77");
    let error = session.call("test.session", "fail", &()).await.error();
    assert_eq!(error, Error::custom("test.taken", "Taken").with_data(&json!({"seat": 1})));
    let list = session.get("test.list?b").await;
    assert_eq!((list.collection::<Vec<String>>(), list.query()), (vec!["a".into(), "b".into()], Some("b")));
    assert_eq!(session.get("test.counter").await.model::<Value>(), json!({"count": 0}));
    let granted = session.access("test.counter", &()).await.granted();
    assert!(granted.get && granted.may_call("add") && !granted.may_call("reset"));
    assert!(session.access("test.counter", &json!(1)).await.granted().may_call("reset"));
    assert!(!session.access("test.list", &()).await.granted().get);
    let wrong = std::panic::AssertUnwindSafe(async { answer.error() });
    let panic = futures::FutureExt::catch_unwind(wrong).await.expect_err("no error");
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(text.contains("the answer to call.test.session.who has no error: {"), "{text}");
}

#[tokio::test]
async fn the_token_that_the_service_sets_comes_with_the_clients_next_requests() {
    let session = session().await;
    let ann = session.client().header("User-Agent", "x").host("h").remote_address("1.2.3.4:5").uri("/u");
    let from = ann.auth("test.session", "login", &json!({"user": "ann"})).await;
    assert_eq!(from.result::<Value>(), json!(["x", "h", "1.2.3.4:5", "/u"]));
    let who: Value = ann.call("test.session", "who", &()).await.result();
    assert_eq!(who["token"], json!({"user": "ann"}));
    let published = session.published().await.unwrap();
    assert_eq!(published.len(), 1);
    assert!(published[0].subject.starts_with("conn.client") && published[0].subject.ends_with(".token"));
    ann.transcript(
        r#"
        > access.test.counter
        < {"result":{"get":true,"call":"*"}}
        > call.test.session.who {"token":"another"}
        < {"result":{"cid":"$cid","token":"another","query":null}}
        "#,
    )
    .await;
    assert_eq!(session.captured("cid"), Some(who["cid"].clone()));
}

#[tokio::test]
async fn a_panic_names_the_line_of_the_test() {
    let session = session().await;
    let line = line!() + 1;
    let failing = std::panic::AssertUnwindSafe(session.transcript("< event.test.counter.change {}\n<"));
    let panic = futures::FutureExt::catch_unwind(failing).await.expect_err("wrong");
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(
        text.contains(&format!("test_kit.rs:{line}:")) && text.contains("line 2 of the transcript"),
        "{text}"
    );
}

#[tokio::test]
async fn replicas_and_other_services_belong_to_the_same_transcripts() {
    let lease = MemoryLease::new(Duration::from_secs(30));
    let replica = |name: &str| Builder::new("test").replica(name).lease(lease.clone()).resource(counter());
    let session = Session::start(replica("a")).await;
    session.start_another(replica("b")).await;
    let other = Builder::new("other")
        .resource(Resource::new("x").call("ping", |_: Call| async { Ok(Reply::null()) }));
    session.start_another(other).await;
    for _ in 0..4 {
        // Whichever replica gets it, the owner answers.
        assert_eq!(session.get("test.counter").await.model::<Value>(), json!({"count": 0}));
    }
    session.transcript("> call.other.x.ping {}\n< {\"result\":null}").await;
    session.stop().await;
}

#[tokio::test]
async fn a_query_change_is_played_by_the_subject_it_gives() {
    let list = Resource::collection("found", |get: Get| async move {
        let query = get.query().unwrap_or("").to_owned();
        Ok(Collection::from_serialize(&[query.as_str()])?.query(query))
    });
    let session = Session::start(Builder::new("test").resource(list)).await;
    session.transcript("> get.test.found {\"query\":\"q=1\"}\n< {\"result\":{\"collection\":[\"q=1\"],\"query\":\"q=1\"}}").await;
    session.service().refresh("test.found").await.unwrap();
    session
        .transcript(
            r#"
            < event.test.found.query {"subject":"$inbox"}
            > $inbox {"query":"q=1"}
            < {"result":{"collection":["q=1"]}}
            "#,
        )
        .await;
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why() {
    let error = NatsServer::start_with("max_payload: many").await.expect_err("a wrong configuration");
    let text = error.to_string();
    assert!(text.contains("does not start: it ended with") && text.contains("nats.conf:2"), "{text}");
}

#[tokio::test]
async fn a_server_is_gone_with_its_data_when_it_is_dropped() {
    let server = NatsServer::start().await.unwrap();
    let session = Session::on(&server, everything()).await;
    assert_eq!(session.get("test.counter").await.model::<Value>(), json!({"count": 0}));
    session.stop().await;
    let address = server.url().trim_start_matches("nats://").to_owned();
    assert!(std::net::TcpStream::connect(&address).is_ok(), "the session leaves the server alone");
    drop(server);
    assert!(std::net::TcpStream::connect(&address).is_err());
}
