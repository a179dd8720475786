use std::ffi::OsString;
use std::io::Write;
use std::sync::Arc;

use super::OBJECT_MODE;
use crate::Directory;

/// The content of our `.keep` files. One that is old was left by a killed process.
pub(super) const MARK: &[u8] = b"anabranch: no ref leads here yet\n";

/// Protects new packs from `git repack -a -d`, which removes packs whose objects no ref reaches: each has a `.keep` until this
/// is dropped. git protects packs that it receives the same way.
#[must_use = "objects may be removed until a ref leads to them"]
#[derive(Debug, Default)]
pub(crate) struct Kept(Vec<(Arc<Directory>, OsString)>);

impl Kept {
    /// Protects a pack before it becomes visible. `name` has no extension. If the file cannot be written, the pack is not
    /// protected.
    pub(super) fn keep(&mut self, packs: &Arc<Directory>, name: &str) {
        let keep = OsString::from(format!("{name}.keep"));
        if let Ok(mut file) = packs.create_new(&keep, OBJECT_MODE) {
            let _ = file.write_all(MARK);
            self.0.push((Arc::clone(packs), keep));
        }
    }

    pub(super) fn append(&mut self, mut others: Self) {
        self.0.append(&mut others.0);
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        for (packs, keep) in &self.0 {
            let _ = packs.remove(keep);
        }
    }
}
