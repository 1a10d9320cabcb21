//! Security headers and the guest session.

use livehouse_platform::session::{COOKIE, Key};
use livehouse_testkit::{ConnectOptions, ResClient};

use super::theatre::{Answer, Theatre};

/// `name=value` of the session that an answer sets, and the rest of the cookie.
fn session(answer: &Answer) -> Option<(String, String)> {
    let cookie = answer.header("set-cookie")?;
    let (pair, attributes) = cookie.split_once(';').unwrap();
    Some((pair.to_owned(), attributes.to_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_carries_strict_headers_and_no_page_needs_anything_inline() {
    let theatre = Theatre::open(&[("Night Music", "4500")]).await;
    let layout = theatre.get("/events/night-music").await.text();
    let layout = layout[layout.find("/layouts/").unwrap()..].split('"').next().unwrap().to_owned();
    for path in [
        "/",
        "/events/night-music",
        "/orders",
        "/orders/ord_01jd3m0000000000000000000z",
        "/nothing",
        "/time",
        "/assets/none.js",
        layout.as_str(),
    ] {
        let answer = theatre.get(path).await;
        let policy =
            answer.header("content-security-policy").unwrap_or_else(|| panic!("{path} has no policy"));
        for wanted in [
            "default-src 'none'",
            "script-src 'self';",
            "style-src 'self';",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'self'",
        ] {
            assert!(policy.contains(wanted), "{path}: '{wanted}' is not in {policy}");
        }
        for unwanted in ["unsafe-inline", "unsafe-eval", "*", "http:", "https:"] {
            assert!(
                !policy.split_whitespace().any(|word| word.trim_matches(['\'', ';']) == unwanted),
                "{path}: {policy}"
            );
        }
        let live = format!("ws://{}", theatre.world.resgate().address());
        assert!(policy.contains(&format!("connect-src 'self' {live};")), "{path}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("referrer-policy"), Some("strict-origin-when-cross-origin"), "{path}");
        assert_eq!(answer.header("cross-origin-opener-policy"), Some("same-origin"), "{path}");
        assert!(answer.header("permissions-policy").is_some(), "{path}");
        assert_eq!(answer.header("server"), None, "{path}");
        if answer.header("content-type").is_some_and(|kind| kind.starts_with("text/html")) {
            let page = answer.text();
            for tag in page.split('<').skip(1).filter_map(|rest| rest.split('>').next()) {
                assert!(
                    !tag.contains(" style=") && !tag.starts_with("style"),
                    "{path} has inline styles: <{tag}>"
                );
                assert!(
                    !tag.split_whitespace().any(|word| word.starts_with("on") && word.contains('=')),
                    "{path} has an inline handler: <{tag}>"
                );
                let is_script = tag.starts_with("script") && !tag.contains("application/");
                assert!(!is_script || tag.contains("src="), "{path} has an inline script: <{tag}>");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_visit_gets_a_session_that_is_kept_and_known_to_the_gateway() {
    let theatre = Theatre::open(&[("Night Music", "4500")]).await;
    let (pair, attributes) = session(&theatre.get("/").await).expect("a first visit gets no session");
    for wanted in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age="] {
        assert!(attributes.contains(wanted), "'{wanted}' is not in {attributes}");
    }
    assert!(!attributes.contains("Secure") && !attributes.contains("Domain"), "{attributes}");
    let key = Key::from_file(theatre.world.session_key_file()).unwrap();
    let value = pair.strip_prefix(&format!("{COOKIE}=")).unwrap();
    let buyer = key.verify(value, jiff::Timestamp::now()).expect("the session is not signed");
    for path in ["/", "/events/night-music", "/orders"] {
        assert!(session(&theatre.get_as(path, &pair).await).is_none(), "{path} replaces a good session");
    }
    let client = ResClient::connect_with(&theatre.world.resgate().live_url(), ConnectOptions::cookie(pair))
        .await
        .unwrap();
    let me = client.get("identity.me.{cid}").await.unwrap().to_string();
    assert!(me.contains(&buyer.to_string()), "the gateway does not know the site's session: {me}");
    let (other, _) = session(&theatre.get("/").await).unwrap();
    assert!(!other.contains(&buyer.to_string()), "two visitors have one session");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_was_tampered_with_is_replaced() {
    let theatre = Theatre::open(&[]).await;
    let (pair, _) = session(&theatre.get("/").await).unwrap();
    let last = pair.chars().last().unwrap();
    let flipped = format!("{}{}", &pair[..pair.len() - 1], if last == 'A' { 'B' } else { 'A' });
    let cut = pair.rsplit_once('.').unwrap().0.to_owned();
    let first = format!("{COOKIE}=buy_01jd3m0000000000000000000z.{}", pair.split_once('.').unwrap().1);
    for tampered in [flipped, cut, first, format!("{COOKIE}="), format!("{COOKIE}=x"), "other=1".to_owned()] {
        let (fresh, _) = session(&theatre.get_as("/", &tampered).await)
            .unwrap_or_else(|| panic!("{tampered} is taken for a session"));
        assert_ne!(fresh, tampered);
        assert_ne!(fresh, pair);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_the_session_is_secure_and_browsers_are_told_to_stay() {
    let theatre = Theatre::at(Some("https://tickets.example.org"), &[]).await;
    let page = theatre.get("/").await;
    assert!(session(&page).unwrap().1.contains("Secure"));
    assert!(page.header("strict-transport-security").is_some_and(|value| value.contains("max-age=")));
}
