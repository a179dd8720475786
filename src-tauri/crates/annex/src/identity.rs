use nix::unistd::{User, getuid};

/// Who commits: `user.name` and `user.email` of git's configuration, else the account and the machine, as git-annex
/// does when nothing is configured.
pub(crate) fn signature(repo: &git2::Repository) -> git2::Signature<'static> {
    let account = || User::from_uid(getuid()).ok().flatten().map(|user| user.name);
    let machine = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    repo.signature().unwrap_or_else(|_| {
        let setting = |name| repo.config().and_then(|config| config.get_string(name)).ok();
        let account = usable(account()).unwrap_or_else(|| "unknown".to_owned());
        let machine = usable(machine()).unwrap_or_else(|| "localhost".to_owned());
        let name = usable(setting("user.name")).unwrap_or_else(|| account.clone());
        let email = usable(setting("user.email")).unwrap_or_else(|| format!("{account}@{machine}"));
        git2::Signature::now(&name, &email).expect("because neither is empty nor has characters that git refuses")
    })
}

fn usable(text: Option<String>) -> Option<String> {
    let refused = |c: char| c.is_control() || matches!(c, '<' | '>');
    let text = text?.replace(refused, "");
    let text = text.trim_matches(|c: char| c.is_whitespace() || ".,:;\"'\\".contains(c));
    (!text.is_empty()).then(|| text.to_owned())
}
