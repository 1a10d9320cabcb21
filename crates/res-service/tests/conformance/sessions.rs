//! Authentication: tokens that come, change and go.

use res_service::{Auth, Call, Error, Grant, Reply, Resource};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Login {
    user: String,
    tid: Option<String>,
}

#[derive(Deserialize)]
struct TokenFor {
    cid: String,
    token: Value,
}

#[derive(Deserialize)]
struct ResetTokens {
    tids: Vec<String>,
    subject: String,
}

pub(crate) fn resources() -> Vec<Resource> {
    let session = Resource::new("session")
        .access(|_| async { Ok(Grant::all()) })
        .auth("login", |auth: Auth| async move {
            let login: Login = auth.params()?;
            if login.user.is_empty() {
                return Err(Error::custom("test.unknownUser", "Nobody has this name"));
            }
            let token = json!({"user": login.user});
            auth.service().set_token(auth.cid(), &token, login.tid.as_deref()).await?;
            Reply::result(&login.user)
        })
        .auth("logout", |auth: Auth| async move {
            auth.service().set_token(auth.cid(), &(), None).await?;
            Ok(Reply::null())
        })
        .auth("renew", |auth: Auth| async move {
            let token: Option<Value> = auth.token()?;
            let user = token.map_or(Value::Null, |token| token["user"].clone());
            let renewed = json!({"user": user, "renewed": true, "params": auth.raw_params()});
            auth.service().set_token(auth.cid(), &renewed, Some("renewed")).await?;
            Ok(Reply::null())
        })
        .auth("describe", |auth: Auth| async move { describe(&auth) })
        .auth("go", |_: Auth| async { Reply::resource("test.model.welcome") })
        .auth("byHeader", |auth: Auth| async move { by_header(&auth).await })
        .call("who", |call: Call| async move { Reply::result(&call.token::<Value>()?) })
        .call("tokenFor", |call: Call| async move {
            let TokenFor { cid, token } = call.params()?;
            call.service().set_token(&cid, &token, None).await?;
            Ok(Reply::null())
        })
        .call("resetTokens", |call: Call| async move {
            let reset: ResetTokens = call.params()?;
            let tids: Vec<&str> = reset.tids.iter().map(String::as_str).collect();
            call.service().reset_tokens(&tids, &reset.subject).await?;
            Ok(Reply::null())
        });
    vec![session]
}

/// Everything an authentication is told of the client.
fn describe(auth: &Auth) -> Result<Reply, Error> {
    Reply::result(&json!({
        "cid": auth.cid(), "host": auth.host(), "remoteAddress": auth.remote_address(), "uri": auth.uri(),
        "isHttp": auth.is_http(), "agent": auth.header("user-agent"), "flavour": auth.cookie("flavour"),
        "token": auth.token::<Value>()?, "params": auth.raw_params(),
    }))
}

/// Who a connection is by its `user` cookie, and what the `x-answer` header asks for.
async fn by_header(auth: &Auth) -> Result<Reply, Error> {
    if let Some(user) = auth.cookie("user") {
        let token = json!({"user": user, "isHttp": auth.is_http()});
        auth.service().set_token(auth.cid(), &token, None).await?;
    }
    let reply = Reply::result("discarded")?.header("x-from", "auth").header("x-auth", "seen");
    Ok(match auth.header("x-answer") {
        Some("forbidden") => Reply::error(Error::custom("test.forbidden", "Not you")).status(403),
        Some("redirect") => reply.status(307).header("location", "/login"),
        Some("cookie") => reply.header("set-cookie", "a=1").header("set-cookie", "b=2"),
        _ => reply,
    })
}
