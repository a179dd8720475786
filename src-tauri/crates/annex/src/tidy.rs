//! Packing of objects, most of which is left to git.

use std::fs;
use std::process::{Command, Stdio};

use git2::ConfigLevel;
use rustix::fs::FileType;

use crate::objects::fold_at_rest;
use crate::{Annex, Directory, Error, Result};

/// What `gc.autoPackLimit` is if nobody sets it.
const MANY_PACKS: usize = 50;
/// What `gc.auto` is if nobody sets it: so many loose objects, which git takes from how many are in one of 256
/// directories.
const MANY_LOOSE: usize = 6700;

/// What lies in the object database, as far as it tells whether packing is worth it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ObjectFiles {
    /// Pack files, without those that are kept on purpose (`.keep`).
    pub packs: usize,
    /// About how many objects have a file of their own.
    pub loose: usize,
}

impl ObjectFiles {
    /// True if there are so many that git would pack them.
    pub fn are_many(&self) -> bool {
        self.packs > MANY_PACKS || self.loose > MANY_LOOSE
    }
}

impl Annex {
    /// Counts packs and loose objects. Looks into two directories only.
    pub fn object_files(&self) -> ObjectFiles {
        let objects = self.git_dir().join("objects");
        let names = |directory: &str| {
            let entries = fs::read_dir(objects.join(directory)).into_iter().flatten().flatten();
            entries.filter_map(|entry| entry.file_name().into_string().ok())
        };
        let (mut packs, mut kept) = (0, 0);
        for name in names("pack") {
            packs += usize::from(name.ends_with(".idx"));
            kept += usize::from(name.ends_with(".keep"));
        }
        ObjectFiles {
            packs: packs - kept.min(packs),
            // The same directory as git counts: ids are spread evenly.
            loose: names("17").filter(|name| name.len() == 38).count() * 256,
        }
    }

