//! A sale with a site in front of it.

use std::path::PathBuf;
use std::time::Duration;

use livehouse_testkit::parts::{PortLease, ResgateOptions, Workspace};
use livehouse_testkit::{Service, World, wait_until};
use reqwest::header::{COOKIE, HeaderMap};
use serde_json::Value;

/// Long enough for anything on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A plan of the tickets service's own format: one row, one area.
const PLAN: &str = include_str!("plan.json");

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    /// The body as text, with slashes as a browser reads them.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.bytes.clone()).unwrap().replace("&#x2f;", "/")
    }

    /// A header, or nothing.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// The site, the services behind it, and a client that follows no redirects and unpacks nothing.
pub(crate) struct Theatre {
    pub(crate) site: Service,
    pub(crate) tickets: Service,
    _identity: Service,
    pub(crate) world: World,
    pub(crate) url: String,
    http: reqwest::Client,
    _port: PortLease,
}

impl Theatre {
    /// A site with these events on sale: names and prices.
    pub(crate) async fn open(events: &[(&str, &str)]) -> Self {
        Self::at(None, events).await
    }

    /// The same, known to the world under another address.
    pub(crate) async fn at(site_url: Option<&str>, events: &[(&str, &str)]) -> Self {
        let builder = World::builder().nats().keydb().postgres("tickets");
        let world = builder.resgate_with(ResgateOptions::default().patient()).start().await.unwrap();
        world.service("livehouse-tickets").argument("migrate").run().await.unwrap();
        let plan = world.folder().join("plan.json");
        std::fs::write(&plan, PLAN).unwrap();
        for (name, price) in events {
            let command =
                world.service("livehouse-tickets").argument("import").argument(plan.to_str().unwrap());
            command
                .argument("--name")
                .argument(name)
                .argument("--price")
                .argument(price)
                .run()
                .await
                .unwrap();
        }
        let tickets = world.service("livehouse-tickets").start().await.unwrap();
        let identity = world.service("livehouse-identity").start().await.unwrap();
        let port = PortLease::any().unwrap();
        let address = format!("127.0.0.1:{}", port.port());
        let mut site = world.service("livehouse-site").environment("LIVEHOUSE_SITE_BIND", &address);
        site = site.environment("LIVEHOUSE_WEB_DIST", client(&world));
        if let Some(url) = site_url {
            site = site.environment("LIVEHOUSE_SITE_URL", url);
        }
        let site = site.start().await.unwrap();
        let theatre = Self {
            site,
            tickets,
            _identity: identity,
            world,
            url: format!("http://{address}"),
            http: reqwest::Client::new(),
            _port: port,
        };
        wait_until("a list of all events", PATIENCE, || async {
            let page = theatre.get("/").await;
            let shown = page.text().matches("href=\"/events/").count();
            if page.status == 200 && shown >= events.len() {
                Ok(())
            } else {
                Err(format!("{}: {}", page.status, page.text()))
            }
        })
        .await;
        theatre
    }

    /// A page as a first visitor gets it.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[]).await
    }

    /// A page asked for with these headers.
    pub(crate) async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = self.http.get(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            bytes: response.bytes().await.unwrap().to_vec(),
        }
    }

    /// A page for a visitor with this cookie.
    pub(crate) async fn get_as(&self, path: &str, cookie: &str) -> Answer {
        self.get_with(path, &[(COOKIE.as_str(), cookie)]).await
    }

    /// An event's model through the gateway, as programs read it.
    pub(crate) async fn model(&self, resource: &str) -> Value {
        let url = format!("{}/api/{}", self.world.resgate().url(), resource.replace('.', "/"));
        let text = self.http.get(url).send().await.unwrap().text().await.unwrap();
        serde_json::from_str(&text).unwrap()
    }
}

/// The built client, or the least that the site takes for one.
fn client(world: &World) -> PathBuf {
    let built = Workspace::find().root().join("web/dist");
    if built.join("manifest.json").is_file() {
        return built;
    }
    let folder = world.folder().join("client");
    std::fs::create_dir_all(folder.join("assets")).unwrap();
    std::fs::write(folder.join("assets/entry-0001.js"), "export {};\n").unwrap();
    let entries =
        ["styles/site.css", "pages/events.ts", "pages/event.ts", "pages/orders.ts", "pages/order.ts"];
    let manifest: serde_json::Map<String, Value> = entries
        .iter()
        .map(|entry| (format!("src/{entry}"), serde_json::json!({"file": "assets/entry-0001.js"})))
        .collect();
    std::fs::write(folder.join("manifest.json"), Value::from(manifest).to_string()).unwrap();
    folder
}
