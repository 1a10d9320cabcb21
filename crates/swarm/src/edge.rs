//! Single questions to the edge, over HTTPS as a program would ask them.

use std::path::PathBuf;

use anyhow::Context;

use crate::{
    certificate::DOMAIN,
    command::{QUICK, program, run},
    network,
};

/// The door of the box office on each node.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    pub(crate) authority: PathBuf,
}

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    /// The first header of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let wanted = |(known, _): &&(String, String)| known.eq_ignore_ascii_case(name);
        self.headers.iter().find(wanted).map(|(_, value)| value.as_str())
    }
}

impl Door {
    /// Asks the box office, by the door of this node; `options` are curl's.
    pub(crate) async fn ask(&self, node: u8, path: &str, options: &[&str]) -> anyhow::Result<Answer> {
        self.ask_host(node, DOMAIN, path, options).await
    }

    /// [`Door::ask`] for another name at the same door.
    pub(crate) async fn ask_host(
        &self,
        node: u8,
        host: &str,
        path: &str,
        options: &[&str],
    ) -> anyhow::Result<Answer> {
        let resolve = format!("{host}:443:{}", network::address(node));
        let mut ask = program(
            "curl",
            ["--silent", "--show-error", "--include", "--max-time", "20", "--resolve", &resolve],
        );
        ask.arg("--cacert").arg(&self.authority).args(options).arg(format!("https://{host}{path}"));
        let said = run(&mut ask, QUICK).await?;
        let (head, body) = said.split_once("\r\n\r\n").unwrap_or((&said, ""));
        let mut lines = head.lines();
        let status =
            lines.next().and_then(|line| line.split_whitespace().nth(1)).and_then(|code| code.parse().ok());
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_string(), value.trim().to_string()));
        Ok(Answer {
            status: status.with_context(|| format!("no status in {head}"))?,
            headers: headers.collect(),
            body: body.to_string(),
        })
    }

    /// Asks the same thing often, many at a time; gives how often each status came.
    pub(crate) async fn flood(&self, node: u8, path: &str, times: u32) -> anyhow::Result<Vec<(u16, usize)>> {
        let resolve = format!("{DOMAIN}:443:{}", network::address(node));
        let mut ask =
            program("curl", ["--silent", "--parallel", "--parallel-max", "40", "--resolve", &resolve]);
        ask.arg("--cacert").arg(&self.authority).args([
            "--output",
            "/dev/null",
            "--write-out",
            "%{http_code}\n",
        ]);
        // A range in the query: so many requests of one program.
        ask.arg(format!("https://{DOMAIN}{path}?n=[1-{times}]"));
        let said = run(&mut ask, QUICK).await?;
        let mut counts: Vec<(u16, usize)> = Vec::new();
        for status in said.lines().filter_map(|line| line.trim().parse::<u16>().ok()) {
            match counts.iter_mut().find(|(known, _)| *known == status) {
                Some((_, count)) => *count += 1,
                None => counts.push((status, 1)),
            }
        }
        Ok(counts)
    }
}
