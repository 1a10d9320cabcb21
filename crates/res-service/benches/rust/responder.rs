//! The responders of the benchmark that are written in Rust: one on bare async-nats, one on this crate. Both do what
//! `benches/go/service` does with go-res, and have the settings that a user gets without asking: the runtime of
//! `#[tokio::main]`, the system's allocator, no subscriber of traces.
//!
//! `cargo dev bench protocol` starts them; by hand: `responder raw|service BROKER NAME`.

mod items;
mod raw;
mod service;

use std::error::Error;

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [kind, broker, name] = arguments.as_slice() else {
        return Err("usage: responder raw|service BROKER NAME".into());
    };
    let client = async_nats::connect(broker).await?;
    match kind.as_str() {
        "raw" => raw::serve(client, name).await,
        "service" => service::serve(client, name).await,
        other => Err(format!("{other:?} is neither raw nor service").into()),
    }
}
