//! Handlers that fail, hang, panic or say too much, and services that are full or leave.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use res_service::{Access, Auth, Builder, Call, Error, ErrorKind, Get, Grant, Model, Reply, Resource};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::world::{PATIENCE, World, eventually};

fn one_call<F, Fut>(call: F) -> Resource
where
    F: Fn(Call) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Reply, Error>> + Send + 'static,
{
    Resource::new("x").call("do", call)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r11_a_panicking_handler_is_answered_for_and_the_service_lives_on() {
    let world = World::new().await;
    let service = Builder::new("test")
        .resource(one_call(|call: Call| async move {
            assert!(call.raw_params().is_none(), "a panic with a secret in it");
            Ok(Reply::null())
        }))
        .resource(Resource::model("m", |_: Get| async { panic!("in a get") }))
        .start(world.connect().await)
        .await
        .unwrap();
    let internal = json!({"error": {"code": "system.internalError", "message": "Internal error"}});
    assert_eq!(world.ask("call.test.x.do", r#"{"params":1}"#).await, internal);
    assert_eq!(world.ask("get.test.m", "").await, internal);
    assert_eq!(world.ask("get.test.m", "").await, internal, "the group goes on after a panic");
    assert_eq!(world.ask("call.test.x.do", "").await, json!({"result": null}));
    assert_eq!(service.statistics().handler_panics.get(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r14_r16_a_slow_handler_is_preceded_by_a_pre_response_byte_for_byte() {
    let world = World::new().await;
    let service = Builder::new("test")
        .resource(one_call(|_| async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            Ok(Reply::null())
        }))
        .resource(
            Resource::model("slow", |get: Get| async move {
                tokio::time::sleep(Duration::from_secs(3)).await;
                let model = Model::from_serialize(&json!({}))?;
                Ok(if get.query().is_some() { model.query("q") } else { model })
            })
            .access(|_: Access| async {
                tokio::time::sleep(Duration::from_secs(3)).await;
                Ok(Grant::get())
            })
            .auth("login", |_: Auth| async {
                tokio::time::sleep(Duration::from_secs(3)).await;
                Ok(Reply::null())
            }),
        )
        .start(world.connect().await)
        .await
        .unwrap();
    let queries = format!("res.query.test.{}.test.slow", service.replica());
    let asked = ["call.test.x.do", "get.test.slow", "access.test.slow", "auth.test.slow.login", &queries];
    let started = Instant::now();
    let all = asked.map(|subject| world.answers(subject, r#"{"query":"q"}"#));
    let all = futures::future::join_all(all).await;
    // The get and the query are of one group, so they come one after the other.
    assert!(started.elapsed() < Duration::from_secs(9));
    for (subject, answers) in asked.iter().zip(all) {
        assert_eq!(answers.len(), 2, "{subject}: {answers:?}");
        assert_eq!(answers[0].as_ref(), b"timeout:\"10000\"");
        assert_eq!(answers[1].first(), Some(&b'{'));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r14_a_handler_may_ask_for_time_by_hand_whatever_it_handles() {
    let world = World::new().await;
    let _service = Builder::new("test")
        .handler_time_max(Duration::from_secs(25))
        .resource(
            Resource::model("x", |get: Get| async move {
                get.extend_timeout(Duration::from_millis(1234));
                Ok(Model::from_serialize(&json!({}))?.query("q"))
            })
            .access(|access: Access| async move {
                access.extend_timeout(Duration::from_secs(5));
                Ok(Grant::get())
            })
            .call("do", |call: Call| async move {
                call.extend_timeout(Duration::from_secs(20));
                call.extend_timeout(Duration::from_secs(3600));
                Ok(Reply::null())
            })
            .auth("login", |auth: Auth| async move {
                auth.extend_timeout(Duration::ZERO);
                // Who keeps the request longer than it lasts speaks for nobody.
                let answered = auth.service().clone();
                tokio::spawn(async move {
                    let in_work = || answered.statistics().auth_requests.get();
                    eventually("the next request", in_work, |requests| *requests == 2).await;
                    auth.extend_timeout(Duration::from_secs(7));
                });
                Ok(Reply::null())
            }),
        )
        .start(world.connect().await)
        .await
        .unwrap();
    for (subject, expected) in [
        ("get.test.x", vec!["timeout:\"1234\""]),
        ("access.test.x", vec!["timeout:\"5000\""]),
        ("call.test.x.do", vec!["timeout:\"20000\"", "timeout:\"25000\""]),
        ("auth.test.x.login", vec!["timeout:\"1\""]),
        ("auth.test.x.login", vec!["timeout:\"1\""]),
    ] {
        let answers = world.answers(subject, r#"{"query":"q"}"#).await;
        let [pre_responses @ .., answer] = answers.as_slice() else { panic!("{subject} has no answer") };
        assert_eq!(pre_responses, expected, "{subject}");
        assert_eq!(answer.first(), Some(&b'{'));
    }
}

/// Answers that find no room in the connection's buffer wait for it, and none is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_with_room_for_one_message_answers_all() {
    let world = World::new().await;
    let options = async_nats::ConnectOptions::new().client_capacity(1);
    let _service = Builder::new("test")
        .resource(one_call(|_| async { Ok(Reply::null()) }))
        .resource(Resource::model("m.$n", |get: Get| async move {
            Model::from_serialize(&json!({"n": get.parameter::<u32>("n")?}))
        }))
        .start(options.connect(world.url()).await.unwrap())
        .await
        .unwrap();
    let asked = (0..200).map(|number| {
        let world = &world;
        async move {
            assert_eq!(world.ask("call.test.x.do", "").await, json!({"result": null}));
            let got = world.ask(&format!("get.test.m.{number}"), "").await;
            assert_eq!(got, json!({"result": {"model": {"n": number}}}));
        }
    });
    futures::future::join_all(asked).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_never_ends_is_dropped_and_answered_for() {
    struct Dropped(Arc<AtomicBool>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let world = World::new().await;
    let dropped = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&dropped);
    let service = Builder::new("test")
        .handler_time_max(Duration::from_millis(200))
        .resource(one_call(move |_| {
            let held = Dropped(Arc::clone(&seen));
            async move {
                let _held = held;
                std::future::pending().await
            }
        }))
        .start(world.connect().await)
        .await
        .unwrap();
    assert_eq!(world.ask("call.test.x.do", "").await["error"]["code"], "system.internalError");
    assert!(dropped.load(Ordering::SeqCst));
    assert_eq!(service.statistics().handler_timeouts.get(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t10_an_answer_that_is_too_large_is_an_error_and_not_silence() {
    let world = World::with("max_payload: 4096").await;
    let _service = Builder::new("test")
        .resource(one_call(|_| async { Reply::result(&"x".repeat(5000)) }))
        .resource(Resource::model("m", |_: Get| async {
            Model::from_serialize(&json!({"x": "x".repeat(5000)}))
        }))
        .start(world.connect().await)
        .await
        .unwrap();
    assert_eq!(world.ask("call.test.x.do", "").await["error"]["code"], "system.internalError");
    assert_eq!(world.ask("get.test.m", "").await["error"]["code"], "system.internalError");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t10_what_is_too_large_to_be_said_is_refused_and_a_change_becomes_a_reset() {
    let world = World::with("max_payload: 4096").await;
    let length = Arc::new(AtomicUsize::new(10));
    let of_model = Arc::clone(&length);
    let model = Resource::model("m", move |_: Get| {
        let text = "x".repeat(of_model.load(Ordering::SeqCst));
        async move { Model::from_serialize(&json!({"text": text})) }
    });
    let builder = Builder::new("test").request_timeout(Duration::from_secs(60)).resource(model);
    let service = builder.start(world.connect().await).await.unwrap();
    world.ask("get.test.m", "").await;
    let mut wire = world.listen().await;
    let large = "x".repeat(5_000);
    for refused in [
        service.emit("test.m", "said", &large).await,
        service.set_token("c1", &large, None).await,
        service.reset_tokens(&[&large], "auth.test.m.renew").await,
    ] {
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Internal);
    }
    length.store(5_000, Ordering::SeqCst);
    service.refresh("test.m").await.unwrap();
    let reset = ("system.reset".to_owned(), r#"{"resources":["test.m"]}"#.to_owned());
    let of_everything = r#"{"resources":["test","test.>"]}"#;
    let mut said = wire.next().await;
    if said.1 == of_everything {
        said = wire.next().await;
    }
    assert_eq!(said, reset);
    length.store(20, Ordering::SeqCst);
    service.refresh_now("test.m").await.unwrap();
    let change = wire.next_where(|subject| subject.starts_with("event.")).await;
    assert_eq!(
        change.1,
        format!(r#"{{"values":{{"text":"{}"}}}}"#, "x".repeat(20)),
        "and all goes on from there"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_service_refuses_at_once_with_its_own_error() {
    let world = World::new().await;
    let gate = Arc::new(Semaphore::new(0));
    let waiting = Arc::clone(&gate);
    let service = Builder::new("test")
        .queue_capacity(2)
        .busy_error(Error::custom("test.busy", "Come back later"))
        .resource(one_call(move |_| {
            let gate = Arc::clone(&waiting);
            async move {
                gate.acquire().await.unwrap().forget();
                Ok(Reply::null())
            }
        }))
        .start(world.connect().await)
        .await
        .unwrap();
    let held = [world.answers("call.test.x.do", ""), world.answers("call.test.x.do", "")];
    let refused = async {
        eventually("two calls are in work", || service.statistics().call_requests.get(), |calls| *calls == 2)
            .await;
        let refused = world.ask("call.test.x.do", "").await;
        gate.add_permits(3);
        refused
    };
    let (held, refused) = tokio::join!(futures::future::join_all(held), refused);
    assert_eq!(refused, json!({"error": {"code": "test.busy", "message": "Come back later"}}));
    assert!(held.iter().all(|answers| answers.last().unwrap().as_ref() == b"{\"result\":null}"));
    assert_eq!(world.ask("call.test.x.do", "").await, json!({"result": null}), "there is room again");
    assert_eq!(service.statistics().busy_replies.get(), 1);
}

/// A gateway takes any error for a denial, and ends the subscription.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_many_questions_about_access_as_can_be_in_work_wait_for_their_turn() {
    let world = World::new().await;
    let (gate, inside) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let (waiting, entered) = (Arc::clone(&gate), Arc::clone(&inside));
    let guarded = Resource::new("x.$n").access(move |_: Access| {
        let (gate, inside) = (Arc::clone(&waiting), Arc::clone(&entered));
        async move {
            let now_inside = inside.fetch_add(1, Ordering::SeqCst) + 1;
            assert!(now_inside <= 4, "{now_inside} rules are asked at a time");
            gate.acquire().await.map_err(Error::internal)?.forget();
            inside.fetch_sub(1, Ordering::SeqCst);
            Ok(Grant::get())
        }
    });
    let builder = Builder::new("test").queue_capacity(4).busy_error(Error::custom("test.busy", "Later"));
    let service = builder.resource(guarded).start(world.connect().await).await.unwrap();
    let world = &world;
    let asked =
        (0..8).map(|number| async move { world.answers(&format!("access.test.x.{number}"), "{}").await });
    let decided = async {
        let taken = || service.statistics().access_requests.get();
        eventually("four are in work and four wait", taken, |taken| *taken == 8).await;
        let refused = world.ask("access.test.x.more", "{}").await;
        gate.add_permits(9);
        refused
    };
    let (answers, refused) = tokio::join!(futures::future::join_all(asked), decided);
    assert_eq!(refused, json!({"error": {"code": "test.busy", "message": "Later"}}));
    for answer in answers {
        assert_eq!(answer.last().unwrap().as_ref(), br#"{"result":{"get":true}}"#);
    }
    assert_eq!(world.ask("access.test.x.again", "{}").await, json!({"result": {"get": true}}));
    assert_eq!(service.statistics().busy_replies.get(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r14_who_waits_behind_a_rule_that_hangs_is_told_so_and_has_its_turn_after_it() {
    let world = World::new().await;
    let hung = Arc::new(AtomicBool::new(false));
    let guarded = Resource::new("x").access(move |_: Access| {
        let hangs = !hung.swap(true, Ordering::SeqCst);
        async move {
            if hangs {
                std::future::pending::<()>().await;
            }
            Ok(Grant::get())
        }
    });
    let builder = Builder::new("test").queue_capacity(1).handler_time_max(Duration::from_secs(3));
    let service = builder.resource(guarded).start(world.connect().await).await.unwrap();
    let (hanging, waiting) = tokio::join!(world.answers("access.test.x", "{}"), async {
        let taken = || service.statistics().access_requests.get();
        eventually("the first hangs", taken, |taken| *taken == 1).await;
        world.answers("access.test.x", "{}").await
    });
    let dropped: serde_json::Value = serde_json::from_slice(hanging.last().unwrap()).unwrap();
    assert_eq!(dropped["error"]["code"], "system.internalError");
    assert_eq!(waiting, [&b"timeout:\"10000\""[..], br#"{"result":{"get":true}}"#]);
    service.stop(PATIENCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d8_a_get_refused_for_want_of_room_is_asked_for_again() {
    let world = World::new().await;
    let gate = Arc::new(Semaphore::new(0));
    let waiting = Arc::clone(&gate);
    let slow = Resource::model("slow", move |_: Get| {
        let gate = Arc::clone(&waiting);
        async move {
            gate.acquire().await.unwrap().forget();
            Model::from_serialize(&json!({"x": 1}))
        }
    });
    let quick = Resource::model("quick", |_: Get| async { Model::from_serialize(&json!({"x": 2})) });
    let service = Builder::new("test")
        .queue_capacity(1)
        .resource(slow)
        .resource(quick)
        .start(world.connect().await)
        .await
        .unwrap();
    let mut wire = world.listen().await;
    let held = world.answers("get.test.slow", "");
    let refused = async {
        eventually("a get is in work", || service.statistics().get_requests.get(), |gets| *gets == 1).await;
        let refused = world.ask("get.test.quick", "").await;
        gate.add_permits(1);
        refused
    };
    let (_, refused) = tokio::join!(held, refused);
    assert_eq!(refused["error"]["message"], "Busy");
    // The wire gives up after a while and says what it has seen.
    loop {
        let (_, reset) = wire.next_where(|subject| subject == "system.reset").await;
        if reset == r#"{"resources":["test.quick"]}"# {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d10_a_stopping_service_finishes_what_it_has_taken_and_takes_no_more() {
    let world = World::new().await;
    let gate = Arc::new(Semaphore::new(0));
    let waiting = Arc::clone(&gate);
    let service = Builder::new("test")
        .resource(
            one_call(move |_| {
                let gate = Arc::clone(&waiting);
                async move {
                    gate.acquire().await.unwrap().forget();
                    Reply::result("done")
                }
            })
            .calls_side_by_side()
            .call("ping", |_| async { Ok(Reply::null()) }),
        )
        .start(world.connect().await)
        .await
        .unwrap();
    let stop = async {
        eventually("the call is in work", || service.statistics().call_requests.get(), |calls| *calls == 1)
            .await;
        let stopping = tokio::spawn({
            let service = service.clone();
            async move { service.stop(Duration::from_secs(10)).await }
        });
        // Requests are answered until nobody listens any more, which the server says.
        while let Ok(answer) = world.client.request("call.test.x.ping", "".into()).await {
            assert_eq!(answer.payload.as_ref(), b"{\"result\":null}");
        }
        gate.add_permits(1);
        stopping.await.unwrap().unwrap();
    };
    let (answer, ()) = tokio::join!(world.ask("call.test.x.do", ""), stop);
    assert_eq!(answer, json!({"result": "done"}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_that_cannot_finish_says_so_by_its_deadline() {
    let world = World::new().await;
    let service = Builder::new("test")
        .resource(one_call(|_| std::future::pending()))
        .start(world.connect().await)
        .await
        .unwrap();
    world.client.publish_with_reply("call.test.x.do", "nobody", "".into()).await.unwrap();
    eventually("the call is in work", || service.statistics().call_requests.get(), |calls| *calls == 1).await;
    let error = service.stop(Duration::from_millis(300)).await.unwrap_err();
    assert_eq!(error.code(), "system.internalError");
    service.stop(Duration::from_millis(300)).await.expect("stopping twice is stopping once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_shows_itself_without_its_token_and_parameters() {
    let resource = Resource::new("x")
        .call("show", |call: Call| async move { Reply::result(&format!("{call:?} {:?}", call.service())) });
    let world = World::new().await;
    let service =
        Builder::new("test").replica("a").resource(resource).start(world.connect().await).await.unwrap();
    let asked = r#"{"cid":"c1","query":"q=1","token":{"user":"ann"},"params":{"password":"secret"}}"#;
    let shown = world.ask("call.test.x.show", asked).await["result"].to_string();
    for part in ["test.x", "show", "c1", "q=1", "replica"] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    assert!(!shown.contains("ann") && !shown.contains("secret"), "{shown}");
    service.stop(PATIENCE).await.unwrap();
}
