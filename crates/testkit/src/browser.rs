//! A real browser without a window, driven through its DevTools protocol.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use livehouse_parts::{Part, Process, ProcessSpec};
use serde_json::{Value, json};

use crate::wait_until;

mod connection;

use connection::{Connection, Session};

const START_SECONDS_MAX: u64 = 30;
const LOAD: Duration = Duration::from_secs(30);

/// A browser with a profile of its own. Dropping it ends it.
#[derive(Debug)]
pub struct Browser {
    connection: Connection,
    _process: Process,
}

impl Browser {
    /// Starts Chromium with its profile and log in `folder`.
    pub async fn start(folder: &Path) -> anyhow::Result<Browser> {
        Browser::start_with(folder, &[]).await
    }

    /// [`Browser::start`] with further switches: whom to trust, which address a name has.
    pub async fn start_with(folder: &Path, switches: &[String]) -> anyhow::Result<Browser> {
        #[allow(clippy::print_stderr)]
        let get = || Part::Chromium.ensure(&|line| eprintln!("{line}"));
        let program = tokio::task::spawn_blocking(get).await??.path;
        let profile = folder.join("profile");
        fs::create_dir_all(&profile).with_context(|| format!("make the folder {}", profile.display()))?;
        let mut spec = ProcessSpec::new("chromium", program, folder.join("chromium.log")).arguments([
            "--headless",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--remote-debugging-port=0",
        ]);
        spec = spec.arguments([format!("--user-data-dir={}", profile.display())]).arguments(switches);
        if fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0) {
            // Chromium refuses to run as root otherwise.
            spec = spec.arguments(["--no-sandbox"]);
        }
        spec.grace = Duration::from_secs(2);
        let process = Process::start(spec.arguments(["about:blank"]))?;
        let url = address(&process, &profile.join("DevToolsActivePort")).await?;
        Ok(Browser { connection: Connection::open(&url).await?, _process: process })
    }

    /// A new person: a page with cookies and storage of its own.
    pub async fn person(&self) -> anyhow::Result<Page> {
        let context = self.connection.browser().command("Target.createBrowserContext", json!({})).await?;
        self.page_in(context["browserContextId"].as_str().unwrap_or_default()).await
    }

    /// Another tab of the same person.
    pub async fn another_tab(&self, page: &Page) -> anyhow::Result<Page> {
        self.page_in(&page.person).await
    }

    async fn page_in(&self, person: &str) -> anyhow::Result<Page> {
        let browser = self.connection.browser();
        let target = json!({ "url": "about:blank", "browserContextId": person });
        let target = browser.command("Target.createTarget", target).await?;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = browser.command("Target.attachToTarget", attach).await?;
        let id = attached["sessionId"].as_str().context("the browser named no session")?;
        let page = Page { session: self.connection.session(id), person: person.to_string() };
        for domain in ["Page.enable", "Runtime.enable", "Log.enable", "Network.enable"] {
            page.command(domain, json!({})).await?;
        }
        Ok(page)
    }
}

