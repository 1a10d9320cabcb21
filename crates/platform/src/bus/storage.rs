//! Streams and buckets as they are configured: made when missing, else brought to their configuration.

use anyhow::Context as _;
use async_nats::jetstream::{self, object_store, stream};

/// Makes the stream of `config`, or brings the one that is there to it: how long it keeps messages, how long it knows
/// duplicates, on how many servers. Copies are only added: a command at a terminal that knows nothing of the cluster must
/// not take any away.
///
/// A stream that is there and cannot be changed now (too few servers are up for one more copy) is used as it is, and the
/// log says so.
pub async fn stream(jetstream: &jetstream::Context, config: stream::Config) -> anyhow::Result<()> {
    let name = config.name.clone();
    let found = jetstream
        .get_or_create_stream(config.clone())
        .await
        .with_context(|| format!("cannot make the stream {name}"))?;
    let there = &found.cached_info().config;
    let wanted = stream::Config {
        subjects: config.subjects,
        max_age: config.max_age,
        duplicate_window: if config.duplicate_window.is_zero() {
            there.duplicate_window
        } else {
            config.duplicate_window
        },
        num_replicas: config.num_replicas.max(there.num_replicas),
        ..there.clone()
    };
    bring(jetstream, there, &wanted).await;
    Ok(())
}

/// The bucket `name`, kept on at least `replicas` servers; made if it is not there.
pub async fn bucket(
    jetstream: &jetstream::Context,
    name: &str,
    replicas: u8,
) -> anyhow::Result<object_store::ObjectStore> {
    let num_replicas = usize::from(replicas);
    let Ok(bucket) = jetstream.get_object_store(name).await else {
        let config =
            object_store::Config { bucket: name.to_owned(), num_replicas, ..object_store::Config::default() };
        return jetstream
            .create_object_store(config)
            .await
            .with_context(|| format!("cannot make the bucket {name}"));
    };
    // A bucket is a stream of this name.
    let found = jetstream
        .get_stream(format!("OBJ_{name}"))
        .await
        .with_context(|| format!("cannot look at the bucket {name}"))?;
    let there = &found.cached_info().config;
    let wanted = stream::Config { num_replicas: num_replicas.max(there.num_replicas), ..there.clone() };
    bring(jetstream, there, &wanted).await;
    Ok(bucket)
}

async fn bring(jetstream: &jetstream::Context, there: &stream::Config, wanted: &stream::Config) {
    if there == wanted {
        return;
    }
    let (name, replicas, before) = (&there.name, wanted.num_replicas, there.num_replicas);
    match jetstream.update_stream(wanted).await {
        Ok(_) => tracing::info!(stream = name, replicas, before, "a stream was brought to its configuration"),
        Err(error) => tracing::warn!(
            stream = name, replicas, before, %error,
            "a stream could not be brought to its configuration and is used as it is; the next start tries again"
        ),
    }
}
