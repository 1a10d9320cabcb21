//! Buyers and viewers that come through the door, as people do.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use livehouse_testkit::{ConnectOptions, Edge, ResClient, try_wait_until};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::{
    certificate::DOMAIN,
    cluster::{Cluster, NODES},
    command::run,
    edge::Door,
    network,
    swarm::Swarm,
};

mod buyer;
mod viewer;

/// The event that drills are about, and its plan.
pub(crate) const EVENT: &str = "night-trains";
/// A browser waits longer; a drill wants to know who does not answer.
const CONNECT_DEADLINE: Duration = Duration::from_secs(4);
/// How soon a viewer must show what is so, once nothing changes any more.
const SEEN_DEADLINE: Duration = Duration::from_secs(10);
/// A command inside of a container.
const COMMAND_DEADLINE: Duration = Duration::from_secs(90);

/// The sale as people know it: by its address.
#[derive(Debug, Clone)]
pub(crate) struct Sale {
    door: Door,
    /// The id of the event.
    pub(crate) event: String,
    /// Its sections.
    pub(crate) sections: Arc<Vec<String>>,
    /// Its seats, neighbours beside each other.
    pub(crate) seats: Arc<Vec<String>>,
    /// Which node the next one comes to.
    next: Arc<AtomicUsize>,
}

/// What buyers met with.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Holds that were granted.
    pub(crate) held: u64,
    /// Answers that say why not: somebody was faster, or the service has too much to do.
    pub(crate) refused: u64,
    /// Times that a buyer had to ask again, or to come in by another door.
    pub(crate) again: u64,
    /// What nobody should meet with.
    pub(crate) failures: Vec<String>,
    /// When a hold was granted last.
    last: Option<Instant>,
    /// The longest time in which nobody was granted anything.
    pub(crate) longest_pause: Duration,
}

impl Tally {
    fn granted(&mut self) {
        let now = Instant::now();
        self.held += 1;
        if let Some(last) = self.last.replace(now) {
            self.longest_pause = self.longest_pause.max(now - last);
        }
    }
}

/// Everybody who is there.
#[derive(Debug)]
pub(crate) struct Crowd {
    sale: Sale,
    over: Arc<AtomicBool>,
    tally: Arc<Mutex<Tally>>,
    buyers: JoinSet<()>,
    viewers: Vec<viewer::Viewer>,
}

impl Sale {
    /// The sale behind the edge of this swarm.
    pub(crate) async fn of(swarm: &Swarm) -> anyhow::Result<Sale> {
        let layout = livehouse_seating::generate::concert_hall();
        let sections = layout.sections.iter().filter(|section| !section.rows.is_empty());
        let seats = sections.clone().flat_map(|section| &section.rows).flat_map(|row| &row.seats);
        let mut sale = Sale {
            door: swarm.door(),
            event: String::new(),
            sections: Arc::new(sections.clone().map(|section| section.id.clone()).collect()),
            seats: Arc::new(seats.map(|seat| seat.id.clone()).collect()),
            next: Arc::default(),
        };
        sale.event = try_wait_until("the event is listed", Duration::from_secs(60), || async {
            sale.find_event().await.map_err(|error| format!("{error:#}"))
        })
        .await
        .map_err(anyhow::Error::msg)?;
        Ok(sale)
    }

    async fn find_event(&self) -> anyhow::Result<String> {
        let client = self.enter(None).await?;
        client.subscribe("tickets.events").await?;
        let listed = client.references("tickets.events").unwrap_or_default();
        let is_it = |rid: &&String| {
            client.model(rid).is_some_and(|model| model.get("slug").and_then(Value::as_str) == Some(EVENT))
        };
        let rid = listed
            .iter()
            .find(is_it)
            .with_context(|| format!("{EVENT} is not among {} events", listed.len()))?;
        Ok(rid.trim_start_matches("tickets.event.").to_string())
    }

    /// A connection by the next of the doors.
    async fn enter(&self, cookie: Option<String>) -> anyhow::Result<ResClient> {
        let node = u8::try_from(self.next.fetch_add(1, Ordering::Relaxed) % usize::from(NODES))? + 1;
        self.enter_at(node, cookie).await
    }

    /// A connection by the door of this node.
    pub(crate) async fn enter_at(&self, node: u8, cookie: Option<String>) -> anyhow::Result<ResClient> {
        let edge = Edge {
            address: format!("{}:443", network::address(node)).parse()?,
            authority: self.door.authority.clone(),
        };
        let options = ConnectOptions {
            cookie,
            origin: Some(format!("https://{DOMAIN}")),
            headers: Vec::new(),
            edge: Some(edge),
        };
        let url = format!("wss://{DOMAIN}/live");
        let connecting = ResClient::connect_with(&url, options);
        tokio::time::timeout(CONNECT_DEADLINE, connecting).await.context("no connection in time")?
    }

    /// The session that the site gives whoever opens its first page.
    pub(crate) async fn session(&self) -> anyhow::Result<String> {
        let node = u8::try_from(self.next.fetch_add(1, Ordering::Relaxed) % usize::from(NODES))? + 1;
        let answer = self.door.ask(node, "/", &[]).await?;
        let cookie = answer.header("set-cookie").with_context(|| {
            let page: String = answer.body.chars().take(200).collect();
            format!("the site gave no session by door {node}: {} {page}", answer.status)
        })?;
        Ok(cookie.split(';').next().unwrap_or_default().to_string())
    }