/// Where the browser listens, once it says so.
async fn address(process: &Process, file: &Path) -> anyhow::Result<String> {
    let started = Instant::now();
    loop {
        let text = fs::read_to_string(file).unwrap_or_default();
        if let Some((port, path)) = text.trim().split_once('\n') {
            return Ok(format!("ws://127.0.0.1:{port}{path}"));
        }
        if process.status().is_some() || started.elapsed() > Duration::from_secs(START_SECONDS_MAX) {
            bail!("Chromium did not start; it said last:\n{}", process.last_lines(12));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A tab.
#[derive(Debug, Clone)]
pub struct Page {
    session: Session,
    person: String,
}

impl Page {
    /// Any command of the DevTools protocol.
    pub async fn command(&self, method: &str, params: Value) -> anyhow::Result<Value> {
        self.session.command(method, params).await
    }

    /// Opens an address and waits until the page has loaded.
    pub async fn open(&self, url: &str) -> anyhow::Result<()> {
        let answer = self.command("Page.navigate", json!({ "url": url })).await?;
        if let Some(reason) = answer["errorText"].as_str() {
            bail!("the browser cannot open {url}: {reason}");
        }
        let loaded = "document.readyState === 'complete' && location.href !== 'about:blank'";
        self.wait_for(&format!("{url} to load"), loaded, LOAD).await;
        Ok(())
    }

    /// The value of a JavaScript expression; a promise is waited for, an exception is an error.
    pub async fn evaluate(&self, expression: &str) -> anyhow::Result<Value> {
        let params = json!({
            "expression": expression,
            "awaitPromise": true,
            "returnByValue": true,
            "userGesture": true,
        });
        let mut answer = self.command("Runtime.evaluate", params).await?;
        if let Some(details) = answer.get("exceptionDetails") {
            let said = details["exception"]["description"].as_str().or(details["text"].as_str());
            bail!("{}: {expression}", said.unwrap_or("an exception"));
        }
        Ok(answer["result"]["value"].take())
    }

    /// Waits until a JavaScript expression is true in the page's sense, and gives its value.
    ///
    /// # Panics
    /// When that takes longer than `deadline`: with `what` and what the page showed last.
    pub async fn wait_for(&self, what: &str, expression: &str, deadline: Duration) -> Value {
        wait_until(what, deadline, || async {
            let value = self.evaluate(expression).await.map_err(|error| format!("{error:#}"))?;
            let is_true = match &value {
                Value::Null | Value::Bool(false) => false,
                Value::Number(number) => number.as_f64() != Some(0.0),
                Value::String(text) => !text.is_empty(),
                _ => true,
            };
            if is_true {
                return Ok(value);
            }
            let seen = self.evaluate("document.body?.innerText.slice(0, 600)").await;
            let seen = seen.map_or_else(|error| format!("{error:#}"), |text| text.to_string());
            Err(format!(
                "{expression} is {value}; the page shows {seen}; it complained {:?}",
                self.complaints()
            ))
        })
        .await
    }

    /// Presses and lets go of the mouse in the middle of the first element a CSS selector names, once it is there.
    pub async fn click(&self, selector: &str) -> anyhow::Result<()> {
        let place = format!(
            "(() => {{ const element = document.querySelector({}); if (!element) return null;
               element.scrollIntoView({{ block: 'center', inline: 'center', behavior: 'instant' }});
               const box = element.getBoundingClientRect();
               return box.width && box.height ? [box.x + box.width / 2, box.y + box.height / 2] : null; }})()",
            Value::from(selector)
        );
        let place = self.wait_for(&format!("{selector} to be seen"), &place, LOAD).await;
        self.click_at(place[0].as_f64().unwrap_or_default(), place[1].as_f64().unwrap_or_default()).await
    }

    /// Presses and lets go of the mouse at a place of the window, in CSS pixels.
    pub async fn click_at(&self, x: f64, y: f64) -> anyhow::Result<()> {
        for kind in ["mouseMoved", "mousePressed", "mouseReleased"] {
            let button = if kind == "mouseMoved" { "none" } else { "left" };
            let params = json!({ "type": kind, "x": x, "y": y, "button": button, "clickCount": 1 });
            self.command("Input.dispatchMouseEvent", params).await?;
        }
        Ok(())
    }

    /// Presses and lets go of a key such as `Enter`, `Tab`, `ArrowRight`.
    pub async fn press(&self, key: &str) -> anyhow::Result<()> {
        let (code, text) = match key {
            "Enter" => (13, "\r"),
            "Tab" => (9, ""),
            "Escape" => (27, ""),
            " " => (32, " "),
            "ArrowLeft" => (37, ""),
            "ArrowUp" => (38, ""),
            "ArrowRight" => (39, ""),
            "ArrowDown" => (40, ""),
            other => bail!("the key {other} is not known here"),
        };
        for kind in ["keyDown", "keyUp"] {
            let mut params = json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code });
            if kind == "keyDown" && !text.is_empty() {
                params["text"] = text.into();
            }
            self.command("Input.dispatchKeyEvent", params).await?;
        }
        Ok(())
    }

    /// Types into whatever has the focus.
    pub async fn type_text(&self, text: &str) -> anyhow::Result<()> {
        self.command("Input.insertText", json!({ "text": text })).await.map(drop)
    }

    /// The size of the window in CSS pixels, and whether it is a phone's.
    pub async fn resize(&self, width: u32, height: u32, is_phone: bool) -> anyhow::Result<()> {
        let params = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone });
        self.command("Emulation.setDeviceMetricsOverride", params).await?;
        self.command("Emulation.setTouchEmulationEnabled", json!({ "enabled": is_phone })).await.map(drop)
    }

    /// Cuts the page off from the network, or connects it again.
    pub async fn offline(&self, offline: bool) -> anyhow::Result<()> {
        let params =
            json!({ "offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1 });
        self.command("Network.emulateNetworkConditions", params).await.map(drop)
    }

    /// Writes what the page looks like into a PNG file.
    pub async fn screenshot(&self, file: &Path) -> anyhow::Result<()> {
        let answer = self.command("Page.captureScreenshot", json!({ "format": "png" })).await?;
        let encoded = answer["data"].as_str().context("the browser gave no picture")?;
        let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, encoded)?;
        fs::write(file, bytes).with_context(|| format!("write {}", file.display()))
    }

    /// Exceptions nobody caught and errors on the console so far. A good page leaves this empty.
    pub fn complaints(&self) -> Vec<String> {
        self.session.complaints()
    }
}
