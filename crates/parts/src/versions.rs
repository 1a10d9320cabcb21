//! The pinned versions of `versions.env`, and comparing versions.

use std::fmt;

const PINNED: &str = include_str!("../../../versions.env");

/// The value of `name` in `versions.env`.
///
/// # Panics
/// When the file has no such name: a mistake of this project, found by its own tests.
pub fn pinned(name: &str) -> &'static str {
    PINNED
        .lines()
        .filter_map(|line| line.split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.trim())
        .unwrap_or_else(|| panic!("versions.env has no {name}"))
}

/// A version as numbers, compared number by number: `2.14.5` is newer than `2.9`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Version(Vec<u64>);

impl Version {
    /// The first thing in `text` that looks like a version: digits, a dot, digits (or a lone number).
    pub fn first_in(text: &str) -> Option<Version> {
        let words = || {
            text.split(|c: char| !(c.is_ascii_digit() || c == '.'))
                .map(|word| word.trim_matches('.'))
                .filter(|word| !word.is_empty())
        };
        words().find(|word| word.contains('.')).or_else(|| words().next()).and_then(Version::parse)
    }

    fn parse(word: &str) -> Option<Version> {
        word.split('.').map(|number| number.parse().ok()).collect::<Option<Vec<u64>>>().map(Version)
    }

    /// The pinned version called `name`; see [`pinned`].
    ///
    /// # Panics
    /// When the file has no such version.
    pub fn pinned(name: &str) -> Version {
        Version::first_in(pinned(name)).unwrap_or_else(|| panic!("versions.env: {name} is no version"))
    }

    /// The first number.
    pub fn major(&self) -> u64 {
        self.0.first().copied().unwrap_or_default()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<String> = self.0.iter().map(u64::to_string).collect();
        formatter.write_str(&numbers.join("."))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_version_is_found_in_what_a_program_says_of_itself() {
        for (text, version) in [
            ("nats-server: v2.14.5", "2.14.5"),
            ("resgate  v1.8.0\nprotocol v1.2.3", "1.8.0"),
            ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", "15.18"),
            ("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64", "7.0.15"),
            ("go version go1.26.8 linux/amd64", "1.26.8"),
            ("v20.20.2", "20.20.2"),
            ("postgres (PostgreSQL) 18beta1", "18"),
        ] {
            assert_eq!(Version::first_in(text).unwrap().to_string(), version, "{text}");
        }
    }

    #[test]
    fn versions_compare_by_number_not_by_letter() {
        let version = |text| Version::first_in(text).unwrap();
        assert!(version("2.14.5") > version("2.9"));
        assert!(version("2.10") >= version("2.10"));
        assert!(version("2.10.0") >= version("2.10"));
        assert!(version("15.18") < version("18"));
    }

    #[test]
    fn what_is_built_is_what_is_pinned() {
        let nats = include_str!("../go/nats-server/go.mod");
        assert!(nats.contains(&format!("nats-server/v2 v{}", pinned("NATS_SERVER_VERSION"))));
        let resgate = include_str!("../go/resgate/go.mod");
        assert!(resgate.contains(&format!("resgate v{}", pinned("RESGATE_VERSION"))));
        let postgres = include_str!("../npm/postgres/package.json");
        let package = format!("linux-x64\": \"{}\"", pinned("POSTGRES_PACKAGE_VERSION"));
        assert!(postgres.contains(&package));
        assert!(pinned("POSTGRES_PACKAGE_VERSION").starts_with(pinned("POSTGRES_VERSION")));
    }
}
