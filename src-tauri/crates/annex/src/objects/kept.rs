use std::ffi::OsString;
use std::io::Write;
use std::sync::Arc;

use super::OBJECT_MODE;
use crate::Directory;

/// What a file says that keeps a new pack. Whoever finds it in an old one may remove it.
pub(super) const MARK: &[u8] = b"anabranch: no ref leads here yet\n";

/// New packs to which no ref leads yet. As long as this exists, `git repack -a -d` does not take them for useless: it leaves
/// packs alone that have a `.keep`, as git's own have until their refs have moved.
#[must_use = "objects may be removed until a ref leads to them"]
#[derive(Debug, Default)]
pub(crate) struct Kept(Vec<(Arc<Directory>, OsString)>);

impl Kept {
    /// Keeps the pack of this name without its end, unless somebody does so already. To be called before it is visible. On a
    /// file system that is full, it is not kept.
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
