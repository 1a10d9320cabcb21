//! `cargo dev bench`: measurements of the running system.

use anyhow::bail;
use serde_json::json;

use crate::{
    cli::BenchOptions,
    terminal::{Terminal, print},
};

/// A measurement people can ask for by name.
#[derive(Debug, Clone, Copy)]
struct Measurement {
    name: &'static str,
    about: &'static str,
}

/// All measurements, in the order they are run.
const MEASUREMENTS: [Measurement; 4] = [
    Measurement { name: "holds", about: "two-seat holds per second, from the call to the durable commit" },
    Measurement { name: "gateway", about: "the same through Resgate from WebSocket clients" },
    Measurement { name: "viewers", about: "from a commit to the frame at each of many viewers of a section" },
    Measurement { name: "onsale", about: "many buyers for few seats: how quickly each gets an answer" },
];

/// Lists the measurements.
pub(crate) async fn run(options: BenchOptions, terminal: &Terminal) -> anyhow::Result<u8> {
    let names = MEASUREMENTS.map(|measurement| measurement.name);
    if let Some(name) = options.name.as_deref().filter(|name| !names.contains(name)) {
        bail!("there is no measurement {name}: there are {}", names.join(", "));
    }
    if options.json {
        print(&json!({ "measurements": names }).to_string());
    } else {
        for measurement in &MEASUREMENTS {
            terminal.line(&format!("  {:<8} {}", measurement.name, measurement.about));
        }
    }
    Ok(0)
}
