//! The comparison for a person to read.

use std::io::Write;

use super::{Comparison, Figures, Ratio};

impl Comparison {
    /// Prints three tables: what goes through, what that costs, how long it takes.
    pub(crate) fn print(&self) -> anyhow::Result<()> {
        let mut out = std::io::stdout();
        writeln!(out, "\n{}: medians of {} rounds", self.name, self.rounds)?;
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
            "milliseconds to the answer: p50 / p99",
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
        writeln!(out, "{}", if ratio.is_some() { "     / raw  / comparing  / go-res" } else { "" })?;
        for row in &self.rows {
            let what = format!("{}, c={}", row.workload, row.outstanding);
            let (raw, go_res, res_service) = (cell(&row.raw), cell(&row.go_res), cell(&row.res_service));
            let comparing = row.comparing.as_ref().map(cell).unwrap_or_default();
            write!(out, "  {what:<14} {raw:>16} {comparing:>16} {go_res:>16} {res_service:>16}")?;
            if let Some(ratio) = ratio {
                let to_comparing =
                    row.to_comparing.as_ref().map(|to| format!("{:.2}", ratio(to))).unwrap_or_default();
                write!(
                    out,
                    "  {:>8.2}  {to_comparing:>11}  {:>8.2}",
                    ratio(&row.to_raw),
                    ratio(&row.to_go_res)
                )?;
            }
            writeln!(out)?;
        }
        Ok(())
    }
}
