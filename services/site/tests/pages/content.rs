//! What the pages say, read without running a script.

use std::time::{Duration, Instant};

use livehouse_testkit::wait_until;

use super::theatre::{PATIENCE, Theatre};

/// The page without its scripts and their data: what somebody without JavaScript reads.
fn without_scripts(page: &str) -> String {
    let mut rest = page;
    let mut text = String::new();
    while let Some(start) = rest.find("<script") {
        text.push_str(&rest[..start]);
        rest = rest[start..].split_once("</script>").map_or("", |(_, after)| after);
    }
    text + rest
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_events_and_an_events_page_say_everything_without_a_script() {
    let theatre = Theatre::open(&[("Night Music", "4500"), ("Open Rehearsal", "0")]).await;
    let list = theatre.get("/").await;
    assert_eq!(list.header("content-type"), Some("text/html; charset=utf-8"));
    let text = without_scripts(&list.text());
    for expected in [
        "Night Music",
        "Open Rehearsal",
        "Small Room",
        r#"href="/events/night-music""#,
        r#"href="/events/open-rehearsal""#,
        "€15",
        "43 of 43 free",
    ] {
        assert!(text.contains(expected), "the list does not say '{expected}': {text}");
    }
    let event = theatre.get("/events/night-music").await;
    assert_eq!(event.status, 200);
    let text = without_scripts(&event.text());
    for expected in [
        "<h1",
        "Night Music",
        "Small Room",
        "<time datetime=",
        "Front",
        "Floor",
        "€45",
        "€15",
        "<title>Night Music",
    ] {
        assert!(text.contains(expected), "the event's page does not say '{expected}': {text}");
    }
    assert!(event.text().contains("application/ld+json"), "search engines are told nothing");
    // By id it is the same page.
    let set = theatre.model("tickets.events").await;
    let id = set[0]["href"]
        .as_str()
        .or_else(|| set[0]["model"]["id"].as_str())
        .map(|it| it.rsplit('/').next().unwrap().to_owned());
    let by_id = theatre.get(&format!("/events/{}", id.unwrap())).await;
    assert_eq!(by_id.status, 200);
    for page in ["/orders", "/orders/ord_01jd3m0000000000000000000z"] {
        assert_eq!(theatre.get(page).await.status, 200, "{page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_has_a_page_that_says_so_and_leads_back() {
    let theatre = Theatre::open(&[]).await;
    let missing = [
        "/nothing",
        "/events/no-such-event",
        "/events/evt_01jd3m0000000000000000000z",
        "/orders/1",
        "/layouts/x.json",
        "/events/%00",
        "/events/..%2f..%2fetc%2fpasswd",
        "/assets/none.js",
        "/assets/..%2f..%2fCargo.toml",
    ];
    for path in missing {
        let page = theatre.get(path).await;
        assert_eq!(page.status, 404, "{path}");
        let text = page.text();
        assert!(text.contains("<h1") && text.contains(r#"href="/""#), "{path} does not lead back: {text}");
        assert!(!text.contains("panicked") && !text.contains("root:"), "{path}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_full_of_markup_is_text_on_every_page() {
    let name = r#"</script><script>alert("x")</script><img src=x onerror=alert(1)> & 'more'"#;
    let theatre = Theatre::open(&[(name, "1000")]).await;
    let list = theatre.get("/").await.text();
    let slug =
        list.split("href=\"/events/").nth(1).and_then(|rest| rest.split('"').next()).unwrap().to_owned();
    for page in
        [list, theatre.get(&format!("/events/{slug}")).await.text(), theatre.get("/orders").await.text()]
    {
        for live in ["<script>alert", "<img src=x", "</script><script>alert"] {
            assert!(!page.contains(live), "markup of a name is alive in {page}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h40_without_a_gateway_there_is_a_page_that_says_so_and_the_site_comes_back_by_itself() {
    let theatre = Theatre::open(&[("Night Music", "4500")]).await;
    theatre.world.resgate().kill().await;
    wait_until("a site that is not ready", PATIENCE, || async {
        let (status, body) = theatre.site.get("/readyz").await?;
        if status == 503 { Ok(()) } else { Err(body) }
    })
    .await;
    let page =
        tokio::time::timeout(Duration::from_secs(12), theatre.get("/events/night-music")).await.unwrap();
    assert!([200, 503].contains(&page.status), "{}", page.status);
    assert!(page.text().contains("<h1"), "{}", page.text());
    theatre.world.resgate().restart().await.unwrap();
    theatre.site.until_ready(PATIENCE).await.unwrap();
    wait_until("the event's page again", PATIENCE, || async {
        let page = theatre.get("/events/night-music").await;
        if page.status == 200 && page.text().contains("Night Music") { Ok(()) } else { Err(page.text()) }
    })
    .await;
}

/// Whoever asks a service that is not there is told "not found" by the gateway.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_not_gone_because_nobody_answers_for_it() {
    let theatre = Theatre::open(&[("Night Music", "4500")]).await;
    let known = theatre.get("/").await.text();
    let id = known.split("evt_").nth(1).map(|rest| rest.split('"').next().unwrap().to_string()).unwrap();
    assert!(theatre.tickets.stop().await.success());
    wait_until("a gateway that finds no events", PATIENCE, || async {
        let api = format!("{}/api/tickets/events", theatre.world.resgate().url());
        let status = reqwest::get(&api).await.map_err(|error| error.to_string())?.status();
        if status == 404 { Ok(()) } else { Err(status.to_string()) }
    })
    .await;
    // What was asked for a moment ago is as good as now; after that, nobody can say that there is no such event.
    wait_until("an event that nobody knows of to be unknown", PATIENCE, || async {
        let page = theatre.get("/events/put-on-sale-a-moment-ago").await;
        if page.status == 503 { Ok(()) } else { Err(page.status.to_string()) }
    })
    .await;
    for path in ["/", "/events/night-music", &format!("/events/evt_{id}")] {
        let page = theatre.get(path).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(page.text().contains("Night Music"), "{path}: {}", page.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_gateway_hangs_the_front_page_shows_what_it_knows_at_once() {
    let theatre =
        Theatre::open(&[("Night Music", "4500"), ("Open Rehearsal", "0"), ("Matinee", "1000")]).await;
    assert_eq!(theatre.get("/").await.status, 200);
    theatre.world.resgate().pause();
    for visit in ["the first visitor", "the next one"] {
        let started = Instant::now();
        let page = theatre.get("/").await;
        let took = started.elapsed();
        assert_eq!(page.status, 200, "{visit}: {}", page.text());
        assert!(page.text().contains("Night Music") && page.text().contains("Matinee"), "{visit}");
        assert!(took < Duration::from_millis(2_500), "{visit} waited for {took:?}");
    }
    theatre.world.resgate().resume();
}
