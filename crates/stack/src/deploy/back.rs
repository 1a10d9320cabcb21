//! The way back from a deployment.

use anyhow::{Context, bail};
use tokio::time::{Instant, sleep};

use super::{Deployed, Deployment, LOOK_AGAIN, Outcome, Progress, Report, in_order};
use crate::{
    engine::Inspected,
    settle::{Change, between},
};

impl Deployment {
    /// Takes back what was changed, the last first. What it cannot take back becomes a problem of the report.
    pub(super) async fn take_back(&self, report: &mut Report, progress: &mut dyn Progress) {
        progress.begins("taking it back");
        let mut whole = true;
        for index in (0..report.services.len()).rev() {
            let Deployed { name, change, .. } = report.services[index].clone();
            if change == Change::Same {
                continue;
            }
            match self.take_back_service(&name, progress).await {
                Ok(Back::AsBefore) => report.services[index].taken_back = true,
                // Migrations fit the version before: what a job did stays done.
                Ok(Back::Job) => {}
                Ok(Back::Left(why)) => {
                    whole = false;
                    report.problems.push(format!("{name} stays as it is: {why}"));
                }
                Err(error) => {
                    whole = false;
                    report.problems.push(format!("{name} could not be taken back: {error:#}"));
                }
            }
        }
        report.outcome = if whole { Outcome::TakenBack } else { Outcome::Failed };
    }

    /// Takes the last deployment of stacks back, the last one first.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn roll_back(&self, stacks: &[String], progress: &mut dyn Progress) -> anyhow::Result<Report> {
        let mut report = Report::new();
        for stack in in_order(stacks)? {
            let names: Vec<String> =
                self.engine.listed(Some(stack)).await?.into_iter().map(|service| service.name).collect();
            for service in self.engine.inspected(&names).await? {
                let change = service
                    .previous_spec
                    .as_ref()
                    .map_or(Change::Same, |previous| between(previous, &service.spec));
                report.services.push(Deployed { name: service.spec.name, change, taken_back: false });
            }
        }
        self.take_back(&mut report, progress).await;
        if report.outcome == Outcome::TakenBack {
            report.outcome = Outcome::Done;
        }
        Ok(report)
    }

    async fn take_back_service(&self, name: &str, progress: &mut dyn Progress) -> anyhow::Result<Back> {
        let names = [name.to_string()];
        let inspect = || async {
            self.engine.inspected(&names).await?.pop().with_context(|| format!("{name} is not there"))
        };
        let service = inspect().await?;
        if service.spec.is_job() {
            return Ok(Back::Job);
        }
        if let Some(why) = not_taken_back(&service) {
            return Ok(Back::Left(why));
        }
        let state = |service: &Inspected| service.update_status.as_ref().map(|status| status.state.clone());
        let by_itself = matches!(state(&service).as_deref(), Some("rollback_started" | "rollback_completed"));
        if !by_itself {
            self.engine.ask(&["service", "rollback", "--detach", "--quiet", name]).await?;
        }
        let started = Instant::now();
        loop {
            let now = state(&inspect().await?).unwrap_or_default();
            match now.as_str() {
                "rollback_completed" => return Ok(Back::AsBefore),
                "rollback_paused" => bail!("its rollback is paused"),
                _ => {}
            }
            if started.elapsed().as_secs() > self.wave_seconds_max {
                bail!("after {} s it is {now}", self.wave_seconds_max);
            }
            progress.waits(&format!("{name}: {now}"));
            sleep(LOOK_AGAIN).await;
        }
    }
}

/// How it went with a service that was to be taken back.
enum Back {
    AsBefore,
    Job,
    Left(String),
}

/// Why a machine leaves a service as it is: it holds data, it is work that was done, or there was nothing before.
fn not_taken_back(service: &Inspected) -> Option<String> {
    let pauses = service.spec.update_config.as_ref().is_some_and(|config| config.failure_action == "pause");
    let by_itself = service.update_status.as_ref().is_some_and(|status| status.state.starts_with("rollback"));
    if pauses {
        Some("it holds data, a person decides".into())
    } else if service.previous_spec.is_none() && !by_itself {
        Some("there was nothing before".into())
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn inspected(text: &str) -> Inspected {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn data_is_never_taken_back_by_a_machine() {
        let database = inspected(
            r#"{"Spec":{"Name":"data_postgres-1","TaskTemplate":{},"UpdateConfig":{"FailureAction":"pause"}},
                "PreviousSpec":{"Name":"data_postgres-1","TaskTemplate":{}}}"#,
        );
        assert!(not_taken_back(&database).unwrap().contains("data"));
    }

    #[test]
    fn what_was_not_there_before_has_nothing_to_go_back_to() {
        let new = inspected(
            r#"{"Spec":{"Name":"app_site","TaskTemplate":{},"UpdateConfig":{"FailureAction":"rollback"}}}"#,
        );
        assert!(not_taken_back(&new).unwrap().contains("nothing before"));
    }
}
