//! Buyers and viewers that come through the door, as people do.

use crate::swarm::Swarm;

/// Puts the example events on sale.
pub(crate) async fn open(swarm: &Swarm) -> anyhow::Result<()> {
    let _ = swarm;
    Ok(())
}
