//! The catalogue of metrics: what services tell of themselves to whoever watches them.
//!
//! Names, units and labels follow the conventions of OpenTelemetry. What collectors make of a name for Prometheus is
//! [`Metric::exposed_name`]: that is how rules and dashboards call it. `observability/metrics.md` is this table for people.

use std::fmt::Write as _;

/// What a metric counts like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Only rises, from zero at the start of the process.
    Counter,
    /// Rises and falls by what is added to it.
    UpDownCounter,
    /// The last measured value.
    Gauge,
    /// How many measured values there were below each of these bounds, and their sum.
    Histogram(&'static [f64]),
}

impl Kind {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::UpDownCounter => "up-down counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

/// One metric.
#[derive(Debug, PartialEq)]
pub struct Metric {
    /// Its name, as OpenTelemetry has it.
    pub name: &'static str,
    /// What it counts like.
    pub kind: Kind,
    /// Its unit: `s`, `By`, or in braces what is counted.
    pub unit: &'static str,
    /// Its labels. Each has few values: there is a series for every combination.
    pub labels: &'static [&'static str],
    /// The services that tell it.
    pub by: &'static [&'static str],
    /// What it tells, and what to make of it.
    pub meaning: &'static str,
}

impl Metric {
    /// The name in Prometheus, Mimir, rules and dashboards; a histogram's series have `_bucket`, `_sum` or `_count` behind it.
    #[must_use]
    pub fn exposed_name(&self) -> String {
        let mut name = self.name.replace('.', "_");
        match self.unit {
            "s" => name.push_str("_seconds"),
            "By" => name.push_str("_bytes"),
            _ => {}
        }
        if self.kind == Kind::Counter {
            name.push_str("_total");
        }
        name
    }
}

/// Durations of what should take milliseconds, in seconds.
const DURATIONS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Sizes of batches.
const SIZES: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

const ALL_SERVICES: &[&str] = &["tickets", "orders", "identity", "site"];
/// Those that answer RES requests.
const RES_SERVICES: &[&str] = &["tickets", "orders", "identity"];
/// Those that tell and take facts.
const FACT_SERVICES: &[&str] = &["tickets", "orders"];
const TICKETS: &[&str] = &["tickets"];

macro_rules! catalogue {
    ($($constant:ident = $name:literal, $kind:expr, $unit:literal, [$($label:literal),*], $by:expr, $meaning:literal;)*) => {
        $(
            #[doc = $meaning]
            pub static $constant: Metric =
                Metric { name: $name, kind: $kind, unit: $unit, labels: &[$($label),*], by: $by, meaning: $meaning };
        )*
        /// Every metric there is.
        pub static ALL: &[&Metric] = &[$(&$constant),*];
    };
}

