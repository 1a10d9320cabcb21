//! A stack as `docker stack config` prints it: everything resolved, ready to be deployed in pieces.

use std::collections::BTreeSet;

use anyhow::Context;

use crate::{
    lint::ONE_AT_A_TIME,
    yaml::{Node, Value},
};

/// A stack with all variables and overlays in it.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// Its name.
    pub stack: String,
    text: String,
    node: Node,
}

impl Rendered {
    /// Reads what `docker stack config` printed.
    ///
    /// # Errors
    /// When it is no YAML.
    pub fn read(stack: &str, text: String) -> anyhow::Result<Rendered> {
        let node = Node::parse(&text).with_context(|| format!("{stack} as docker stack config prints it"))?;
        Ok(Rendered { stack: stack.to_string(), text, node })
    }

    /// Its services, without the stack's name.
    pub fn services(&self) -> Vec<String> {
        self.entries("services").iter().map(|(name, _)| name.clone()).collect()
    }

    /// Names in the swarm of the secrets or networks that must be there before.
    pub fn needed(&self, section: &str) -> Vec<String> {
        let external = |node: &Node| node.text_at(&["external"]) == Some("true");
        let entries = self.entries(section).iter().filter(|(_, node)| external(node));
        entries.map(|(key, node)| node.text_at(&["name"]).unwrap_or(key).to_string()).collect()
    }

    /// Ports that are published here and not in `other`, as `traefik 443/tcp`.
    pub fn ports_lost_in(&self, other: &Rendered) -> Vec<String> {
        let kept = other.published();
        self.published().into_iter().filter(|port| !kept.contains(port)).collect()
    }

    fn published(&self) -> BTreeSet<String> {
        let mut published = BTreeSet::new();
        for (name, node) in self.entries("services") {
            for port in node.get("ports").map_or(&[][..], Node::items) {
                let number = port.text_at(&["published"]).unwrap_or("a port of its own choice");
                let protocol = port.text_at(&["protocol"]).unwrap_or("tcp");
                published.insert(format!("{name} {number}/{protocol}"));
            }
        }
        published
    }

    /// The groups of services to be deployed one after the other. Members of a cluster are a group each, but only when
    /// one of the cluster runs already: a new cluster starts together. All others are the last group.
    pub fn waves(&self, running: &BTreeSet<String>) -> Vec<Vec<String>> {
        let cluster = |node: &Node| node.text_at(&["deploy", "labels", ONE_AT_A_TIME]).map(str::to_string);
        let members: Vec<(String, Option<String>)> =
            self.entries("services").iter().map(|(name, node)| (name.clone(), cluster(node))).collect();
        let is_running = |name: &str| running.contains(&format!("{}_{name}", self.stack));
        let rolling: BTreeSet<&String> = members
            .iter()
            .filter(|(name, _)| is_running(name))
            .filter_map(|(_, cluster)| cluster.as_ref())
            .collect();
        let rolls =
            |cluster: &Option<String>| cluster.as_ref().is_some_and(|cluster| rolling.contains(cluster));
        let (one_by_one, together): (Vec<_>, Vec<_>) =
            members.iter().partition(|(_, cluster)| rolls(cluster));
        let mut waves: Vec<Vec<String>> = one_by_one.iter().map(|(name, _)| vec![name.clone()]).collect();
        if !together.is_empty() {
            waves.push(together.iter().map(|(name, _)| name.clone()).collect());
        }
        waves
    }

    /// The file with only these services, for `docker stack deploy --compose-file -`.
    pub fn only(&self, services: &[String]) -> String {
        let mut kept = String::new();
        let (mut in_services, mut keep) = (false, true);
        for line in self.text.lines() {
            let indent = line.len() - line.trim_start().len();
            if indent == 0 && !line.is_empty() && !line.starts_with('-') {
                in_services = line.starts_with("services:");
                keep = true;
            } else if in_services && indent == 2 && line.trim_end().ends_with(':') {
                let name = line.trim().trim_end_matches(':').trim_matches(['"', '\'']);
                keep = services.iter().any(|service| service == name);
            }
            if keep {
                // What is a dollar sign now must be one after the client has read it again.
                kept.push_str(&line.replace('$', "$$"));
                kept.push('\n');
            }
        }
        kept
    }

    fn entries(&self, section: &str) -> &[(String, Node)] {
        match self.node.get(section).map(|node| &node.value) {
            Some(Value::Map(entries)) => entries,
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const TEXT: &str = "\
version: '3.13'
services:
  nats-1:
    command:
    - a
    deploy:
      labels:
        livehouse.one-at-a-time: nats
  nats-2:
    deploy:
      labels:
        livehouse.one-at-a-time: nats
  resgate:
    healthcheck:
      test:
      - CMD-SHELL
      - echo $(date)
networks:
  bus:
    name: livehouse_bus
    external: true
secrets:
  own:
    name: own_v1
    external: true
";

    fn rendered() -> Rendered {
        Rendered::read("bus", TEXT.to_string()).unwrap()
    }

    #[test]
    fn members_of_a_running_cluster_are_deployed_one_after_the_other() {
        let running = BTreeSet::from(["bus_nats-1".to_string(), "bus_nats-2".to_string()]);
        assert_eq!(rendered().waves(&running), [vec!["nats-1"], vec!["nats-2"], vec!["resgate"]]);
    }

    #[test]
    fn a_new_cluster_starts_together() {
        assert_eq!(rendered().waves(&BTreeSet::new()), [vec!["nats-1", "nats-2", "resgate"]]);
    }

    #[test]
    fn a_piece_has_its_services_and_everything_else() {
        let piece = rendered().only(&["resgate".to_string()]);
        let node = Node::parse(&piece).unwrap();
        assert_eq!(node.get("services").unwrap().entries().len(), 1);
        assert_eq!(node.text_at(&["networks", "bus", "name"]), Some("livehouse_bus"));
        assert!(piece.contains("echo $$(date)"));
    }

    #[test]
    fn what_must_be_there_is_named() {
        assert_eq!(rendered().needed("secrets"), ["own_v1"]);
        assert_eq!(rendered().needed("networks"), ["livehouse_bus"]);
    }

    #[test]
    fn a_port_that_an_overlay_closes_is_noticed() {
        let of = |ports: &str| {
            Rendered::read("edge", format!("services:\n  traefik:\n    ports:\n{ports}")).unwrap()
        };
        let udp = "    - mode: host\n      target: 443\n      published: 443\n      protocol: udp\n";
        let base = of(&format!("    - mode: host\n      target: 443\n      published: 443\n{udp}"));
        assert_eq!(base.ports_lost_in(&of(udp)), ["traefik 443/tcp"]);
        assert_eq!(base.ports_lost_in(&base), Vec::<String>::new());
    }
}
