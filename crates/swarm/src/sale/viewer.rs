//! A viewer: looks at all sections of an event and never does anything. When the connection is lost, another door.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use livehouse_testkit::ResClient;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{Sale, section_rid};

/// How often a viewer looks whether the connection is still there.
const LOOK: Duration = Duration::from_millis(200);

/// As the page has it: so long without a word, then so long for the answer.
const ASK_EVERY: Duration = Duration::from_secs(20);
const ANSWER_DEADLINE: Duration = Duration::from_secs(6);

/// Somebody who looks on. Gone when dropped.
#[derive(Debug)]
pub(super) struct Viewer {
    sale: Sale,
    client: Arc<Mutex<Option<Arc<ResClient>>>>,
    task: JoinHandle<()>,
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Viewer {
    pub(super) fn start(sale: Sale) -> Viewer {
        let client = Arc::default();
        let task = tokio::spawn(look(sale.clone(), Arc::clone(&client)));
        Viewer { sale, client, task }
    }

    /// All sections as they are shown now; none while there is no connection.
    pub(super) fn sees(&self) -> Vec<Value> {
        let client = self.client.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(client) = client else { return Vec::new() };
        let sections = self.sale.sections.iter();
        sections
            .filter_map(|section| client.model(&section_rid(&self.sale.event, section)).map(Value::Object))
            .collect()
    }
}

async fn look(sale: Sale, place: Arc<Mutex<Option<Arc<ResClient>>>>) {
    loop {
        if let Ok(client) = open(&sale).await {
            let client = Arc::new(client);
            let mut asked = Instant::now();
            *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&client));
            while client.is_connected().await && is_heard(&client, &mut asked).await {
                tokio::time::sleep(LOOK).await;
            }
            *place.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Whether the gateway answers, when it is time to ask: a node that was lost closes no connection. The page does the same.
async fn is_heard(client: &ResClient, asked: &mut Instant) -> bool {
    if asked.elapsed() < ASK_EVERY {
        return true;
    }
    *asked = Instant::now();
    let version = client.request("version", json!({ "protocol": "1.2.3" }));
    tokio::time::timeout(ANSWER_DEADLINE, version).await.is_ok()
}

async fn open(sale: &Sale) -> anyhow::Result<ResClient> {
    let client = sale.enter(None).await?;
    for section in sale.sections.iter() {
        client.subscribe(&section_rid(&sale.event, section)).await?;
    }
    Ok(client)
}
