//! `livehouse-tickets audit`: the invariants, for an operator and at the end of every test and measurement.

use std::process::ExitCode;

use livehouse_platform::{audit, postgres};

use crate::options::Audit;
use crate::store::audit::INVARIANTS;

/// Checks, prints and answers whether everything holds.
pub async fn run(options: Audit) -> anyhow::Result<ExitCode> {
    let pool = postgres::pool_of_command(&options.database, "tickets-audit")?;
    audit::run_and_print(&pool, "tickets", &INVARIANTS, options.json).await
}
