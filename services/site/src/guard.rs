//! What every answer carries: strict security headers, and for pages a guest session.

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use jiff::Timestamp;
use livehouse_contract::id::BuyerId;
use livehouse_platform::session::{self, Key};

/// What the guard needs to know.
#[derive(Clone)]
pub struct Guard {
    key: Key,
    policy: HeaderValue,
    secure: bool,
}

/// Headers that are the same everywhere.
const HEADERS: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "strict-origin-when-cross-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=(), payment=()"),
];

impl Guard {
    /// Signs sessions with `key`; scripts may connect to `live_url` besides the site itself.
    pub fn new(key: Key, site_url: &str, live_url: &str) -> anyhow::Result<Self> {
        let live = origin(live_url);
        let policy = format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
             connect-src 'self' {live}; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        );
        Ok(Self { key, policy: policy.parse()?, secure: site_url.starts_with("https://") })
    }

    fn cookie(&self) -> Option<HeaderValue> {
        let value = self.key.sign(BuyerId::generate(), Timestamp::now());
        let secure = if self.secure { "; Secure" } else { "" };
        let age = session::AGE_SECONDS_MAX;
        format!("{}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={age}{secure}", session::COOKIE)
            .parse()
            .ok()
    }
}

/// `ws://127.0.0.1:8080` of `ws://127.0.0.1:8080/`.
fn origin(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("ws", url));
    format!("{scheme}://{}", rest.split('/').next().unwrap_or_default())
}

/// Adds the headers to every answer, and a guest session to pages whose visitor has none.
pub async fn guard(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let cookies = request.headers().get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let is_known = guard.key.buyer_of(cookies, Timestamp::now()).is_some();
    let mut response = next.run(request).await;
    let is_page = response
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|kind| kind.starts_with("text/html"));
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(header::CONTENT_SECURITY_POLICY, guard.policy.clone());
    if guard.secure {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    if is_page
        && !is_known
        && let Some(cookie) = guard.cookie()
    {
        headers.append(header::SET_COOKIE, cookie);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_origin_of_an_address_has_no_path() {
        assert_eq!(origin("ws://127.0.0.1:8080/"), "ws://127.0.0.1:8080");
        assert_eq!(origin("wss://tickets.example.org/live?x"), "wss://tickets.example.org");
    }
}
