//! Requests and their answers, as transcripts. The names begin with the rows of the protocol's checklist.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use res_service::{
    Access, Auth, Builder, Call, Collection, Error, Get, Grant, Model, Reply, Resource, Service, StartError,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::world::World;

/// A service with one resource of every kind that these tests ask about.
async fn service(world: &World) -> Service {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Params {
        seat: String,
    }
    #[derive(Deserialize)]
    struct Role {
        role: String,
    }
    Builder::new("test")
        .resource(
            Resource::model("item.$id", |get: Get| async move {
                let id: u32 = get.parameter("id")?;
                Model::from_serialize(&json!({"id": id}))
            })
            .access(|access: Access| async move {
                let id: u32 = access.parameter("id")?;
                Ok(if id == 1 { Grant::get().call(["echo", "who"]) } else { Grant::none() })
            })
            .call("echo", |call: Call| async move { Reply::result(&call.raw_params().map(str::to_owned)) })
            .call("take", |call: Call| async move {
                let params: Params = call.params()?;
                Reply::result(&params.seat)
            })
            .call("new", |call: Call| async move { Reply::resource(format!("{}.new", call.name())) })
            .call("who", |call: Call| async move {
                let token: Option<Value> = call.token()?;
                Reply::result(&json!({"cid": call.cid(), "token": token, "isHttp": call.is_http(), "query": call.query()}))
            })
            .call("strict", |call: Call| async move {
                let _: Option<u32> = call.token()?;
                Ok(Reply::null())
            })
            .call("role", |call: Call| async move { Reply::result(&call.token::<Role>()?.map(|token| token.role)) })
            .call("moved", |_: Call| async move { Ok(Reply::resource("test.item.2")?.status(303).header("location", "/x")) })
            .call("fail", |_: Call| async move { Err(Error::custom("test.taken", "Taken").with_data(&json!({"seat": "A-1"}))) })
            .call("*", |call: Call| async move { Reply::result(&format!("any: {}", call.method())) }),
        )
        .resource(Resource::collection("list", |get: Get| async move {
            let mut parts: Vec<&str> = get.query().unwrap_or("").split('&').collect();
            parts.sort_unstable();
            Ok(Collection::from_serialize(&parts)?.query(parts.join("&")))
        }))
        .resource(
            Resource::new("session")
                .auth("login", |auth: Auth| async move {
                    auth.service().set_token(auth.cid(), &json!({"user": auth.cookie("user")}), Some("tid-1")).await?;
                    Reply::result(&json!({
                        "agent": auth.header("user-agent"), "host": auth.host(), "from": auth.remote_address(), "uri": auth.uri(),
                    }))
                })
                .call("only", |_| async { Ok(Reply::null()) }),
        )
        .resource(Resource::new("elsewhere").access_elsewhere())
        .resource(Resource::model("", |_: Get| async { Model::from_serialize(&json!({"root": true})) }).call("ping", |_| async { Ok(Reply::null()) }))
        .start(world.connect().await)
        .await
        .unwrap()
}

