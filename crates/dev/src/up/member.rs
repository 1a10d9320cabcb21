//! One running thing of a sale, whatever it is: looked at, stopped and started again in the same way.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use livehouse_parts::{Identity, Kind, Process, Server, ServiceProcess};

/// How long a service has from its start to being ready.
pub(crate) const SERVICE_READY_SECONDS_MAX: u64 = 60;

/// A server or a service.
#[async_trait]
pub(crate) trait Member: Send + Sync {
    /// Its process of now.
    fn process(&self) -> Arc<Process>;

    /// Starts it again and waits until it is ready.
    async fn start_again(&self) -> anyhow::Result<()>;

    /// The name people know it by.
    fn name(&self) -> String {
        self.process().name().to_string()
    }

    /// Its process of now, told apart from later ones with the same number.
    fn identity(&self) -> Identity {
        self.process().identity().clone()
    }

    /// Stops it in order.
    async fn stop(&self) {
        self.process().stop().await;
    }
}

#[async_trait]
impl<K: Kind + 'static> Member for Server<K> {
    fn process(&self) -> Arc<Process> {
        Server::process(self)
    }

    async fn start_again(&self) -> anyhow::Result<()> {
        Ok(self.restart().await?)
    }
}

#[async_trait]
impl Member for ServiceProcess {
    fn process(&self) -> Arc<Process> {
        ServiceProcess::process(self)
    }

    async fn start_again(&self) -> anyhow::Result<()> {
        self.restart().await?;
        Ok(self.until_ready(Duration::from_secs(SERVICE_READY_SECONDS_MAX)).await?)
    }
}