    /// Folds small packs. If many objects or packs are left, has git pack them: every burst of changes leaves a pack, and
    /// nobody else packs where no git command runs. Returns whether git was asked; `git gc` decides for itself, by the user's
    /// `gc.*` settings.
    ///
    /// No hook runs, and no program that the repository's own configuration names: a folder on a drive may have been
    /// prepared by somebody else.
    ///
    /// Blocks for as long as that takes, some seconds, with nothing locked that syncing needs. Where there is no git,
    /// packs are only folded. To be called when there is nothing else to do.
    pub fn tidy(&self) -> Result<bool> {
        let folded = fold_at_rest(&*self.git()?);
        if !self.object_files().are_many() {
            return folded.map(|()| false);
        }
        self.refuse_links()?;
        let mut git = Command::new("git");
        // Variables that name a repository would lead git to another one.
        for (name, _) in std::env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"GIT_") {
                git.env_remove(name);
            }
        }
        // What is missing in a partial clone is not fetched: the way there may be a program too.
        git.env("GIT_NO_LAZY_FETCH", "1").env("GIT_ALLOW_PROTOCOL", "none");
        git.arg("--git-dir").arg(self.git_dir());
        for setting in [
            "core.hooksPath=/dev/null",
            "core.fsmonitor=false",
            "gc.autoDetach=false",
        ] {
            git.args(["-c", setting]);
        }
        match self.names_program()? {
            // This cannot be switched off, and only what deletes objects asks it.
            true => git.args(["repack", "-a", "-d", "-l", "-k", "-q"]),
            false => git.args(["gc", "--auto", "--quiet"]),
        };
        git.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        git.current_dir(self.git_dir());
        let output = match git.output() {
            Ok(output) => output,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(Error::io("run git in", self.git_dir())(error)),
        };
        if output.status.success() {
            return folded.map(|()| true);
        }
        Err(Error::Refused(format!(
            "git could not pack the objects in {}; nothing is lost, git only needs more space and time there. It says: {}",
            self.git_dir().display(),
            String::from_utf8_lossy(&output.stderr).trim()
        )))
    }

    /// Refuses directories of objects, refs and logs that are links: git follows them, and what it packs or finds useless may
    /// be another repository's.
    fn refuse_links(&self) -> Result<()> {
        let top = Directory::top(self.git()?.commondir())?;
        if let Some(objects) = top.find("objects")? {
            for (name, kind) in objects.names()? {
                if kind == FileType::Symlink {
                    objects.find(&name)?;
                }
            }
        }
        let mut inside: Vec<Directory> = Vec::new();
        for name in ["refs", "logs"] {
            inside.extend(top.find(name)?);
        }
        while let Some(directory) = inside.pop() {
            for (name, kind) in directory.names()? {
                // A ref may be a link in old repositories, and git replaces the link.
                let leads_to_directory = || directory.path().join(&name).is_dir();
                if kind == FileType::Directory || kind == FileType::Symlink && leads_to_directory() {
                    inside.extend(directory.find(&name)?);
                }
            }
        }
        Ok(())
    }

    /// True if the configuration of the repository itself, not the user's, names programs that say which objects are kept.
    fn names_program(&self) -> Result<bool> {
        let doing = || Error::git("read the configuration");
        let git = self.git()?;
        let config = git.config().map_err(doing())?;
        let mut entries = config.entries(Some("^gc\\.recentobjectshook$")).map_err(doing())?;
        while let Some(entry) = entries.next() {
            let level = entry.map_err(doing())?.level();
            if matches!(level, ConfigLevel::Local | ConfigLevel::Worktree | ConfigLevel::App) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use crate::fixture::{Fixture, file, leaves};
    use crate::objects::Bulk;

    fn with_small_packs() -> Fixture {
        let fixture = Fixture::new();
        fixture.start(&leaves([("a", file("1"))]));
        assert!(!fixture.annex.tidy().unwrap(), "nothing to do");
        for pack in 0..51 {
            // In the repository itself, some would be folded at once.
            let elsewhere = tempfile::tempdir().unwrap();
            let repo = git2::Repository::init_bare(elsewhere.path()).unwrap();
            let mut bulk = Bulk::begin(&repo).unwrap();
            for object in 0..20 {
                bulk.blob(format!("{pack} {object}").as_bytes()).unwrap();
            }
            drop(bulk.finish().unwrap());
            for file in std::fs::read_dir(elsewhere.path().join("objects/pack"))
                .unwrap()
                .flatten()
            {
                let packs = fixture.annex.git_dir().join("objects/pack");
                std::fs::copy(file.path(), packs.join(file.file_name())).unwrap();
            }
        }
        assert_eq!(fixture.annex.object_files().packs, 51);
        fixture
    }

    /// They are in a multi-pack-index, so they are not folded.
    fn with_many_packs() -> Fixture {
        let fixture = with_small_packs();
        fixture.git(&["multi-pack-index", "write"]);
        assert!(fixture.annex.object_files().are_many());
        fixture
    }

    #[test]
    fn small_packs_are_folded_without_git() {
        let fixture = with_small_packs();
        assert!(!fixture.annex.tidy().unwrap());
        assert!(fixture.annex.object_files().packs < 10);
        fixture.assert_clean();
    }

    #[test]
    fn many_packs_become_few() {
        let fixture = with_many_packs();
        assert!(fixture.annex.tidy().unwrap());
        assert!(fixture.annex.object_files().packs < 5);
        fixture.assert_clean();
    }

    /// git would pack, and then remove, what lies where they lead.
    #[test]
    fn nothing_is_packed_through_links() {
        for below in [
            "objects",
            "objects/pack",
            "objects/17",
            "refs",
            "refs/heads",
            "logs",
            "logs/refs",
        ] {
            let fixture = with_many_packs();
            let (at, outside) = (fixture.annex.git_dir().join(below), tempfile::tempdir().unwrap());
            let target = outside.path().join("precious");
            match at.exists() {
                true => std::fs::rename(&at, &target).unwrap(),
                false => std::fs::create_dir(&target).unwrap(),
            }
            std::os::unix::fs::symlink(&target, &at).unwrap();
            let told = fixture.annex.tidy().unwrap_err().to_string();
            assert!(told.contains(below) && told.contains("is a link"), "{told}");
        }
    }

    /// Whoever had a drive may have written its repositories' configuration and hooks.
    #[test]
    fn packing_runs_no_program_of_the_repository() {
        for setting in ["", "core.fsmonitor", "core.hooksPath", "gc.recentObjectsHook"] {
            let fixture = with_many_packs();
            let git_dir = fixture.annex.git_dir();
            let (program, ran) = (git_dir.join("program"), git_dir.join("ran"));
            let script = format!("#!/bin/sh\necho \"$0 $*\" >>'{}'\n", ran.display());
            let hooks = git_dir.join("hooks");
            std::fs::create_dir_all(&hooks).unwrap();
            for path in [&program, &hooks.join("pre-auto-gc"), &git_dir.join("pre-auto-gc")] {
                std::fs::write(path, &script).unwrap();
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
            }
            if !setting.is_empty() {
                let value = match setting {
                    "core.hooksPath" => git_dir,
                    _ => program.as_path(),
                };
                fixture.git(&["config", setting, value.to_str().unwrap()]);
            }
            assert!(fixture.annex.tidy().unwrap(), "{setting}");
            let told = std::fs::read_to_string(&ran).unwrap_or_default();
            assert_eq!(told, "", "{setting}");
            assert!(fixture.annex.object_files().packs < 5, "{setting}");
        }
    }
}