fn code(answer: &Value) -> &str {
    answer["error"]["code"].as_str().unwrap_or("no error")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t01_the_method_is_what_follows_the_last_dot() {
    let world = World::new().await;
    let _service = service(&world).await;
    assert_eq!(world.ask("call.test.item.7.unheard", "").await, json!({"result": "any: unheard"}));
    assert_eq!(
        world.ask("call.test.ping", "").await,
        json!({"result": null}),
        "a method of the root resource"
    );
    assert_eq!(world.ask("get.test.item.7", "").await, json!({"result": {"model": {"id": 7}}}));
    assert_eq!(world.ask("get.test", "").await, json!({"result": {"model": {"root": true}}}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t02_new_is_an_ordinary_method_that_may_answer_a_resource() {
    let world = World::new().await;
    let _service = service(&world).await;
    assert_eq!(
        world.ask("call.test.item.7.new", "{}").await,
        json!({"resource": {"rid": "test.item.7.new"}})
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t07_t15_g03_the_query_comes_from_the_payload_unescaped_and_goes_back_normalised() {
    let world = World::new().await;
    let _service = service(&world).await;
    let answer = world.ask("get.test.list", "{\"query\":\"q=1\\u0026a=b\"}").await;
    assert_eq!(answer, json!({"result": {"collection": ["a=b", "q=1"], "query": "a=b&q=1"}}));
    assert_eq!(world.ask("get.test.list", "{\"query\":\"a=b\\u0026q=1\"}").await, answer);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t14_c01_empty_null_and_unknown_members_are_all_accepted() {
    let world = World::new().await;
    let _service = service(&world).await;
    let nobody = json!({"result": {"cid": "", "token": null, "isHttp": false, "query": null}});
    for payload in [
        "",
        "{}",
        " {} ",
        "null",
        r#"{"cid":null,"token":null,"params":null,"query":null,"isHttp":null,"header":null}"#,
        r#"{"unknown":{"deep":[1,{"er":2}]},"query":""}"#,
    ] {
        assert_eq!(world.ask("call.test.item.1.who", payload).await, nobody, "{payload}");
        assert_eq!(
            world.ask("get.test.item.1", payload).await,
            json!({"result": {"model": {"id": 1}}}),
            "{payload}"
        );
        assert_eq!(world.ask("call.test.item.1.echo", payload).await, json!({"result": null}), "{payload}");
    }
    let asked = r#"{"cid":"c\u0031","token":{"u":"ü"},"query":"a\u0026b","isHttp":true,"params":[1, 2]}"#;
    assert_eq!(
        world.ask("call.test.item.1.who", asked).await,
        json!({"result": {"cid": "c1", "token": {"u": "ü"}, "isHttp": true, "query": "a&b"}})
    );
    assert_eq!(world.ask("call.test.item.1.echo", asked).await, json!({"result": "[1, 2]"}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t16_a_payload_that_is_not_json_is_answered_with_an_error() {
    let world = World::new().await;
    let _service = service(&world).await;
    for payload in ["{", "[]", "no", "{\"cid\":1}", "\u{0}"] {
        for subject in
            ["call.test.item.1.who", "get.test.item.1", "access.test.item.1", "auth.test.session.login"]
        {
            assert_eq!(
                code(&world.ask(subject, payload).await),
                "system.internalError",
                "{subject} {payload:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t17_a_request_without_a_reply_subject_is_passed_over() {
    let world = World::new().await;
    let _service = service(&world).await;
    for subject in
        ["call.test.item.1.who", "get.test.item.1", "access.test.item.1", "auth.test.session.login"]
    {
        world.client.publish(subject, "{}".into()).await.unwrap();
    }
    assert_eq!(world.ask("call.test.ping", "").await, json!({"result": null}), "the service lives on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t18_what_matches_no_pattern_is_not_found() {
    let world = World::new().await;
    let _service = service(&world).await;
    for subject in
        ["get.test.other", "access.test.other", "call.test.other.x", "auth.test.other.x", "get.test.session"]
    {
        assert_eq!(
            world.ask(subject, "{}").await,
            json!({"error": {"code": "system.notFound", "message": "Not found"}}),
            "{subject}"
        );
    }
    assert_eq!(
        code(&world.ask("get.test.item.seven", "").await),
        "system.notFound",
        "a value that does not parse"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r01_r05_r08_an_answer_has_one_kind_and_meta_only_over_http() {
    let world = World::new().await;
    let _service = service(&world).await;
    assert_eq!(world.ask("call.test.item.1.moved", "{}").await, json!({"resource": {"rid": "test.item.2"}}));
    assert_eq!(
        world.ask("call.test.item.1.moved", r#"{"isHttp":true}"#).await,
        json!({"resource": {"rid": "test.item.2"}, "meta": {"status": 303, "header": {"Location": ["/x"]}}})
    );
    assert_eq!(
        world.ask("call.test.item.1.fail", "{}").await,
        json!({"error": {"code": "test.taken", "message": "Taken", "data": {"seat": "A-1"}}})
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a01_a03_a06_access_lists_exactly_what_is_granted() {
    let world = World::new().await;
    let _service = service(&world).await;
    let asked = r#"{"token":null,"cid":"c1"}"#;
    assert_eq!(
        world.ask("access.test.item.1", asked).await,
        json!({"result": {"get": true, "call": "echo,who"}})
    );
    assert_eq!(code(&world.ask("access.test.item.2", asked).await), "system.accessDenied");
    assert_eq!(
        code(&world.ask("access.test.list", asked).await),
        "system.accessDenied",
        "no access handler at all"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a05_access_that_another_service_answers_gets_no_answer_here() {
    let world = World::new().await;
    let _service = service(&world).await;
    let mut wire = world.listen().await;
    wire.request("access.test.elsewhere", "reply.1", "{}").await;
    wire.request("access.test.item.1", "reply.2", "{}").await;
    assert_eq!(wire.next_where(|subject| subject.starts_with("reply.")).await.0, "reply.2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c04_an_unknown_method_is_told_apart_from_wrong_params() {
    let world = World::new().await;
    let _service = service(&world).await;
    assert_eq!(code(&world.ask("call.test.list.x", "").await), "system.methodNotFound");
    assert_eq!(
        code(&world.ask("auth.test.session.only", "").await),
        "system.methodNotFound",
        "a call is no auth"
    );
    let answer = world.ask("call.test.item.1.take", r#"{"params":{"seat":"A-1","row":2}}"#).await;
    assert_eq!(code(&answer), "system.invalidParams");
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains("unknown field `row`") && !message.contains("column"), "{message}");
    assert_eq!(
        code(&world.ask("call.test.item.1.take", "").await),
        "system.invalidParams",
        "no params at all"
    );
    assert_eq!(
        world.ask("call.test.item.1.take", r#"{"params":{"seat":"A-1"}}"#).await,
        json!({"result": "A-1"})
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_cannot_be_read_gives_no_rights() {
    let world = World::new().await;
    let _service = service(&world).await;
    assert_eq!(
        code(&world.ask("call.test.item.1.strict", r#"{"token":{"other":"version"}}"#).await),
        "system.accessDenied"
    );
    assert_eq!(world.ask("call.test.item.1.strict", r#"{"token":5}"#).await, json!({"result": null}));
    assert_eq!(world.ask("call.test.item.1.strict", r#"{"token":null}"#).await, json!({"result": null}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_with_members_that_are_not_known_or_without_names_gives_no_rights() {
    let world = World::new().await;
    let _service = service(&world).await;
    let ask = |token: &str| world.ask("call.test.item.1.role", format!(r#"{{"token":{token}}}"#));
    assert_eq!(ask(r#"{"role":"admin"}"#).await, json!({"result": "admin"}));
    assert_eq!(ask("null").await, json!({"result": null}));
    for token in [r#"{"role":"admin","only":"on Sundays"}"#, r#"["admin"]"#, r#"{"role":["secret"]}"#, "5"] {
        let answer = ask(token).await;
        assert_eq!(answer, json!({"error": Error::ACCESS_DENIED}), "{token}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c05_c07_s01_a_token_reaches_the_gateway_before_the_answer_of_its_auth() {
    let world = World::new().await;
    let _service = service(&world).await;
    let mut wire = world.listen().await;
    let asked = r#"{"params":null,"token":null,"cid":"c1","header":{"User-Agent":["x"],"Cookie":["a=1; user=ann; b=2"]},"host":"h:1","remoteAddr":"1.2.3.4:5","uri":"/u"}"#;
    wire.request("auth.test.session.login", "reply.1", asked).await;
    let transcript =
        [wire.next_where(|s| s.starts_with("conn.") || s.starts_with("reply.")).await, wire.next().await];
    assert_eq!(
        transcript[0],
        ("conn.c1.token".to_owned(), r#"{"token":{"user":"ann"},"tid":"tid-1"}"#.to_owned())
    );
    assert_eq!(transcript[1].0, "reply.1");
    let answer: Value = serde_json::from_str(&transcript[1].1).unwrap();
    assert_eq!(answer, json!({"result": {"agent": "x", "host": "h:1", "from": "1.2.3.4:5", "uri": "/u"}}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_declaration_does_not_start() {
    let world = World::new().await;
    let model =
        |pattern: &str| Resource::model(pattern, |_: Get| async { Model::from_serialize(&json!({})) });
    for (builder, reason) in [
        (Builder::new("a.b").resource(model("x")), "service name"),
        (Builder::new("a").replica("x y").resource(model("x")), "replica name"),
        (Builder::new("a"), "no resources"),
        (Builder::new("a").resource(model("user.*")), "$id"),
        (Builder::new("a").resource(model("x.$a")).resource(model("x.$b")), "match the same names"),
        (Builder::new("a").resource(model("x")).queue_capacity(0), "queue_capacity"),
    ] {
        match builder.start(world.client.clone()).await {
            Err(StartError::Declaration(text)) => assert!(text.contains(reason), "{text}"),
            other => panic!("{reason}: {:?}", other.map(|service| service.name().to_owned())),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resource_may_be_asked_by_a_default_access_handler() {
    let world = World::new().await;
    let asked = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&asked);
    let service = Builder::new("test")
        .access(move |access: Access| {
            counted.fetch_add(1, Ordering::SeqCst);
            async move { Ok(if access.cid() == "good" { Grant::all() } else { Grant::none() }) }
        })
        .resource(Resource::model("x", |_: Get| async { Model::from_serialize(&json!({})) }))
        .start(world.connect().await)
        .await
        .unwrap();
    assert_eq!(
        world.ask("access.test.x", r#"{"cid":"good"}"#).await,
        json!({"result": {"get": true, "call": "*"}})
    );
    assert_eq!(code(&world.ask("access.test.x", r#"{"cid":"bad"}"#).await), "system.accessDenied");
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    service.stop(Duration::from_secs(5)).await.unwrap();
}
