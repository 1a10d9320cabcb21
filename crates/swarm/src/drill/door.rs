//! The edge: what it lets through, what it keeps back, and what it says then.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use livehouse_testkit::try_wait_until;

use super::service::{log_of, tasks, until_settled};
use crate::{
    network,
    sale::{self, Sale},
    swarm::Swarm,
};

const DEADLINE: Duration = Duration::from_secs(60);
const SEVERAL: u32 = 12;
/// Between two questions of one person.
const BETWEEN: Duration = Duration::from_millis(60);
const UNDISTURBED: Duration = Duration::from_secs(3);
/// Who waits for a server that stands still waits longer.
const AT_ONCE: Duration = Duration::from_secs(1);
const TEN_MINUTES: Duration = Duration::from_secs(600);

/// The address in Traefik's log is that of who asked, and not one of the swarm's own.
pub(super) async fn the_logs_tell_the_address_of_the_client(swarm: &Swarm) -> anyhow::Result<String> {
    let mark = format!("/?mark={}", uuid::Uuid::now_v7());
    for node in 1..=3 {
        swarm.door().ask(node, &mark, &[]).await?;
    }
    let client = format!("\"ClientHost\":\"{}\"", network::HOST);
    let lines = try_wait_until("three lines of three doors", DEADLINE, || async {
        let log = log_of(&swarm.cluster, "edge_traefik", 400).await.map_err(|error| format!("{error:#}"))?;
        let lines: Vec<String> =
            log.lines().filter(|line| line.contains(&mark)).map(str::to_string).collect();
        if lines.len() == 3 { Ok(lines) } else { Err(format!("{} lines", lines.len())) }
    })
    .await
    .map_err(anyhow::Error::msg)?;
    ensure!(lines.iter().all(|line| line.contains(&client)), "another address than {client}: {lines:?}");
    Ok(format!("{} in the log of each of 3 doors", network::HOST))
}

/// What every answer says of security, and how it is packed.
pub(super) async fn headers_and_compression_are_as_configured(swarm: &Swarm) -> anyhow::Result<String> {
    let door = swarm.door();
    let page = door.ask(1, "/", &[]).await?;
    ensure!(page.status == 200, "the first page answers {}", page.status);
    for (name, wanted) in [
        ("strict-transport-security", "max-age=31536000; includeSubDomains"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "strict-origin-when-cross-origin"),
    ] {
        ensure!(page.header(name) == Some(wanted), "{name} is {:?}, not {wanted}", page.header(name));
    }
    ensure!(page.header("content-security-policy").is_some(), "no content security policy");
    ensure!(page.header("server").unwrap_or_default().is_empty(), "the server says what it is");
    let mut packed = Vec::new();
    for encoding in ["gzip", "br", "zstd"] {
        let ask = [
            "--header",
            &format!("Accept-Encoding: {encoding}"),
            "--output",
            "/dev/null",
            "--dump-header",
            "-",
        ];
        let answer = door.ask(1, "/api/tickets/events", &ask).await?;
        packed.push(format!("{encoding} -> {}", answer.header("content-encoding").unwrap_or("as it is")));
        ensure!(answer.header("content-encoding") == Some(encoding), "asked for {encoding}: {packed:?}");
    }
    // What this machine would not offer by itself: it is the door that must refuse.
    let old = ["--tlsv1.0", "--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0"];
    match door.ask(1, "/", &old).await {
        Ok(_) => bail!("TLS 1.1 was accepted"),
        Err(refused) => {
            ensure!(format!("{refused:#}").contains("alert protocol version"), "TLS 1.1: {refused:#}")
        }
    }
    Ok(packed.join(", "))
}

