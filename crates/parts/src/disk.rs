//! How much room a disk has.

use std::path::Path;

/// Bytes a person may still write below `folder` (or its nearest folder that exists); `None` when the system
/// does not say.
pub fn free_bytes(folder: &Path) -> Option<u64> {
    let existing = folder.ancestors().find(|ancestor| ancestor.exists())?;
    let numbers = nix::sys::statvfs::statvfs(existing).ok()?;
    // The types of these fields differ between systems.
    #[allow(clippy::unnecessary_cast)]
    Some(numbers.blocks_available() as u64 * numbers.fragment_size() as u64)
}
