//! What was measured, as a table and as JSON.

use std::io::Write;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::protocol::Comparison;

/// Durations, kept to the microsecond with three digits.
#[derive(Debug, Clone)]
pub(crate) struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        Self(Histogram::new_with_max(120_000_000, 3).expect("these bounds are valid"))
    }
}

impl Latencies {
    /// Adds one.
    pub(crate) fn record(&mut self, duration: Duration) {
        let microseconds = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.0.saturating_record(microseconds);
    }

    /// Adds all of another.
    pub(crate) fn add(&mut self, other: &Self) {
        // Both have the same bounds, so nothing can fail to fit.
        let _ = self.0.add(&other.0);
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// The value below which a part of them lies, in milliseconds.
    pub(crate) fn quantile(&self, part: f64) -> f64 {
        self.0.value_at_quantile(part) as f64 / 1_000.0
    }
}

/// One line of a measurement.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Row {
    /// What it is.
    pub(crate) what: String,
    /// Per second, where that means something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) per_second: Option<f64>,
    /// Half of all took at most so many milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) p50_ms: Option<f64>,
    /// 99 of 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) p99_ms: Option<f64>,
    /// 999 of 1,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) p999_ms: Option<f64>,
    /// Another number, with its unit in `unit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<f64>,
    /// Unit of `value`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unit: Option<&'static str>,
}

impl Row {
    /// A rate with its latencies.
    pub(crate) fn rate(what: impl Into<String>, latencies: &Latencies, elapsed: Duration) -> Self {
        Self {
            per_second: Some(latencies.count() as f64 / elapsed.as_secs_f64()),
            ..Self::latencies(what, latencies)
        }
    }

    /// Latencies alone.
    pub(crate) fn latencies(what: impl Into<String>, latencies: &Latencies) -> Self {
        Self {
            what: what.into(),
            per_second: None,
            p50_ms: Some(latencies.quantile(0.5)),
            p99_ms: Some(latencies.quantile(0.99)),
            p999_ms: Some(latencies.quantile(0.999)),
            value: None,
            unit: None,
        }
    }

    /// A number with a unit.
    pub(crate) fn value(what: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self {
            what: what.into(),
            per_second: None,
            p50_ms: None,
            p99_ms: None,
            p999_ms: None,
            value: Some(value),
            unit: Some(unit),
        }
    }
}

/// A measurement.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its lines, baselines among them.
    pub(crate) rows: Vec<Row>,
    /// What the audit found afterwards; anything but 0 and the rest says nothing.
    pub(crate) violations: usize,
}

impl Report {
    /// Prints a table.
    pub(crate) fn print(&self) -> anyhow::Result<()> {
        let mut out = std::io::stdout();
        writeln!(out, "\n{}", self.name)?;
        writeln!(out, "  {:<58} {:>10} {:>9} {:>9} {:>9}", "", "per second", "p50 ms", "p99 ms", "p99.9 ms")?;
        for row in &self.rows {
            let number = |value: Option<f64>, digits: usize| {
                value.map_or(String::new(), |value| format!("{value:.digits$}"))
            };
            write!(out, "  {:<58} {:>10}", row.what, number(row.per_second, 0))?;
            if let (Some(value), Some(unit)) = (row.value, row.unit) {
                writeln!(out, " {value:>9.2} {unit}")?;
            } else {
                writeln!(
                    out,
                    " {:>9} {:>9} {:>9}",
                    number(row.p50_ms, 2),
                    number(row.p99_ms, 2),
                    number(row.p999_ms, 2)
                )?;
            }
        }
        if self.violations == 0 {
            writeln!(out, "  the audit is clean")?;
        } else {
            writeln!(out, "  THE AUDIT FOUND {} VIOLATIONS: the numbers above say nothing", self.violations)?;
        }
        Ok(())
    }
}

/// What a measurement gives.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(crate) enum Measured {
    /// The running system, and what the audit says of it.
    System(Report),
    /// The library beside others.
    Protocol(Comparison),
}

impl Measured {
    /// Prints it for a person.
    pub(crate) fn print(&self) -> anyhow::Result<()> {
        match self {
            Self::System(report) => report.print(),
            Self::Protocol(comparison) => comparison.print(),
        }
    }

    /// Whether the numbers say anything.
    pub(crate) fn is_valid(&self) -> bool {
        match self {
            Self::System(report) => report.violations == 0,
            // Responders that do not do the same are an error before the first number.
            Self::Protocol(_) => true,
        }
    }
}

impl From<Report> for Measured {
    fn from(report: Report) -> Self {
        Self::System(report)
    }
}

/// Prints all measurements as one object.
pub(crate) fn print_json(measurements: &[Measured]) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{}", serde_json::json!({ "measurements": measurements }))?;
    Ok(())
}