catalogue! {
    RPC_DURATION = "rpc.server.call.duration", Kind::Histogram(DURATIONS), "s",
        ["rpc.system.name", "rpc.method", "error.type"], RES_SERVICES,
        "How long handlers of RES requests take: gets, accesses, calls and authentications, by method. `error.type` is the code of the answer when it is an error.";
    HTTP_DURATION = "http.server.request.duration", Kind::Histogram(DURATIONS), "s",
        ["http.request.method", "http.route", "http.response.status_code"], &["site"],
        "How long the site takes to answer a request.";
    FACT_DURATION = "messaging.process.duration", Kind::Histogram(DURATIONS), "s",
        ["messaging.system", "messaging.operation.name", "messaging.consumer.group.name", "error.type"], FACT_SERVICES,
        "How long the handling of a fact takes, by consumer. `error.type` is `put_off` or `failed`.";
    FACTS_HANDLED = "livehouse.facts.handled", Kind::Counter, "{fact}", ["consumer"], FACT_SERVICES,
        "Facts that a consumer has handled.";
    FACTS_PUT_OFF = "livehouse.facts.put_off", Kind::Counter, "{fact}", ["consumer"], FACT_SERVICES,
        "Facts that could not be handled for a reason that passes by itself, and come again.";
    DEAD_LETTERS = "livehouse.dead_letters", Kind::Counter, "{fact}", ["consumer"], FACT_SERVICES,
        "Facts that a consumer gave up on. Somebody has to look at each.";
    OUTBOX_WAITING = "livehouse.outbox.waiting", Kind::Gauge, "{fact}", [], FACT_SERVICES,
        "Facts in the outbox that have not been published yet, up to 100,000. All replicas of a service measure the same table.";
    OUTBOX_LAG = "livehouse.outbox.lag", Kind::Gauge, "s", [], FACT_SERVICES,
        "How long the oldest fact in the outbox has been waiting; zero when none is.";
    OUTBOX_REFUSED = "livehouse.outbox.refused", Kind::Gauge, "{fact}", [], FACT_SERVICES,
        "Facts that were set aside in the outbox because the broker can never take them.";
    OUTBOX_REFUSALS = "livehouse.outbox.refusals", Kind::Counter, "{fact}", [], FACT_SERVICES,
        "Facts that this process has set aside.";
    OUTBOX_PUBLISHED = "livehouse.outbox.published", Kind::Counter, "{fact}", [], FACT_SERVICES,
        "Facts that were published and acknowledged.";
    OUTBOX_FAILURES = "livehouse.outbox.failures", Kind::Counter, "{failure}", [], FACT_SERVICES,
        "Batches of facts of which some could not be published and were kept.";
    PART_UP = "livehouse.part.up", Kind::Gauge, "{part}", ["part"], ALL_SERVICES,
        "1 while a part of the service's world (its database, the bus, KeyDB, Resgate) answers, else 0.";
    TASKS_FAILED = "livehouse.tasks.failed", Kind::Counter, "{task}", ["task"], &["tickets", "orders", "site"],
        "Tasks of the process that ended by themselves; the process stops and is started again.";
    SLOW_CONSUMERS = "livehouse.nats.slow_consumer", Kind::Counter, "{event}", [], ALL_SERVICES,
        "Times that the NATS client dropped messages because a subscription was read too slowly.";
    TELEMETRY_LOST = "livehouse.telemetry.lost", Kind::Counter, "{item}", ["signal"], ALL_SERVICES,
        "Spans and log lines that could not be delivered and were given up; `signal` is `span` or `log`.";
    BATCH_COMMANDS = "livehouse.inventory.batch.commands", Kind::Histogram(SIZES), "{command}", [], TICKETS,
        "Commands that a transaction of the inventory decides together.";
    BATCH_DURATION = "livehouse.inventory.batch.duration", Kind::Histogram(DURATIONS), "s", [], TICKETS,
        "How long a transaction of the inventory takes, from a free connection to the commit.";
    BATCH_FAILURES = "livehouse.inventory.batch.failures", Kind::Counter, "{batch}", [], TICKETS,
        "Transactions of the inventory that failed and were tried again.";
    INVENTORY_SHED = "livehouse.inventory.shed", Kind::Counter, "{command}", [], TICKETS,
        "Commands that were told to come back: a queue was full, or they had waited too long.";
    INVENTORY_REFUSED_AT_ONCE = "livehouse.inventory.refused_at_once", Kind::Counter, "{command}", [], TICKETS,
        "Holds that were refused from memory, because a seat was just seen to be taken.";
    INVENTORY_REFUSED_WRITES = "livehouse.inventory.refused_writes", Kind::Counter, "{command}", [], TICKETS,
        "Commands that the database refused although the code thought them right: a guard has held. Must stay 0.";
    HOLDS_EXPIRED = "livehouse.holds.expired", Kind::Counter, "{hold}", [], TICKETS,
        "Holds whose time was over and that were cleared away by the sweep.";
    SECTIONS_REREAD = "livehouse.live.sections_reread", Kind::Counter, "{section}", [], TICKETS,
        "Sections that were read again because an announcement of theirs did not arrive.";
    LIVE_OWNED = "livehouse.live.owned", Kind::UpDownCounter, "{event}", [], TICKETS,
        "Events whose live view this replica owns.";
    LIVE_ACQUIRED = "livehouse.live.acquired", Kind::Counter, "{event}", [], TICKETS,
        "Times that this replica became the owner of an event's live view: a start, or a failover.";
}

/// The page about all metrics.
#[must_use]
pub fn page() -> String {
    let mut page = String::from(
        "# Metrics\n\n\
         What the services tell of themselves, by OTLP. This page is made from the table in `crates/contract/src/metric.rs`\n\
         (`LIVEHOUSE_WRITE=1 cargo test -p livehouse-contract metric` writes it); a test compares the table with what a running sale\n\
         emits, both ways. Every series also says its `service_name` and its replica (`instance`).\n\n\
         | in rules and dashboards | OpenTelemetry | kind | unit | labels | by | meaning |\n|---|---|---|---|---|---|---|\n",
    );
    for metric in ALL {
        let labels: Vec<String> = metric.labels.iter().map(|label| label.replace('.', "_")).collect();
        let _infallible = writeln!(
            page,
            "| `{}` | `{}` | {} | {} | {} | {} | {} |",
            metric.exposed_name(),
            metric.name,
            metric.kind.word(),
            metric.unit,
            labels.join(", "),
            metric.by.join(", "),
            metric.meaning
        );
    }
    page
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unlike_also_as_prometheus_has_them_and_written_as_the_conventions_say() {
        let exposed: BTreeSet<String> = ALL.iter().map(|metric| metric.exposed_name()).collect();
        assert_eq!(exposed.len(), ALL.len());
        let fits = |text: &str| {
            text.split('.').all(|part| !part.is_empty())
                && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'.' | b'_'))
        };
        for metric in ALL {
            let units = ["s", "By"].contains(&metric.unit) || metric.unit.starts_with('{');
            assert!(fits(metric.name) && metric.labels.iter().all(|label| fits(label)), "{}", metric.name);
            assert!(units, "{}: {}", metric.name, metric.unit);
            assert!(metric.meaning.ends_with('.'), "{}", metric.name);
        }
    }

    #[test]
    fn the_page_about_metrics_is_that_of_the_table() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../observability/metrics.md");
        if std::env::var_os("LIVEHOUSE_WRITE").is_some() {
            std::fs::write(file, page()).expect("the page can be written");
        }
        let written = std::fs::read_to_string(file).expect("the page is there");
        assert!(
            written == page(),
            "observability/metrics.md is not up to date: LIVEHOUSE_WRITE=1 cargo test -p livehouse-contract metric"
        );
    }
}
