//! The comparison for a person to read.

use std::io::Write;

use super::{Comparison, Figures, Ratio};

impl Comparison {
    /// Prints three tables: what goes through, what that costs, how long it takes.
    pub(crate) fn print(&self) -> anyhow::Result<()> {
        let mut out = std::io::stdout();
        writeln!(
            out,
            "\n{}: medians of {} rounds of {} turns, each round with processes of its own; `itself` is raw async-nats over itself",
            self.name, self.rounds, self.turns
        )?;
        self.table(
            &mut out,
            "requests per second (more is better)",
            |figures| format!("{:.0}", figures.per_second),
            Some(|ratio| ratio.per_second),
        )?;
        self.table(
            &mut out,
            "CPU of the responder, microseconds per request (less is better)",
            |figures| format!("{:.2}", figures.cpu_microseconds_per_request),
            Some(|ratio| ratio.cpu),
        )?;
        self.table(
            &mut out,
            "milliseconds to the answer: p50 / p99 of a turn",
            |figures| format!("{:.2} / {:.2}", figures.p50_ms, figures.p99_ms),
            None,
        )?;
        self.table(
            &mut out,
            "resident memory, MB",
            |figures| format!("{:.1}", figures.resident_megabytes),
            None,
        )
    }

    fn table(
        &self,
        out: &mut impl Write,
        title: &str,
        cell: fn(&Figures) -> String,
        ratio: Option<fn(&Ratio) -> f64>,
    ) -> anyhow::Result<()> {
        writeln!(out, "\n  {title}")?;
        let heads = ["", "raw async-nats", "raw, comparing", "go-res", "res-service"];
        write!(
            out,
            "  {:<14} {:>16} {:>16} {:>16} {:>16}",
            heads[0], heads[1], heads[2], heads[3], heads[4]
        )?;
        writeln!(
            out,
            "{}",
            if ratio.is_some() { "    itself     / raw  / comparing  / go-res" } else { "" }
        )?;
        for row in &self.rows {
            let what = format!("{}, c={}", row.workload, row.outstanding);
            let (raw, go_res, res_service) = (cell(&row.raw), cell(&row.go_res), cell(&row.res_service));
            let comparing = cell(&row.comparing);
            write!(out, "  {what:<14} {raw:>16} {comparing:>16} {go_res:>16} {res_service:>16}")?;
            if let Some(ratio) = ratio {
                let ratios = [&row.raw_to_itself, &row.to_raw, &row.to_comparing, &row.to_go_res].map(ratio);
                let [itself, raw, comparing, go_res] = ratios;
                write!(out, "  {itself:>8.2}  {raw:>8.2}  {comparing:>11.2}  {go_res:>8.2}")?;
            }
            writeln!(out)?;
        }
        Ok(())
    }
}
