//! Words spoken to the bus with the rights of a service.

use anyhow::Context;

use super::service::tasks;
use crate::{
    command::{QUICK, program, run_with_input},
    swarm::Swarm,
};

/// What tickets has as its URL of the bus.
pub(super) async fn url_of_tickets(swarm: &Swarm) -> anyhow::Result<String> {
    let holders = tasks(&swarm.cluster, "app_tickets").await;
    holders.first().context("tickets does not run")?.file("/run/secrets/nats_url").await
}

/// What a server of the bus answers to who signs in with this URL and says `words`, in the protocol of NATS. `PONG` comes last when
/// all was taken, `-ERR` when not.
pub(super) async fn answer(swarm: &Swarm, url: &str, words: &str) -> anyhow::Result<String> {
    let account = url.split(',').next().and_then(|first| first.strip_prefix("nats://"));
    let (account, _) =
        account.and_then(|rest| rest.split_once('@')).context("the URL of the bus names no user")?;
    let (user, password) = account.split_once(':').context("the URL of the bus has no password")?;
    let said = format!(
        "CONNECT {{\"verbose\":false,\"headers\":true,\"user\":\"{user}\",\"pass\":\"{password}\"}}\r\n{words}PING\r\n"
    );
    let servers = tasks(&swarm.cluster, "bus_nats-1").await;
    let pid = servers.first().context("the bus does not run")?.pid().await?;
    // From within the network of the server; the password goes by standard input.
    let script = "exec 3<>/dev/tcp/127.0.0.1/4222; cat >&3; timeout 3 cat <&3; true";
    let mut ask = program("nsenter", ["--net", "--target", &pid, "bash", "-c", script]);
    run_with_input(&mut ask, Some(said.as_bytes()), QUICK).await
}
