//! Names of git objects: `model`'s, and libgit2's, which has a type of its own.

use model::Oid;

/// The name as libgit2 has it.
pub(crate) fn to_git(oid: Oid) -> git2::Oid {
    git2::Oid::from_bytes(&oid.0).expect("because an id has the 20 bytes that libgit2 asks for")
}

/// The name as all others have it.
pub(crate) fn from_git(oid: git2::Oid) -> Oid {
    let mut bytes = [0; 20];
    bytes.copy_from_slice(oid.as_bytes());
    Oid(bytes)
}
