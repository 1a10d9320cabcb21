//! The drills: one test each, by name, on a swarm with a running sale.

use std::{
    collections::HashMap,
    future::Future,
    pin::Pin,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::bail;
use serde_json::json;
use tokio_util::task::AbortOnDropHandle;

use crate::{
    line::TestOptions,
    sale, say, site,
    swarm::{self, Swarm},
};

mod browser;
mod bus;
mod change;
mod door;
mod graph;
mod loss;
mod person;
mod secret;
mod service;
mod telemetry;
mod tool;
mod webhook;
mod whole;

/// They mostly wait and touch nothing of the sale, so they begin with the others, and are asked how it was when their turn
/// comes.
const BESIDE: [&str; 2] =
    ["a_websocket_lives_for_ten_minutes", "a_line_and_a_trace_are_found_and_an_alert_comes_and_goes"];

/// The whole has no time for them: they are done when they are named.
const BY_NAME: [&str; 5] = [
    "a_deployment_that_fails_is_taken_back",
    "the_sale_goes_back_to_a_moment",
    "every_other_secret_of_the_sale_is_renewed",
    "the_secrets_of_the_tools_are_renewed",
    "an_operator_signs_in_after_the_secrets_of_the_clients_were_renewed",
];

/// All of it, with what comes before and after. Whatever is not done by then counts as failed.
const DEADLINE: Duration = Duration::from_secs(40 * 60);
/// What taking the swarm down needs of that.
const RESERVE: Duration = Duration::from_secs(60);

type Run = for<'a> fn(&'a Swarm) -> Pin<Box<dyn Future<Output = anyhow::Result<String>> + Send + 'a>>;

/// A test of the swarm. What it gives is what was measured.
#[derive(Clone, Copy)]
pub(crate) struct Drill {
    name: &'static str,
    run: Run,
}

macro_rules! drills {
    ($($module:ident::$name:ident),* $(,)?) => {
        /// All drills, in an order in which none spoils what the next one needs.
        const DRILLS: &[Drill] = &[$(Drill {
            name: stringify!($name),
            run: |swarm| Box::pin($module::$name(swarm)),
        }),*];
    };
}

drills![
    browser::a_seat_is_held_and_seen_live_by_browsers_over_tls,
    door::the_logs_tell_the_address_of_the_client,
    door::headers_and_compression_are_as_configured,
    door::too_many_requests_get_429_and_others_do_not_notice,
    door::a_body_too_large_gets_413,
    door::people_get_a_page_and_programs_their_json_when_a_service_is_away,
    door::a_task_that_dies_is_not_noticed_and_the_breaker_closes_again,
    change::tickets_scale_from_two_to_four_and_back,
    change::a_bad_image_rolls_back_by_itself,
    change::a_deployment_that_fails_is_taken_back,
    person::an_operator_signs_in_and_a_buyer_is_turned_away,
    tool::the_registry_keeps_what_people_with_its_password_bring,
    telemetry::a_line_and_a_trace_are_found_and_an_alert_comes_and_goes,
    graph::a_call_and_its_fact_are_one_trace_and_graphs_have_their_numbers,
    secret::passwords_are_renewed_during_the_sale,
    secret::every_other_secret_of_the_sale_is_renewed,
    tool::the_secrets_of_the_tools_are_renewed,
    person::an_operator_signs_in_after_the_secrets_of_the_clients_were_renewed,
    door::a_websocket_lives_for_ten_minutes,
    change::a_changed_configuration_rolls_out,
    change::every_service_is_updated_during_the_sale,
    loss::the_node_of_the_owner_is_lost,
    loss::the_node_of_the_nats_leader_is_lost,
    whole::the_sale_goes_back_to_a_moment,
    whole::everything_stops_and_starts_with_its_data,
    whole::a_backup_is_restored_into_an_empty_swarm,
];

