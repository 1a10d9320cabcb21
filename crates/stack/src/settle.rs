//! Whether a service has become what it should be: decided from what the engine says, without asking it anything.

use std::time::Duration;

use serde::Serialize;

use crate::engine::{Inspected, Listed, Spec};

/// An engine that did not begin an update for this long has nothing to update: a change of constraints that the
/// running tasks keep, for example.
const NOTHING_TO_UPDATE: Duration = Duration::from_secs(15);
/// A new task that just started may end at once.
const STAYS: Duration = Duration::from_secs(3);

/// What a deployment did to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It was not there.
    New,
    /// Its tasks are replaced.
    Changed,
    /// Its tasks stay, and what its labels say is another: routes of the edge, for example.
    Relabelled,
    /// Its tasks stay; at most their number changed.
    Same,
}

impl Change {
    fn replaces_tasks(self) -> bool {
        matches!(self, Change::New | Change::Changed)
    }
}

/// How it stands with a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is what it should be.
    Done,
    /// Not yet, and why.
    Waiting(String),
    /// It will not become so, and why.
    Failed(String),
}

/// What changed between two looks at a service.
pub fn change(before: Option<&Inspected>, after: &Inspected) -> Change {
    match before {
        None => Change::New,
        Some(before) => between(&before.spec, &after.spec),
    }
}

/// What changed between two specifications of a service.
pub fn between(before: &Spec, after: &Spec) -> Change {
    if !before.has_tasks_like(after) {
        Change::Changed
    } else if before.labels != after.labels {
        Change::Relabelled
    } else {
        Change::Same
    }
}

/// How it stands with a service, `since` a while after it was deployed.
pub fn standing(change: Change, listed: &Listed, inspected: &Inspected, since: Duration) -> Standing {
    let state = inspected.update_status.as_ref().map_or("", |status| status.state.as_str());
    let message = inspected.update_status.as_ref().map_or("", |status| status.message.as_str());
    match state {
        "paused" | "rollback_paused" | "rollback_started" | "rollback_completed"
            if change.replaces_tasks() =>
        {
            return Standing::Failed(format!("its update is {state}: {message}"));
        }
        "updating" | "rollback_started" => return Standing::Waiting("updating".into()),
        _ => {}
    }
    let Some(counted) = counted(listed) else {
        return Standing::Waiting(format!("{:?} is not understood", listed.replicas));
    };
    if counted.there < counted.wanted {
        let what = if counted.is_job { "done" } else { "running" };
        return Standing::Waiting(format!("{} of {} {what}", counted.there, counted.wanted));
    }
    let begun =
        change != Change::Changed || counted.is_job || state == "completed" || since > NOTHING_TO_UPDATE;
    if !begun {
        return Standing::Waiting("the update has not begun".into());
    }
    if since < STAYS && change.replaces_tasks() {
        return Standing::Waiting("running, does it stay?".into());
    }
    Standing::Done
}

struct Counted {
    there: u64,
    wanted: u64,
    is_job: bool,
}

/// `2/3`, or `0/1 (1/1 completed)` of a job. Lines of limits (`2/3 (max 1 per node)`) have more behind.
fn counted(listed: &Listed) -> Option<Counted> {
    let is_job = listed.mode.ends_with("job");
    let text = if is_job {
        let (_, inside) = listed.replicas.split_once('(')?;
        inside.split_whitespace().next()?
    } else {
        listed.replicas.split_whitespace().next()?
    };
    let (there, wanted) = text.split_once('/')?;
    Some(Counted { there: there.parse().ok()?, wanted: wanted.parse().ok()?, is_job })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const LATER: Duration = Duration::from_secs(5);

    fn listed(mode: &str, replicas: &str) -> Listed {
        Listed { name: "app_x".into(), mode: mode.into(), replicas: replicas.into() }
    }

    fn inspected(image: &str, state: &str) -> Inspected {
        let status = if state.is_empty() { "null".into() } else { format!(r#"{{"State":"{state}"}}"#) };
        let text = format!(
            r#"{{"Spec":{{"Name":"app_x","TaskTemplate":{{"Image":"{image}"}}}},"UpdateStatus":{status}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    fn of(change: Change, replicas: &str, state: &str, since: Duration) -> Standing {
        standing(change, &listed("replicated", replicas), &inspected("a", state), since)
    }

    #[test]
    fn a_changed_service_is_done_only_when_its_update_is_completed() {
        assert!(matches!(of(Change::Changed, "2/2", "", LATER), Standing::Waiting(_)));
        assert!(matches!(of(Change::Changed, "2/2", "updating", LATER), Standing::Waiting(_)));
        assert_eq!(of(Change::Changed, "2/2", "completed", LATER), Standing::Done);
        assert_eq!(of(Change::Changed, "2/2", "", Duration::from_secs(20)), Standing::Done);
    }

    #[test]
    fn an_update_that_was_taken_back_is_a_failure_although_everything_runs() {
        for state in ["paused", "rollback_started", "rollback_paused", "rollback_completed"] {
            assert!(matches!(of(Change::Changed, "2/2", state, LATER), Standing::Failed(_)), "{state}");
        }
    }

    #[test]
    fn the_failure_of_an_earlier_update_is_not_this_ones() {
        assert_eq!(of(Change::Same, "2/2", "rollback_completed", LATER), Standing::Done);
    }

    #[test]
    fn a_new_service_must_run_and_stay() {
        assert!(matches!(of(Change::New, "1/2", "", LATER), Standing::Waiting(_)));
        assert!(matches!(of(Change::New, "2/2", "", Duration::from_secs(1)), Standing::Waiting(_)));
        assert_eq!(of(Change::New, "2/2 (max 1 per node)", "", LATER), Standing::Done);
    }

    #[test]
    fn a_job_is_done_when_it_has_completed() {
        let job = |replicas| {
            standing(Change::Changed, &listed("replicated job", replicas), &inspected("a", ""), LATER)
        };
        assert_eq!(job("0/1 (1/1 completed)"), Standing::Done);
        assert!(matches!(job("1/1 (0/1 completed)"), Standing::Waiting(_)));
    }

    #[test]
    fn what_changed_is_told_by_the_tasks() {
        let (old, new) = (inspected("a", ""), inspected("b", ""));
        assert_eq!(change(None, &new), Change::New);
        assert_eq!(change(Some(&old), &new), Change::Changed);
        assert_eq!(change(Some(&old), &old), Change::Same);
        let mut routed = old.clone();
        routed.spec.labels.insert("traefik.http.routers.site.rule".into(), "Host(`elsewhere`)".into());
        assert_eq!(change(Some(&old), &routed), Change::Relabelled);
    }
}
