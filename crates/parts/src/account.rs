//! The account of a program that refuses to run as root, and places that account can reach.

use std::{
    ffi::OsStr,
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::{Path, PathBuf},
};

use crate::{Error, Missing};

/// An unprivileged account of this system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// Its number.
    pub user: u32,
    /// The number of its group.
    pub group: u32,
}

impl Account {
    /// The account to run a program under that refuses root: `None` when this process is not root and may simply
    /// run it itself.
    pub fn for_programs_that_refuse_root() -> Result<Option<Account>, Error> {
        if !nix::unistd::geteuid().is_root() {
            return Ok(None);
        }
        let name = "nobody";
        match nix::unistd::User::from_name(name) {
            Ok(Some(user)) => {
                Ok(Some(Account { name: name.into(), user: user.uid.as_raw(), group: user.gid.as_raw() }))
            }
            _ => Err(Missing {
                what: format!("the account {name}"),
                why: "Postgres refuses to run as root and this system has no such account".into(),
                how: "useradd --system nobody, or run this as an ordinary user".into(),
            }
            .into()),
        }
    }

    /// Gives one file or folder (not what is in it) to this account.
    pub(crate) fn own(&self, path: &Path) -> Result<(), Error> {
        chown(path, Some(self.user), Some(self.group)).map_err(Error::system(format!(
            "give {} to {}",
            path.display(),
            self.name
        )))
    }

    /// Gives a folder and all that is in it to this account, unless the folder is its already.
    pub(crate) fn own_all(&self, folder: &Path) -> Result<(), Error> {
        let system = || Error::system(format!("give {} to {}", folder.display(), self.name));
        if fs::metadata(folder).map_err(system())?.uid() == self.user {
            return Ok(());
        }
        let mut folders = vec![folder.to_path_buf()];
        while let Some(next) = folders.pop() {
            for entry in fs::read_dir(&next).map_err(system())? {
                let entry = entry.map_err(system())?;
                if entry.file_type().map_err(system())?.is_dir() {
                    folders.push(entry.path());
                } else {
                    std::os::unix::fs::lchown(entry.path(), Some(self.user), Some(self.group))
                        .map_err(system())?;
                }
            }
            // The folder itself last: its owner says whether the work was finished.
            if next != folder {
                self.own(&next)?;
            }
        }
        self.own(folder)
    }
}

/// Whether every folder above and including `path` lets any account through.
pub(crate) fn everybody_can_reach(path: &Path) -> bool {
    path.ancestors()
        .filter(|ancestor| !ancestor.as_os_str().is_empty())
        .all(|ancestor| fs::metadata(ancestor).map_or(true, |data| data.permissions().mode() & 0o001 != 0))
}

/// `path` itself when every account can reach it, else a folder of the same name elsewhere that they can: a project
/// below `/root` keeps its database in `/var/lib`. The same `path` always gets the same place.
pub fn reachable_place_for(path: &Path) -> PathBuf {
    let parent = path.parent().unwrap_or(path);
    if everybody_can_reach(parent) {
        return path.to_path_buf();
    }
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    let base = if Path::new("/var/lib").is_dir() { PathBuf::from("/var/lib") } else { std::env::temp_dir() };
    let name = path.file_name().unwrap_or(OsStr::new("folder"));
    base.join("livehouse").join(format!("{:016x}", hasher.finish())).join(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_place_below_a_private_folder_is_moved_to_where_everybody_can_reach_it() {
        let open = tempfile::Builder::new().permissions(PermissionsExt::from_mode(0o755)).tempdir().unwrap();
        let path = open.path().join("postgres");
        assert_eq!(reachable_place_for(&path), path);

        fs::set_permissions(open.path(), PermissionsExt::from_mode(0o700)).unwrap();
        let moved = reachable_place_for(&path);
        assert_ne!(moved, path);
        assert!(everybody_can_reach(&moved), "{}", moved.display());
        assert_eq!(moved, reachable_place_for(&path));
    }
}
