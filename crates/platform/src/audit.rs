//! Invariants as SQL: each statement lists, in a column `place`, what violates it.

use std::io::Write;
use std::process::ExitCode;

use deadpool_postgres::Pool;
use serde_json::json;
use tokio_postgres::IsolationLevel;

/// One invariant and the statement that finds what violates it.
#[derive(Debug, Clone, Copy)]
pub struct Invariant {
    /// Its name.
    pub name: &'static str,
    /// What it promises.
    pub promise: &'static str,
    /// A query with a text column `place` and a row for each violation.
    pub statement: &'static str,
}

/// An [`Invariant`] whose statement stands in `audit/<name>.sql` beside the calling file.
#[macro_export]
macro_rules! invariant {
    ($name:literal, $promise:literal) => {
        $crate::audit::Invariant {
            name: $name,
            promise: $promise,
            statement: include_str!(concat!("audit/", $name, ".sql")),
        }
    };
}

/// What an invariant's check found.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The invariant.
    pub invariant: Invariant,
    /// How often it is violated.
    pub violations: usize,
    /// The first few places.
    pub examples: Vec<String>,
}

/// How many places a finding names.
const EXAMPLES_MAX: usize = 5;

/// Checks all invariants in one snapshot of the database.
pub async fn run(pool: &Pool, invariants: &[Invariant]) -> anyhow::Result<Vec<Finding>> {
    let mut connection = pool.get().await?;
    let transaction = connection
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .await?;
    transaction.batch_execute("set local statement_timeout = '120s'").await?;
    let mut findings = Vec::with_capacity(invariants.len());
    for invariant in invariants {
        let rows = transaction.query(invariant.statement, &[]).await?;
        let examples = rows.iter().take(EXAMPLES_MAX).map(|row| row.get::<_, String>("place")).collect();
        findings.push(Finding { invariant: *invariant, violations: rows.len(), examples });
    }
    transaction.commit().await?;
    Ok(findings)
}

/// Checks all invariants, prints what was found, and answers 1 on a violation.
pub async fn run_and_print(
    pool: &Pool,
    service: &str,
    invariants: &[Invariant],
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let findings = run(pool, invariants).await?;
    let violations: usize = findings.iter().map(|finding| finding.violations).sum();
    let mut out = std::io::stdout();
    if as_json {
        let invariants: Vec<_> = findings
            .iter()
            .map(|finding| {
                let Invariant { name, promise, .. } = finding.invariant;
                json!({"name": name, "promise": promise, "violations": finding.violations, "examples": finding.examples})
            })
            .collect();
        writeln!(out, "{}", json!({"service": service, "violations": violations, "invariants": invariants}))?;
    } else {
        for finding in &findings {
            let verdict = if finding.violations == 0 { "holds   " } else { "VIOLATED" };
            writeln!(out, "{verdict}  {:<30} {}", finding.invariant.name, finding.invariant.promise)?;
            for example in &finding.examples {
                writeln!(out, "          {example}")?;
            }
        }
    }
    Ok(if violations == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