    /// Lets buyers and viewers in.
    pub(crate) async fn begin(&self, buyers: usize, viewers: usize) -> anyhow::Result<Crowd> {
        let mut crowd = Crowd {
            sale: self.clone(),
            over: Arc::default(),
            tally: Arc::default(),
            buyers: JoinSet::new(),
            viewers: Vec::new(),
        };
        for _ in 0..viewers {
            crowd.viewers.push(viewer::Viewer::start(self.clone()));
        }
        for _ in 0..buyers {
            let session = self.session().await?;
            crowd.buyers.spawn(buyer::buy(
                self.clone(),
                session,
                Arc::clone(&crowd.over),
                Arc::clone(&crowd.tally),
            ));
        }
        crowd.until_held(buyers as u64).await?;
        crowd.forget();
        Ok(crowd)
    }

    /// Takes seats and keeps them: what must still be there after whatever comes.
    pub(crate) async fn hold_for_good(&self, count: usize) -> anyhow::Result<()> {
        let event = format!("tickets.event.{}", self.event);
        let mut held = 0;
        for seats in self.seats.chunks(2).rev() {
            if held >= count {
                return Ok(());
            }
            let buyer = self.enter(Some(self.session().await?)).await?;
            let wish = serde_json::json!({ "seats": seats, "key": uuid::Uuid::now_v7() });
            match buyer.call(&event, "hold", wish).await {
                Ok(_) => held += seats.len(),
                Err(error) if error.code == "tickets.seatTaken" => {}
                Err(error) => return Err(error.into()),
            }
        }
        bail!("only {held} of {count} seats could be held")
    }

    /// The seats as the database has them, told to somebody who has just come.
    async fn truth(&self) -> anyhow::Result<Vec<Value>> {
        let client = self.enter(None).await?;
        let mut all = Vec::new();
        for section in self.sections.iter() {
            let rid = section_rid(&self.event, section);
            client.subscribe(&rid).await.with_context(|| format!("subscribe to {rid}"))?;
            all.push(Value::Object(client.model(&rid).unwrap_or_default()));
        }
        Ok(all)
    }
}

fn section_rid(event: &str, section: &str) -> String {
    format!("tickets.event.{event}.section.{section}")
}

impl Crowd {
    /// Waits until so many holds were granted since the counting began.
    pub(crate) async fn until_held(&self, count: u64) -> anyhow::Result<()> {
        try_wait_until(&format!("{count} holds"), Duration::from_secs(60), || async {
            let tally = self.lock();
            if tally.held >= count { Ok(()) } else { Err(format!("{tally:?}")) }
        })
        .await
        .map_err(anyhow::Error::msg)
    }

    /// How many holds were granted so far.
    pub(crate) fn held(&self) -> u64 {
        self.lock().held
    }

    /// Begins to count anew.
    pub(crate) fn forget(&self) {
        let mut tally = self.lock();
        *tally = Tally { last: Some(Instant::now()), ..Tally::default() };
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends everybody home. An error when a buyer met with what nobody should, or a viewer sees what is not so.
    pub(crate) async fn end(mut self) -> anyhow::Result<Tally> {
        self.over.store(true, Ordering::Relaxed);
        while let Some(buyer) = self.buyers.join_next().await {
            buyer.context("a buyer")?;
        }
        let tally = std::mem::take(&mut *self.lock());
        if !tally.failures.is_empty() {
            bail!(
                "{} of {} holds failed: {}",
                tally.failures.len(),
                tally.held,
                tally.failures[..tally.failures.len().min(3)].join("; ")
            );
        }
        try_wait_until("every viewer sees what is so", SEEN_DEADLINE * 2, || async {
            let truth = self.sale.truth().await.map_err(|error| format!("{error:#}"))?;
            for (number, viewer) in self.viewers.iter().enumerate() {
                let seen = viewer.sees();
                if seen != truth {
                    return Err(format!(
                        "viewer {number} of {} sees something else: {}",
                        self.viewers.len(),
                        difference(&seen, &truth)
                    ));
                }
            }
            Ok(())
        })
        .await
        .map_err(anyhow::Error::msg)?;
        Ok(tally)
    }
}

fn difference(seen: &[Value], truth: &[Value]) -> String {
    let other = seen.iter().zip(truth).filter(|(seen, truth)| seen != truth).count();
    let seqs =
        |values: &[Value]| values.iter().map(|value| value["seq"].to_string()).collect::<Vec<_>>().join(",");
    format!(
        "{} sections of {} known, {other} differ; seq {} and should be {}",
        seen.len(),
        truth.len(),
        seqs(seen),
        seqs(truth)
    )
}

/// Puts the example events on sale.
pub(crate) async fn open(swarm: &Swarm) -> anyhow::Result<()> {
    inside(&swarm.cluster, "app_tickets", &["/livehouse-tickets", "seed"]).await.map(drop)
}

/// Lets each service that keeps books audit them.
pub(crate) async fn audit(swarm: &Swarm) -> anyhow::Result<()> {
    for service in ["tickets", "orders"] {
        let program = format!("/livehouse-{service}");
        inside(&swarm.cluster, &format!("app_{service}"), &[&program, "audit", "--json"])
            .await
            .with_context(|| format!("the audit of {service}"))?;
    }
    Ok(())
}

/// Runs a command in a running task of a service.
pub(crate) async fn inside(cluster: &Cluster, service: &str, arguments: &[&str]) -> anyhow::Result<String> {
    for node in cluster.nodes() {
        let filter = format!("label=com.docker.swarm.service.name={service}");
        let Ok(found) = node.ask(&["ps", "--quiet", "--filter", &filter, "--filter", "status=running"]).await
        else {
            continue;
        };
        if let Some(container) = found.lines().next() {
            return run(node.docker(["exec", container]).args(arguments), COMMAND_DEADLINE).await;
        }
    }
    bail!("no task of {service} runs")
}
