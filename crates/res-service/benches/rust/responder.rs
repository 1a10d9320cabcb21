//! The responders of the benchmark that are written in Rust: on bare async-nats, and on this crate. They do what
//! `benches/go/service` does with go-res, and run as they would for a user who asks for nothing else: the runtime of
//! `#[tokio::main]`, the system's allocator, no subscriber of traces.
//!
//! `cargo dev bench protocol` builds them, optimized over the borders of crates (the profile `whole`), and starts them; by hand:
//! `responder raw|comparing|service BROKER NAME`.

mod items;
mod raw;
mod service;

use std::error::Error;

use raw::Changes;

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [kind, broker, name] = arguments.as_slice() else {
        return Err("usage: responder raw|comparing|service BROKER NAME".into());
    };
    let client = async_nats::connect(broker).await?;
    match kind.as_str() {
        "raw" => raw::serve(client, name, Changes::Known).await,
        "comparing" => raw::serve(client, name, Changes::Compared).await,
        "service" => service::serve(client, name).await,
        other => Err(format!("{other:?} is neither raw, comparing nor service").into()),
    }
}
