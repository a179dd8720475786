use git2::{ObjectType, Odb, Oid};

use crate::{Error, Result};

/// Objects that are to be written, one after the other.
pub(crate) trait Source {
    /// How many there are.
    fn count(&self) -> usize;

    /// Gives one of them: its kind and its content.
    fn give(&self, at: usize, take: &mut dyn FnMut(ObjectType, &[u8]) -> Result<()>) -> Result<()>;

    /// The name of one of them.
    fn id(&self, at: usize) -> Oid;
}

impl Source for [(Oid, ObjectType, Vec<u8>)] {
    fn count(&self) -> usize {
        self.len()
    }

    fn give(&self, at: usize, take: &mut dyn FnMut(ObjectType, &[u8]) -> Result<()>) -> Result<()> {
        let (_, kind, content) = &self[at];
        take(*kind, content)
    }

    fn id(&self, at: usize) -> Oid {
        self[at].0
    }
}

/// Objects of another repository. The hash of each is checked as it is read, so what arrives is what its name says.
pub(crate) struct Copied<'a> {
    pub(crate) from: &'a Odb<'a>,
    pub(crate) objects: &'a [Oid],
}

impl Source for Copied<'_> {
    fn count(&self) -> usize {
        self.objects.len()
    }

    fn give(&self, at: usize, take: &mut dyn FnMut(ObjectType, &[u8]) -> Result<()>) -> Result<()> {
        let id = self.objects[at];
        let object = self.from.read(id).map_err(Error::git(format!(
            "read the object {id} (nothing was changed; 'git fsck' tells what is damaged)"
        )))?;
        if super::hash(object.kind(), object.data())? != id {
            return Err(Error::Damaged(format!(
                "the object {id} is not what its name says; nothing was changed. 'git fsck' tells what is damaged"
            )));
        }
        take(object.kind(), object.data())
    }

    fn id(&self, at: usize) -> Oid {
        self.objects[at]
    }
}
