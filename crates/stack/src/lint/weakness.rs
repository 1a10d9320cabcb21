//! Weaknesses that platforms of this kind were seen to have, and what finds each of them here.

use serde::Serialize;

/// What finds a weakness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Check {
    /// Rules of this linter.
    Rules(&'static [&'static str]),
    /// Something that files cannot show: what else looks.
    Elsewhere(&'static str),
    /// Rules see a part; the rest is seen elsewhere.
    Both(&'static [&'static str], &'static str),
}

/// A weakness.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Weakness {
    /// Its number: W1 to W25.
    pub number: u8,
    /// What it is.
    pub what: &'static str,
    /// What finds it.
    pub check: Check,
}

impl Weakness {
    const fn new(number: u8, what: &'static str, check: Check) -> Weakness {
        Weakness { number, what, check }
    }
}

use Check::{Both, Elsewhere, Rules};

/// W1 to W25.
pub const WEAKNESSES: &[Weakness] = &[
    Weakness::new(1, "passwords in files", Rules(&["secret-in-environment", "secret-name", "secret-mode"])),
    Weakness::new(2, "tools open to the world", Rules(&["sign-in", "anonymous-visitors"])),
    Weakness::new(
        3,
        "a registry on a public port without TLS",
        Rules(&["published-port", "router-entrypoint"]),
    ),
    Weakness::new(4, "the engine's socket in many services", Rules(&["docker-socket", "socket-proxy"])),
    Weakness::new(5, "no health checks", Rules(&["health-check"])),
    Weakness::new(
        6,
        "no limits",
        Rules(&["limits", "reservations", "go-memory", "open-files", "log-rotation"]),
    ),
    Weakness::new(
        7,
        "no way back from an update",
        Rules(&[
            "update-config",
            "update-order",
            "database-pause",
            "stop-grace",
            "drain",
            "restart-policy",
            "peers-one-by-one",
        ]),
    ),
    Weakness::new(
        8,
        "images that change by themselves",
        Both(&["unpinned-image", "image-source"], "the deployment adds digests: --resolve-image always"),
    ),
    Weakness::new(
        9,
        "labels where nobody reads them",
        Rules(&[
            "container-label",
            "router-rule",
            "router-service",
            "router-network",
            "service-port",
            "balancer-label",
            "edge-refresh",
        ]),
    ),
    Weakness::new(
        10,
        "the mesh hides who asks",
        Both(&["ingress-port"], "the edge's tests: the address that a service is told is the client's"),
    ),
    Weakness::new(
        11,
        "middlewares that do nothing",
        Both(
            &["router-middleware"],
            "the edge's tests: 429, 413, a breaker that opens and closes, retries counted",
        ),
    ),
    Weakness::new(
        12,
        "middlewares that break WebSockets",
        Both(&["websocket-chain"], "the soak of the drill: connections of hours"),
    ),
    Weakness::new(13, "folders of the repository as mounts", Rules(&["relative-mount", "config-name"])),
    Weakness::new(
        14,
        "a cache without a disk or a password",
        Both(
            &["volume-placement", "secret-mode"],
            "the tests of the rotation: KeyDB refuses who has no password",
        ),
    ),
    Weakness::new(
        15,
        "databases on object storage",
        Both(&["volume-driver"], "cargo dev doctor on the node"),
    ),
    Weakness::new(16, "keys that a swarm ignores", Rules(&["ignored-key", "unknown-reference"])),
    Weakness::new(
        17,
        "one of everything on one node",
        Both(&["replicas-share-volume", "volume-placement"], "the drill on three nodes: one is lost"),
    ),
    Weakness::new(
        18,
        "networks in the clear that anything joins",
        Rules(&["network-definition", "network-secrecy", "network-size"]),
    ),
    Weakness::new(
        19,
        "a firewall that the engine goes past",
        Both(&["published-port"], "the tests of the host's setup"),
    ),
    Weakness::new(
        20,
        "a setup that works once",
        Elsewhere(
            "networks.sh and secrets.sh run twice in the drill; the host's setup runs twice in its tests",
        ),
    ),
    Weakness::new(
        21,
        "an analyser without its kernel settings",
        Both(&["open-files"], "the host's setup sets vm.max_map_count; the service does not start without"),
    ),
    Weakness::new(
        22,
        "a build server set up by hand, as root",
        Both(&["user"], "its image is built and its configuration checked by the pipeline"),
    ),
    Weakness::new(
        23,
        "no backups",
        Elsewhere("postgres-backups restores each backup; its health check is the age of the last one"),
    ),
    Weakness::new(24, "nobody is told", Elsewhere("promtool on the rules, and their tests")),
    Weakness::new(
        25,
        "layers that are not there",
        Elsewhere("a test of this crate: all seven stacks are there and have services"),
    ),
];
