//! The tools of who runs the box office: the registry, and where alerts are sent.

use std::path::Path;

use anyhow::{Context, ensure};
use futures::FutureExt;
use sha2::{Digest, Sha256};

use super::{
    secret::renew,
    service::{tasks, with_stack},
    telemetry::watch,
};
use crate::{
    certificate::DOMAIN,
    deployment::{ALERTS, REGISTRY, REGISTRY_PASSWORD},
    network,
    swarm::Swarm,
};

/// The registry of the tools takes what it is given by who has its password, however large, and gives it back.
pub(super) async fn the_registry_keeps_what_people_with_its_password_bring(
    swarm: &Swarm,
) -> anyhow::Result<String> {
    with_stack(swarm, "ops", bring_and_fetch(swarm.clone()).boxed()).await
}

/// Whoever renews these says what the new ones are: a password for people, and an address outside of the swarm.
pub(super) async fn the_secrets_of_the_tools_are_renewed(swarm: &Swarm) -> anyhow::Result<String> {
    let registry = with_stack(swarm, "ops", renew_the_registry(swarm.clone()).boxed()).await?;
    watch(swarm).await?;
    let alerts = renew_the_alerts(swarm).await?;
    Ok(format!("{registry}; {alerts}"))
}

async fn renew_the_registry(swarm: Swarm) -> anyhow::Result<String> {
    let new = uuid::Uuid::now_v7().simple().to_string();
    let folder = crate::site::folder(&swarm.workspace).join("layer");
    std::fs::create_dir_all(&folder)?;
    let file = folder.join("asking");
    let lets_in = async |password: &str| -> anyhow::Result<bool> {
        std::fs::write(&file, who(password))?;
        let answer =
            swarm.door().ask_host(2, &registry(), "/v2/", &["--netrc-file", &file.to_string_lossy()]).await;
        match answer?.status {
            200 => Ok(true),
            401 => Ok(false),
            other => anyhow::bail!("the registry answers {other}"),
        }
    };
    ensure!(
        lets_in(REGISTRY_PASSWORD).await? && !lets_in(&new).await?,
        "the registry does not know its password"
    );
    let renewed = renew(&swarm.saying(REGISTRY, &new), "ops").await?;
    ensure!(lets_in(&new).await?, "the registry refuses the new password");
    ensure!(!lets_in(REGISTRY_PASSWORD).await?, "the registry still takes the old password");
    // The next drill knows the first one.
    renew(&swarm, "ops").await?;
    ensure!(lets_in(REGISTRY_PASSWORD).await?, "the registry refuses what it was given back");
    std::fs::remove_dir_all(folder)?;
    Ok(renewed)
}

async fn renew_the_alerts(swarm: &Swarm) -> anyhow::Result<String> {
    let new = format!("{}/elsewhere", network::alerts_url());
    let renewed = renew(&swarm.saying(ALERTS, &new), "observability").await?;
    told_to(swarm, &new).await?;
    renew(swarm, "observability").await?;
    told_to(swarm, &network::alerts_url()).await?;
    Ok(renewed)
}

/// Alertmanager reads where to send an alert each time it has one.
async fn told_to(swarm: &Swarm, url: &str) -> anyhow::Result<()> {
    let tasks = tasks(&swarm.cluster, "observability_alertmanager").await;
    let known =
        tasks.first().context("Alertmanager does not run")?.file("/run/secrets/alert_webhook_url").await?;
    ensure!(known == url, "Alertmanager knows another address than {url}");
    Ok(())
}

async fn bring_and_fetch(swarm: Swarm) -> anyhow::Result<String> {
    let folder = crate::site::folder(&swarm.workspace).join("layer");
    std::fs::create_dir_all(&folder)?;
    let [layer, back, known, stranger] = ["layer", "back", "known", "stranger"].map(|name| folder.join(name));
    // More than the edge takes from buyers.
    let content: Vec<u8> = (0..3_000_000_u32).flat_map(|number| number.to_le_bytes()).collect();
    std::fs::write(&layer, &content)?;
    // In files: passwords are in no list of processes.
    std::fs::write(&known, who(REGISTRY_PASSWORD))?;
    std::fs::write(&stranger, who("guessed"))?;
    let ask = async |who: &Path, path: &str, options: &[&str]| {
        let who = who.to_string_lossy();
        let all = [&["--http1.1", "--netrc-file", &who], options].concat();
        swarm.door().ask_host(2, &registry(), path, &all).await
    };
    let refused = ask(&stranger, "/v2/", &[]).await?;
    ensure!(refused.status == 401, "who has guessed the password is answered {}", refused.status);
    let begun = ask(&known, "/v2/drill/blobs/uploads/", &["--request", "POST"]).await?;
    ensure!(begun.status == 202, "an upload is answered {}: {}", begun.status, begun.body);
    let place = begun.header("location").context("it says no place")?;
    let path = place.strip_prefix(&format!("https://{}", registry())).unwrap_or(place);
    let digest = format!("sha256:{}", hex::encode(Sha256::digest(&content)));
    let end = format!("{path}{}digest={digest}", if path.contains('?') { '&' } else { '?' });
    let data = format!("@{}", layer.display());
    let put =
        ["--request", "PUT", "--header", "Content-Type: application/octet-stream", "--header", "Expect:"];
    let taken = ask(&known, &end, &[&put[..], &["--data-binary", &data]].concat()).await?;
    ensure!(taken.status == 201, "the layer is answered {}: {}", taken.status, taken.body);
    let to = ["--no-include", "--output", &back.to_string_lossy(), "--dump-header", "-"];
    let given = ask(&known, &format!("/v2/drill/blobs/{digest}"), &to).await?;
    ensure!(given.status == 200 && std::fs::read(&back)? == content, "it gives back {}", given.status);
    std::fs::remove_dir_all(folder)?;
    Ok("a layer of 12 MB brought and fetched by name and password, 401 for a wrong one".to_string())
}

fn registry() -> String {
    format!("registry.{DOMAIN}")
}

/// A line of a file that curl takes passwords from.
fn who(password: &str) -> String {
    format!("machine {} login livehouse password {password}\n", registry())
}