/// Who asks too much is told so, and only who asks too much.
pub(super) async fn too_many_requests_get_429_and_others_do_not_notice(
    swarm: &Swarm,
) -> anyhow::Result<String> {
    let sale = Sale::of(swarm).await?;
    let watcher = sale.enter_at(1, None).await?;
    let counts = swarm.door().flood(1, "/api/tickets/events", 600).await?;
    let of = |status: u16| counts.iter().find(|(known, _)| *known == status).map_or(0, |(_, count)| *count);
    ensure!(of(429) > 0 && of(200) > 0, "600 requests at once got {counts:?}");
    ensure!(of(200) + of(429) == 600, "something else than 200 and 429: {counts:?}");
    // What was open before stays open, and is answered.
    watcher.get("tickets.events").await.context("a WebSocket that was open before the flood")?;
    // Another door counts for itself; this one forgets. One answer may be the only one: several say that it has forgotten.
    try_wait_until("the door lets this address in again", DEADLINE, || async {
        for _ in 0..SEVERAL {
            match swarm.door().ask(1, "/api/tickets/events", &[]).await {
                Ok(answer) if answer.status == 200 => {}
                Ok(answer) => return Err(answer.status.to_string()),
                Err(error) => return Err(format!("{error:#}")),
            }
        }
        Ok(())
    })
    .await
    .map_err(anyhow::Error::msg)?;
    Ok(format!("600 requests: {} answered, {} refused with 429", of(200), of(429)))
}

/// Nothing that a buyer sends is large.
pub(super) async fn a_body_too_large_gets_413(swarm: &Swarm) -> anyhow::Result<String> {
    let file = crate::site::folder(&swarm.workspace).join("large-body");
    std::fs::write(&file, vec![b'x'; 1_100_000])?;
    let data = format!("@{}", file.display());
    // Over HTTP/2 the answer comes with the end of the stream, before all was sent; curl 7 takes that for a failure.
    let options = ["--http1.1", "--data-binary", &data, "--header", "Expect:"];
    let large = swarm.door().ask(1, "/api/tickets/events", &options).await?;
    std::fs::remove_file(file)?;
    let small = swarm.door().ask(1, "/api/tickets/events", &["--data-binary", "{}"]).await?;
    ensure!(large.status == 413, "1.1 MB were answered with {}", large.status);
    ensure!(small.status != 413, "two bytes were answered with 413");
    Ok(format!("1.1 MB: 413; 2 bytes: {}", small.status))
}

/// No site: a page that says what to do. No gateway's answer: its own JSON, untouched.
pub(super) async fn people_get_a_page_and_programs_their_json_when_a_service_is_away(
    swarm: &Swarm,
) -> anyhow::Result<String> {
    let door = swarm.door();
    let json = door.ask(1, "/api/tickets/nothing/here", &[]).await?;
    ensure!(json.status == 404, "an unknown resource answers {}", json.status);
    ensure!(
        serde_json::from_str::<serde_json::Value>(&json.body)
            .is_ok_and(|body| body["code"] == "system.notFound"),
        "the error of the gateway was changed on the way: {}",
        json.body
    );
    let stopped = tasks(&swarm.cluster, "app_site").await;
    for task in &stopped {
        task.freeze(true).await?;
    }
    let page = try_wait_until("the page for when the site is away", DEADLINE, || async {
        match door.ask(1, "/", &[]).await {
            Ok(answer) if answer.status >= 502 && answer.body.contains("<html") => Ok(answer),
            Ok(answer) => {
                Err(format!("{} {}", answer.status, answer.body.chars().take(80).collect::<String>()))
            }
            Err(error) => Err(format!("{error:#}")),
        }
    })
    .await;
    for task in &stopped {
        task.freeze(false).await?;
    }
    let page = page.map_err(anyhow::Error::msg)?;
    ensure!(
        page.header("content-type").is_some_and(|kind| kind.starts_with("text/html")),
        "no page: {:?}",
        page.header("content-type")
    );
    ensure!(page.header("retry-after").is_some(), "the page does not say when to come again");
    until_open(swarm).await?;
    Ok(format!("JSON of a 404 as the gateway wrote it; the page comes with {}", page.status))
}

/// Waits until nobody was refused for a while: a breaker that closes lets more and more people through. Gives how many it
/// refused meanwhile.
async fn until_open(swarm: &Swarm) -> anyhow::Result<u32> {
    let started = Instant::now();
    let (mut refused, mut good_since) = (0, Instant::now());
    while good_since.elapsed() < UNDISTURBED {
        ensure!(
            started.elapsed() < DEADLINE,
            "the site still refuses after {DEADLINE:?}, {refused} times so far"
        );
        let answer = swarm.door().ask(1, "/", &[]).await;
        if !answer.is_ok_and(|answer| answer.status == 200) {
            refused += 1;
            good_since = Instant::now();
        }
        tokio::time::sleep(BETWEEN).await;
    }
    Ok(refused)
}

