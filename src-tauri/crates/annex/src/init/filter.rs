//! What git is told to do by itself: pass files through the content filter, run git-annex's hooks.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use bstr::ByteSlice;

use super::set;
use crate::attributes::{ANNEX_LINE, Attributes};
use crate::conversions::show_filters;
use crate::{Annex, Directory, Error, Result};

const GIT_ANNEX: [(&str, &str); 3] = [
    ("filter.annex.process", "git-annex filter-process"),
    ("filter.annex.clean", "git-annex smudge --clean -- %f"),
    ("filter.annex.smudge", "git-annex smudge -- %f"),
];

/// git-annex's hooks, with whether a bare repository has them too.
const HOOKS: [(&str, bool, &str); 5] = [
    ("pre-commit", false, "git annex pre-commit ."),
    (
        "post-receive",
        false,
        "if git annex post-receive --help >/dev/null 2>&1; then git annex post-receive; fi",
    ),
    ("post-checkout", false, "git annex smudge --update"),
    ("post-merge", false, "git annex smudge --update"),
    (
        "pre-push",
        true,
        "if git annex pre-push --help >/dev/null 2>&1; then git annex pre-push; fi",
    ),
];

/// Sets the content filter that git runs on annexed files: git-annex where it is installed, else this program, whose
/// executable is `ours`. A filter that somebody has set to something else stays, and so does its absence where
/// `annex.supportunlocked` is false. Bare repositories need none. The filters that the repository's own attributes ask for
/// go on to work.
pub fn set_filter(annex: &Annex, ours: &Path) -> Result<()> {
    choose_filter(annex, ours, git_annex_is_installed())?;
    match annex.is_bare() {
        true => Ok(()),
        false => show_filters(annex, &Attributes::of_work_tree(annex, &*annex.git()?)?),
    }
}

fn choose_filter(annex: &Annex, ours: &Path, git_annex_is_installed: bool) -> Result<()> {
    let git = annex.git()?;
    let mut config = super::configuration(&git)?;
    if annex.is_bare() || !config.get_bool("annex.supportunlocked").unwrap_or(true) {
        return Ok(());
    }
    let executable = ours.to_str().filter(|text| !text.contains('\n')).ok_or_else(|| {
        Error::Refused(format!(
            "the program's own path {} cannot stand in git's configuration; nothing was changed. Move the program",
            ours.display()
        ))
    })?;
    let command = format!("'{}' filter-process", executable.replace('\'', r"'\''"));
    let (process, process_of_git_annex) = GIT_ANNEX[0];
    let current = config.get_string(process).unwrap_or_default();
    let name = ours.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_ours = current.ends_with(&format!("{name}' filter-process"));
    let is_free = current.is_empty() && config.get_string("filter.annex.clean").is_err();
    if !is_ours && !is_free && current != process_of_git_annex {
        return Ok(());
    }
    if git_annex_is_installed {
        for (setting, value) in GIT_ANNEX {
            if config.get_string(setting).ok().as_deref() != Some(value) {
                set(&mut config, setting, value)?;
            }
        }
        add_hooks(git.commondir(), false)?;
    } else {
        if current != command {
            set(&mut config, process, &command)?;
        }
        // One-shot commands of a git-annex that is not here could only fail.
        for (setting, value) in &GIT_ANNEX[1..] {
            if config.get_string(setting).ok().as_deref() == Some(value) {
                config
                    .remove(setting)
                    .map_err(Error::git(format!("remove {setting} from the configuration")))?;
            }
        }
        remove_failing_hooks(git.commondir())?;
    }
    super::share_configuration(&git).map(drop)
}

/// Removes those of git-annex's hooks that do nothing but fail without it, and let `git commit` fail. They come back where
/// it is installed. Hooks that somebody has changed stay.
fn remove_failing_hooks(git_dir: &Path) -> Result<()> {
    let Some(hooks) = Directory::top(git_dir)?.find("hooks")? else {
        return Ok(());
    };
    for (name, _, command) in HOOKS.iter().filter(|(_, _, command)| !command.starts_with("if ")) {
        if hooks
            .read(name)?
            .is_some_and(|text| text == text_of(command).as_bytes())
        {
            hooks.remove(name)?;
        }
    }
    Ok(())
}

