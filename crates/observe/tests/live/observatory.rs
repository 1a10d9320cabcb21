//! The collector as gateway and on a node, Loki and Prometheus, and what takes traces where Tempo would be.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use livehouse_observe::programs::{Program, adapted, file, start};
use livehouse_parts::Part;
use livehouse_testkit::wait_until;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Attribute;
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::Value;
use tonic::codec::CompressionEncoding;
use tonic::{Request, Response, Status};

/// Long enough for anything on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(45);

/// A span as the collector sends it to Tempo.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) service: String,
    pub(crate) span: Span,
}

impl Seen {
    pub(crate) fn trace(&self) -> String {
        hex(&self.span.trace_id)
    }

    /// Is it a child of `parent`?
    pub(crate) fn is_child_of(&self, parent: &Seen) -> bool {
        self.span.trace_id == parent.span.trace_id && self.span.parent_span_id == parent.span.span_id
    }

    pub(crate) fn attribute(&self, key: &str) -> Option<String> {
        let found = self.span.attributes.iter().find(|attribute| attribute.key == key)?;
        match found.value.as_ref()?.value.as_ref()? {
            Attribute::StringValue(text) => Some(text.clone()),
            other => Some(format!("{other:?}")),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Takes spans where Tempo would be.
#[derive(Clone, Default)]
struct Taker(Arc<Mutex<Vec<Seen>>>);

#[tonic::async_trait]
impl TraceService for Taker {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for resource in request.into_inner().resource_spans {
            let attributes = resource.resource.into_iter().flat_map(|resource| resource.attributes);
            let name = attributes.filter(|attribute| attribute.key == "service.name").find_map(|attribute| {
                match attribute.value?.value? {
                    Attribute::StringValue(name) => Some(name),
                    _ => None,
                }
            });
            let service = name.unwrap_or_default();
            let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            self.0.lock().unwrap().extend(spans.map(|span| Seen { service: service.clone(), span }));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// All of it.
pub(crate) struct Observatory {
    gateway: Program,
    node: Program,
    loki: Program,
    prometheus: Program,
    taken: Taker,
    folder: PathBuf,
    http: reqwest::Client,
}

impl Observatory {
    pub(crate) async fn open(folder: &Path) -> Self {
        let folder = folder.join("observatory");
        for name in ["loki/rules", "gateway", "node", "containers", "prometheus"] {
            fs::create_dir_all(folder.join(name)).unwrap();
        }
        let loki = start_loki(&folder);
        let prometheus = start_prometheus(&folder);
        let taken = Taker::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tempo = listener.local_addr().unwrap().port();
        drop(listener);
        let service = TraceServiceServer::new(taken.clone()).accept_compressed(CompressionEncoding::Gzip);
        let serving = tonic::transport::Server::builder().add_service(service);
        tokio::spawn(serving.serve(([127, 0, 0, 1], tempo).into()));
        let gateway = start_gateway(&folder, loki.port(0), prometheus.port(0), tempo);
        let node = start_node(&folder, gateway.port(1));
        let http = reqwest::Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
        let all = Self { gateway, node, loki, prometheus, taken, folder, http };
        all.until_ready("Loki", all.loki.port(0), "/ready").await;
        all.until_ready("Prometheus", all.prometheus.port(0), "/-/ready").await;
        all.until_ready("the gateway", all.gateway.port(0), "/").await;
        all.until_ready("the node's agent", all.node.port(0), "/").await;
        all
    }

    async fn until_ready(&self, what: &str, port: u16, path: &str) {
        wait_until(what, PATIENCE, || async {
            for program in [&self.gateway, &self.node, &self.loki, &self.prometheus] {
                let process = program.process();
                assert!(
                    process.status().is_none(),
                    "{} has ended:\n{}",
                    process.name(),
                    process.last_lines(20)
                );
            }
            let answer = self.http.get(format!("http://127.0.0.1:{port}{path}")).send().await;
            let status = answer.map_err(|error| error.to_string())?.status();
            if status.is_success() { Ok(()) } else { Err(status.to_string()) }
        })
        .await;
    }

    /// All programs are gone.
    pub(crate) fn close(&self) {
        for program in [&self.gateway, &self.node, &self.loki, &self.prometheus] {
            program.process().end();
        }
    }

    /// Where services send metrics and traces.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.gateway.port(1))
    }

    /// Where services send lines.
    pub(crate) fn loki_url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.loki.port(0))
    }

    /// All spans that arrived where Tempo would be.
    pub(crate) fn spans(&self) -> Vec<Seen> {
        self.taken.0.lock().unwrap().clone()
    }

    /// What a query of Loki finds, as label sets with lines.
    pub(crate) async fn lines(&self, query: &str) -> Result<Vec<(Value, String)>, String> {
        let url = format!("http://127.0.0.1:{}/loki/api/v1/query_range", self.loki.port(0));
        let answer = self.http.get(url).query(&[("query", query), ("limit", "1000"), ("since", "1h")]);
        let answer = answer.send().await.map_err(|error| error.to_string())?;
        let text = answer.text().await.map_err(|error| error.to_string())?;
        let answer: Value = serde_json::from_str(&text).map_err(|_| text)?;
        let streams = answer["data"]["result"].as_array().ok_or_else(|| answer.to_string())?;
        let mut lines = Vec::new();
        for stream in streams {
            for value in stream["values"].as_array().into_iter().flatten() {
                lines.push((stream["stream"].clone(), value[1].as_str().unwrap_or_default().to_owned()));
            }
        }
        Ok(lines)
    }

    /// The rules that Loki evaluates, with their state.
    pub(crate) async fn rules_about_lines(&self) -> Result<Vec<Value>, String> {
        let url = format!("http://127.0.0.1:{}/prometheus/api/v1/rules", self.loki.port(0));
        let answer = self.http.get(url).send().await.map_err(|error| error.to_string())?;
        let text = answer.text().await.map_err(|error| error.to_string())?;
        let answer: Value = serde_json::from_str(&text).map_err(|_| text)?;
        let groups = answer["data"]["groups"].as_array().ok_or_else(|| answer.to_string())?;
        Ok(groups.iter().flat_map(|group| group["rules"].as_array().cloned().unwrap_or_default()).collect())
    }

    /// The answer of Prometheus's API.
    pub(crate) async fn prometheus(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, String> {
        let url = format!("http://127.0.0.1:{}/api/v1/{path}", self.prometheus.port(0));
        let answer = self.http.get(url).query(query).send().await.map_err(|error| error.to_string())?;
        let text = answer.text().await.map_err(|error| error.to_string())?;
        let answer: Value = serde_json::from_str(&text).map_err(|_| text)?;
        if answer["status"] == "success" { Ok(answer["data"].clone()) } else { Err(answer.to_string()) }
    }

    /// Writes lines as the engine's `json-file` driver would, for the agent of the node to find.
    pub(crate) fn contain(&self, container: &str, task: &str, lines: &str) {
        let folder = self.folder.join("containers").join(container);
        fs::create_dir_all(&folder).unwrap();
        let mut text = String::new();
        for line in lines.lines() {
            let entry = serde_json::json!({
                "log": format!("{line}\n"), "stream": "stdout", "attrs": {"tag": task},
                "time": jiff::Timestamp::now().to_string(),
            });
            text.push_str(&format!("{entry}\n"));
        }
        fs::write(folder.join(format!("{container}-json.log")), text).unwrap();
    }
}

fn start_loki(folder: &Path) -> Program {
    let at = folder.join("loki");
    start(Part::Loki, folder, 2, |ports| {
        let (http, grpc) = (ports[0].to_string(), ports[1].to_string());
        let own = at.display().to_string();
        let config = adapted(
            "observability/loki/loki.yaml",
            &[
                (
                    "http_listen_port: 3100",
                    &format!("http_listen_address: 127.0.0.1\n  http_listen_port: {http}"),
                ),
                (
                    "grpc_listen_port: 9095",
                    &format!("grpc_listen_address: 127.0.0.1\n  grpc_listen_port: {grpc}"),
                ),
                ("/etc/loki/rules", &format!("{own}/rules")),
                (": /loki", &format!(": {own}")),
            ],
        );
        // One tenant, which Loki calls so; its rules, with times of seconds.
        fs::create_dir_all(at.join("rules/fake")).unwrap();
        fs::write(at.join("rules/fake/rules.yaml"), quick("observability/loki/rules/fake/rules.yaml"))
            .unwrap();
        let path = at.join("loki.yaml");
        fs::write(&path, config).unwrap();
        vec![format!("-config.file={}", path.display())]
    })
    .unwrap()
}

/// The project's rules, which would have us wait for minutes: their times are seconds here.
fn quick(path: &str) -> String {
    let rules = fs::read_to_string(file(path)).unwrap();
    let lines = rules.lines().map(|line| match line.trim_start().split_once(' ') {
        Some(("for:", _)) => "        for: 2s".to_owned(),
        Some(("interval:", _)) => "    interval: 1s".to_owned(),
        _ => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Prometheus with Mimir's rules.
fn start_prometheus(folder: &Path) -> Program {
    let at = folder.join("prometheus");
    start(Part::Prometheus, folder, 1, |ports| {
        fs::write(at.join("rules.yaml"), quick("observability/mimir/rules/livehouse.yaml")).unwrap();
        // As mimir.yaml has it: which attributes of the resource become labels.
        let config = "global: {evaluation_interval: 1s}\nrule_files: [rules.yaml]\n\
            storage: {tsdb: {out_of_order_time_window: 5m}}\n\
            otlp:\n  promote_resource_attributes: [service.name, service.namespace, service.instance.id, host.name]\n";
        fs::write(at.join("prometheus.yaml"), config).unwrap();
        vec![
            format!("--config.file={}", at.join("prometheus.yaml").display()),
            format!("--storage.tsdb.path={}", at.join("data").display()),
            format!("--web.listen-address=127.0.0.1:{}", ports[0]),
            "--web.enable-otlp-receiver".to_owned(),
        ]
    })
    .unwrap()
}

fn start_gateway(folder: &Path, loki: u16, prometheus: u16, tempo: u16) -> Program {
    let at = folder.join("gateway");
    start(Part::Otelcol, &at, 4, |ports| {
        let own = |port: u16| format!("127.0.0.1:{port}");
        let config = adapted(
            "observability/otelcol/gateway.yaml",
            &[
                ("0.0.0.0:13133", &own(ports[0])),
                ("0.0.0.0:4317", &own(ports[1])),
                ("0.0.0.0:4318", &own(ports[2])),
                ("host: 0.0.0.0, port: 8888", &format!("host: 127.0.0.1, port: {}", ports[3])),
                ("directory: /data", &format!("directory: {}", at.display())),
                ("http://mimir:9009/otlp", &format!("http://{}/api/v1/otlp", own(prometheus))),
                ("http://loki:3100/otlp", &format!("http://{}/otlp", own(loki))),
                ("endpoint: tempo:4317", &format!("endpoint: {}", own(tempo))),
                ("${env:ENVIRONMENT}", "test"),
                // One sale is few traces: all of them, and soon.
                ("sampling_percentage: 10", "sampling_percentage: 100"),
                ("decision_wait: 10s", "decision_wait: 2s"),
            ],
        );
        fs::write(at.join("config.yaml"), config).unwrap();
        vec![format!("--config={}", at.join("config.yaml").display())]
    })
    .unwrap()
}

fn start_node(folder: &Path, gateway: u16) -> Program {
    let at = folder.join("node");
    start(Part::Otelcol, &at, 2, |ports| {
        let config = adapted(
            "observability/otelcol/node.yaml",
            &[
                ("0.0.0.0:13133", &format!("127.0.0.1:{}", ports[0])),
                ("host: 0.0.0.0, port: 8888", &format!("host: 127.0.0.1, port: {}", ports[1])),
                ("directory: /state", &format!("directory: {}", at.display())),
                ("/host/containers/", &format!("{}/containers/", folder.display())),
                ("root_path: /host/root", "root_path: /"),
                ("endpoint: otelcol:4317", &format!("endpoint: 127.0.0.1:{gateway}")),
                ("${env:NODE}", "here"),
            ],
        );
        fs::write(at.join("config.yaml"), config).unwrap();
        vec![format!("--config={}", at.join("config.yaml").display())]
    })
    .unwrap()
}