/// Waits until the first door sends people to so many tasks of a service: it asks each of them how it is.
async fn until_sent_to(swarm: &Swarm, service: &str, count: usize) -> anyhow::Result<()> {
    let series = format!("traefik_service_server_up{{service=\"{service}@swarm\"");
    let door = network::address(1);
    try_wait_until(&format!("the door {door} sends to {count} of {service}"), DEADLINE, || async {
        let doors = tasks(&swarm.cluster, "edge_traefik").await;
        let first = doors.iter().find(|task| task.node.number == 1).ok_or("it has no door")?;
        let page = first.asked("http://127.0.0.1:8082/metrics", None).await;
        let page = page.map_err(|error| format!("{error:#}"))?;
        let lines: Vec<&str> = page.lines().filter(|line| line.starts_with(&series)).collect();
        let up = lines.iter().filter(|line| line.ends_with(" 1")).count();
        if up == count { Ok(()) } else { Err(format!("{lines:?}")) }
    })
    .await
    .map_err(anyhow::Error::msg)
}

/// One of two tasks dies: asked again, nobody sees it. Both stand still: the breaker opens, WebSockets do not notice, and
/// it closes again.
pub(super) async fn a_task_that_dies_is_not_noticed_and_the_breaker_closes_again(
    swarm: &Swarm,
) -> anyhow::Result<String> {
    let door = swarm.door();
    let sale = Sale::of(swarm).await?;
    let watcher = sale.enter_at(1, None).await?;
    let sites = tasks(&swarm.cluster, "app_site").await;
    until_sent_to(swarm, "site", sites.len()).await?;
    sites.first().context("the site does not run")?.kill("KILL").await?;
    let until = Instant::now() + Duration::from_secs(8);
    let (mut good, mut bad) = (0, Vec::new());
    while Instant::now() < until {
        match door.ask(1, "/", &[]).await?.status {
            200 => good += 1,
            status => bad.push(status),
        }
        tokio::time::sleep(BETWEEN).await;
    }
    ensure!(bad.is_empty(), "after a task died {} of {} pages failed: {bad:?}", bad.len(), bad.len() + good);
    until_settled(&swarm.cluster, DEADLINE).await?;
    let sites = tasks(&swarm.cluster, "app_site").await;
    for site in &sites {
        site.freeze(true).await?;
    }
    // First each waits for the servers in vain; then the breaker is open, and tells people at once.
    let opened = try_wait_until("people are told at once that the site is away", DEADLINE, || async {
        let asked = Instant::now();
        match door.ask(1, "/", &[]).await {
            Ok(answer) if answer.status >= 502 && asked.elapsed() < AT_ONCE => Ok(answer.status),
            Ok(answer) => Err(format!("{} after {:?}", answer.status, asked.elapsed())),
            Err(error) => Err(format!("{error:#}")),
        }
    })
    .await;
    for site in &sites {
        site.freeze(false).await?;
    }
    let opened = opened.map_err(anyhow::Error::msg)?;
    let thawed = Instant::now();
    until_sent_to(swarm, "site", sites.len()).await?;
    // Both are well, so whoever is refused now is refused by the breaker.
    let refused = until_open(swarm).await?;
    let closed = thawed.elapsed() - UNDISTURBED;
    ensure!(refused > 0, "the breaker was never open");
    watcher.get("tickets.events").await.context("the WebSocket that was open all the time")?;
    Ok(format!(
        "{good} pages of {good} while a task died; {opened} at once while both stood still; the breaker refused {refused} more and was closed {:.1} s after they went on",
        closed.as_secs_f64()
    ))
}

/// Nothing on the way cuts a WebSocket that has little to say.
pub(super) async fn a_websocket_lives_for_ten_minutes(swarm: &Swarm) -> anyhow::Result<String> {
    let sale = Sale::of(swarm).await?;
    let mut watchers = Vec::new();
    for node in 1..=3 {
        watchers.push(sale.enter_at(node, None).await?);
    }
    let started = Instant::now();
    while started.elapsed() < TEN_MINUTES {
        for (number, watcher) in watchers.iter().enumerate() {
            if !watcher.is_connected().await {
                bail!(
                    "the WebSocket by door {} was cut after {:.0} s",
                    number + 1,
                    started.elapsed().as_secs_f64()
                );
            }
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    for watcher in &watchers {
        watcher.get("tickets.events").await?;
    }
    sale::audit(swarm).await?;
    Ok("3 connections by 3 doors, without a word for 600 s, then answered".to_string())
}
