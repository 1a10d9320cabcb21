//! Where the swarm's files are.

use std::path::PathBuf;

use livehouse_parts::Workspace;

/// `.livehouse/swarm`: nodes, images, certificates.
pub(crate) fn folder(workspace: &Workspace) -> PathBuf {
    workspace.state().join("swarm")
}