/// `test`.
pub(crate) async fn run(options: &TestOptions) -> anyhow::Result<ExitCode> {
    let chosen: Vec<Drill> = DRILLS
        .iter()
        .filter(|drill| {
            let is_named = options.names.iter().any(|name| drill.name.contains(name));
            is_named || (options.names.is_empty() && (options.list || !BY_NAME.contains(&drill.name)))
        })
        .copied()
        .collect();
    if options.list {
        for drill in chosen {
            let when = if BY_NAME.contains(&drill.name) { "  (when named)" } else { "" };
            say::print(&format!("{}{when}", drill.name));
        }
        return Ok(ExitCode::SUCCESS);
    }
    if chosen.is_empty() {
        bail!("no drill is called so: `cargo dev swarm test --list` says which there are");
    }
    let mut stopped = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let mut results = Vec::new();
    let done = tokio::select! {
        done = tokio::time::timeout(DEADLINE - RESERVE, drill(&chosen, &mut results)) =>
            done.unwrap_or_else(|_| Err(anyhow::anyhow!("the drills were not done after {}", say::duration(DEADLINE - RESERVE)))),
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("broken off")),
        _ = stopped.recv() => Err(anyhow::anyhow!("told to stop")),
    };
    if let Err(why) = &done {
        for drill in &chosen[results.len()..] {
            let said = Err(format!("not done: {why:#}"));
            results.push(Outcome { name: drill.name, took: Duration::ZERO, said });
        }
    }
    let failed = tell(&results, options.json);
    if options.keep {
        say::line("the swarm stays: `cargo dev swarm down` takes it down");
    } else {
        let down = swarm::down().await;
        if let (Err(why), Err(down)) = (&done, &down) {
            bail!("{why:#}; and the swarm could not be taken down: {down:#}");
        }
        down?;
    }
    done?;
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How a drill went: what was measured, or what was wrong.
struct Outcome {
    name: &'static str,
    took: Duration,
    said: Result<String, String>,
}

/// The summary; gives how many failed.
fn tell(results: &[Outcome], as_json: bool) -> usize {
    let failed = results.iter().filter(|outcome| outcome.said.is_err()).count();
    let passed = results.len() - failed;
    if !as_json {
        say::print(&format!("\n{passed} passed, {failed} failed"));
        return failed;
    }
    let drills: Vec<_> = results
        .iter()
        .map(|Outcome { name, took, said }| {
            let words = said.as_ref().unwrap_or_else(|words| words);
            json!({ "name": name, "passed": said.is_ok(), "seconds": took.as_secs_f64(), "said": words })
        })
        .collect();
    say::print(&json!({ "passed": passed, "failed": failed, "drills": drills }).to_string());
    failed
}

async fn drill(chosen: &[Drill], results: &mut Vec<Outcome>) -> anyhow::Result<()> {
    let swarm = Swarm::make().await?;
    let logs = site::folder(&swarm.workspace).join("failed");
    if logs.exists() {
        std::fs::remove_dir_all(&logs)?;
    }
    swarm.deploy(swarm::STACKS).await?;
    sale::open(&swarm).await?;
    // In tasks of their own: a panic is a drill that failed, not the end of all. They end with who waits for them.
    let begin = |drill: &Drill| {
        let (swarm, run, started) = (swarm.clone(), drill.run, Instant::now());
        AbortOnDropHandle::new(tokio::spawn(async move { (run(&swarm).await, started.elapsed()) }))
    };
    let mut beside: HashMap<&str, _> = chosen
        .iter()
        .filter(|drill| BESIDE.contains(&drill.name))
        .map(|drill| (drill.name, begin(drill)))
        .collect();
    for drill in chosen {
        let running = beside.remove(drill.name).unwrap_or_else(|| begin(drill));
        let (said, took) =
            running.await.unwrap_or_else(|_| (Err(anyhow::anyhow!("it panicked")), Duration::ZERO));
        let said = said.map_err(|error| format!("{error:#}"));
        let time = say::duration(took);
        match &said {
            Ok(measured) => say::line(&format!("test {} ... ok ({time}): {measured}", drill.name)),
            Err(wrong) => {
                say::line(&format!("test {} ... FAILED ({time}): {wrong}", drill.name));
                let folder = logs.join(drill.name);
                match service::keep_logs(&swarm.cluster, &folder).await {
                    Ok(()) => say::line(&format!("    the logs are in {}", folder.display())),
                    Err(error) => say::line(&format!("    the logs could not be kept: {error:#}")),
                }
            }
        }
        results.push(Outcome { name: drill.name, took, said });
    }
    Ok(())
}
