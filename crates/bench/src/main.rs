//! Measurements of the running system, each beside a baseline of the same run and followed by the audit; and of the
//! library below it, beside others of its kind.
//!
//! Everything is real: release builds of the services as processes of their own, nats-server, Resgate, and PostgreSQL
//! that waits for the disk, all on this machine together with the clients. One violation found by the audit, and a
//! measurement scores nothing.

mod baseline;
mod caller;
mod expiry;
mod fanout;
mod gateway;
mod holds;
mod memory;
mod onsale;
mod protocol;
mod report;
mod socket;
mod theatre;

use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use crate::report::Measured;

/// Measure the running system against its bars.
#[derive(Debug, Parser)]
#[command(name = "cargo dev bench", version)]
struct Options {
    /// The measurement; without it, all of them.
    #[arg(value_enum)]
    name: Option<Name>,
    /// One JSON object on standard output.
    #[arg(long)]
    json: bool,
    /// Seconds that each load lasts; of `protocol`, those of one responder in one row, all rounds together.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// Processes of the tickets service.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=8))]
    replicas: u8,
    /// Answer echoes on this broker until killed: the baseline's other side, started by the measurement itself.
    #[arg(long, hide = true)]
    respond_on: Option<String>,
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Name {
    /// Two-seat holds per second, from the call to the durable commit.
    Holds,
    /// The same through Resgate from WebSocket clients.
    Gateway,
    /// From a commit to the frame at each of 1,000 and 3,000 viewers of one section.
    Fanout,
    /// 20,000 buyers for 5,000 seats: how quickly each gets an answer.
    Onsale,
    /// 10,000 holds that run out within one second: when the last is seen as free.
    Expiry,
    /// Memory of the tickets service with 20 events of 40,000 seats.
    Memory,
    /// What a request costs through res-service, beside bare async-nats and go-res.
    Protocol,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    if let Some(broker) = options.respond_on {
        baseline::respond(&broker).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let names = options.name.map_or_else(|| Name::value_variants().to_vec(), |name| vec![name]);
    let mut measurements: Vec<Measured> = Vec::new();
    for name in names {
        let measured = match name {
            Name::Holds => holds::measure(options.seconds, options.replicas).await?.into(),
            Name::Gateway => gateway::measure(options.seconds, options.replicas).await?.into(),
            Name::Fanout => fanout::measure(options.seconds).await?.into(),
            Name::Onsale => onsale::measure(options.replicas).await?.into(),
            Name::Expiry => expiry::measure(options.replicas).await?.into(),
            Name::Memory => memory::measure().await?.into(),
            Name::Protocol => Measured::Protocol(protocol::measure(options.seconds).await?),
        };
        if !options.json {
            measured.print()?;
        }
        measurements.push(measured);
    }
    if options.json {
        report::print_json(&measurements)?;
    }
    let is_valid = measurements.iter().all(Measured::is_valid);
    Ok(if is_valid { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