/// A hook as git-annex writes it.
fn text_of(command: &str) -> String {
    format!("#!/bin/sh\n# automatically configured by git-annex\n{command}\n")
}

/// True if a `git-annex` that can be run is in the PATH.
pub(super) fn git_annex_is_installed() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| {
        fs::metadata(directory.join("git-annex"))
            .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    })
}

/// Has git pass all files through the filter named `annex`.
pub(super) fn add_attributes(git_dir: &Path) -> Result<()> {
    let info = Directory::top(git_dir)?.make("info")?;
    let present = info.read("attributes")?.unwrap_or_default();
    if present.lines().any(|line| line.trim_ascii() == ANNEX_LINE.as_bytes()) {
        return Ok(());
    }
    info.append("attributes", 0o644)?
        .write_all(format!("\n{ANNEX_LINE}\n").as_bytes())
        .map_err(Error::io("write", &info.path().join("attributes")))
}

/// Adds git-annex's hooks where there are none of that name.
pub(crate) fn add_hooks(git_dir: &Path, bare: bool) -> Result<()> {
    let hooks = Directory::top(git_dir)?.make("hooks")?;
    for (name, in_bare, command) in HOOKS {
        if bare && !in_bare {
            continue;
        }
        let text = text_of(command);
        let made = hooks
            .create_new(name, 0o777)
            .and_then(|mut file| file.write_all(text.as_bytes()));
        match made {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(Error::io("write", &hooks.path().join(name))(error));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::choose_filter;
    use crate::init::{configuration, init, set};

    #[test]
    fn the_filter_is_that_of_the_installed_program_unless_somebody_chose_another() {
        let directory = tempfile::tempdir().unwrap();
        let annex = init(directory.path(), None, 1).unwrap();
        let get = |name: &str| configuration(&annex.git().unwrap()).unwrap().get_string(name).ok();
        let ours = Path::new("/opt/it's here/anabranch");
        let process = "filter.annex.process";

        choose_filter(&annex, ours, false).unwrap();
        assert_eq!(
            get(process).as_deref(),
            Some(r"'/opt/it'\''s here/anabranch' filter-process")
        );
        assert_eq!(get("filter.annex.clean"), None);
        choose_filter(&annex, Path::new("/usr/bin/anabranch"), false).unwrap();
        assert_eq!(get(process).as_deref(), Some("'/usr/bin/anabranch' filter-process"));
        choose_filter(&annex, ours, true).unwrap();
        assert_eq!(get(process).as_deref(), Some("git-annex filter-process"));
        assert_eq!(
            get("filter.annex.clean").as_deref(),
            Some("git-annex smudge --clean -- %f")
        );
        let hooks = annex.git_dir().join("hooks");
        assert!(hooks.join("pre-commit").exists() && hooks.join("post-merge").exists());
        std::fs::write(hooks.join("post-merge"), "#!/bin/sh\nmine\n").unwrap();
        choose_filter(&annex, ours, false).unwrap();
        let is_there = |name: &&str| hooks.join(name).exists();
        let all = ["pre-commit", "post-checkout", "post-merge", "post-receive", "pre-push"];
        let left: Vec<_> = all.into_iter().filter(is_there).collect();
        assert_eq!(
            left,
            ["post-merge", "post-receive", "pre-push"],
            "what would fail is gone"
        );
        assert!(get(process).unwrap().ends_with("anabranch' filter-process"));
        assert_eq!(get("filter.annex.smudge"), None);

        let mut config = configuration(&annex.git().unwrap()).unwrap();
        set(&mut config, process, "/opt/other filter-process").unwrap();
        choose_filter(&annex, ours, true).unwrap();
        assert_eq!(get(process).as_deref(), Some("/opt/other filter-process"));
    }
}
