//! The computers that the user's ssh knows by name, and the user's key, by the files in `~/.ssh`.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How deep configuration files may include others, as ssh_config(5) allows.
const DEEPEST: usize = 16;
/// How many computers are listed.
const MOST: usize = 200;
/// The files of a key of one's own, the best first (ssh(1)).
const KEYS: [&str; 3] = ["id_ed25519.pub", "id_ecdsa.pub", "id_rsa.pub"];

/// Lists the computers that ssh's configuration names, then those whose host keys are known, each as it stands before the
/// colon of an address such as `HOST:PATH`. `directory` is `~/.ssh`.
#[must_use]
pub fn known_computers(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    read_config(&directory.join("config"), directory, 0, &mut found);
    let known = fs::read(directory.join("known_hosts")).unwrap_or_default();
    found.extend(String::from_utf8_lossy(&known).lines().flat_map(known_hosts));
    let mut seen = BTreeSet::new();
    found.retain(|name| seen.insert(name.clone()));
    found.truncate(MOST);
    found
}

/// Adds the computers that a configuration file names.
fn read_config(file: &Path, directory: &Path, depth: usize, found: &mut Vec<String>) {
    let text = fs::read(file).unwrap_or_default();
    for line in String::from_utf8_lossy(&text).lines() {
        let line = line.trim();
        let Some((keyword, rest)) = line.split_once(|c: char| c.is_whitespace() || c == '=') else {
            continue;
        };
        let mut words = rest
            .split(|c: char| c.is_whitespace() || matches!(c, '=' | '"'))
            .filter(|word| !word.is_empty())
            .take_while(|word| !word.starts_with('#'));
        match keyword.to_ascii_lowercase().as_str() {
            "host" => found.extend(words.filter(|name| is_name(name)).map(str::to_owned)),
            "include" if depth < DEEPEST => {
                for included in words.by_ref().flat_map(|pattern| matching(pattern, directory)) {
                    read_config(&included, directory, depth + 1, found);
                }
            }
            _ => {}
        }
    }
}

/// The files that an `Include` means. A pattern may only be in the name of the file, which is what people write.
fn matching(pattern: &str, directory: &Path) -> Vec<PathBuf> {
    let whole = match (pattern.strip_prefix("~/"), directory.parent()) {
        (Some(rest), Some(home)) => home.join(rest),
        (Some(_), None) | (None, _) => directory.join(pattern),
    };
    let Some(name) = whole.file_name().and_then(|name| name.to_str()) else {
        return Vec::new();
    };
    let Some((start, end)) = name.split_once('*') else {
        return vec![whole];
    };
    let entries = whole
        .parent()
        .and_then(|above| above.read_dir().ok())
        .into_iter()
        .flatten()
        .flatten();
    let mut files: Vec<PathBuf> = entries
        .filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
        })
        .map(|entry| entry.path())
        .collect();
    files.sort();
    files
}

/// The computers of a line of `known_hosts`; none if their names are hashed (sshd(8)).
fn known_hosts(line: &str) -> Vec<String> {
    let names = line.split_whitespace().next().unwrap_or_default();
    if names.starts_with(['@', '|', '#']) {
        return Vec::new();
    }
    let names = names.split(',').filter_map(|name| match name.strip_prefix('[') {
        // As git's addresses have a port.
        Some(rest) => rest
            .split_once("]:")
            .filter(|(host, _)| !host.contains(':'))
            .map(|(host, port)| format!("[{host}:{port}]")),
        None if name.contains(':') => Some(format!("[{name}]")),
        None => Some(name.to_owned()),
    });
    names.filter(|name| is_name(name)).collect()
}

/// False for a pattern.
fn is_name(word: &str) -> bool {
    !word.is_empty() && !word.starts_with('-') && !word.contains(['*', '?', '!', '%'])
}

/// The user's public key, which is made if there is none. `directory` is `~/.ssh`.
///
/// # Errors
///
/// If it can be neither read nor made.
pub fn own_key(directory: &Path) -> io::Result<String> {
    let read = || {
        KEYS.iter()
            .find_map(|name| fs::read_to_string(directory.join(name)).ok())
    };
    let key = match read() {
        Some(key) => key,
        None => {
            make_key(directory)?;
            read().ok_or(io::ErrorKind::NotFound)?
        }
    };
    // Whatever stands there becomes a part of a line of shell.
    let is_plain = |c: char| c.is_ascii_graphic() && c != '\'' || c == ' ';
    match key.trim() {
        key if !key.is_empty() && key.chars().all(is_plain) => Ok(key.to_owned()),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the public key there is none",
        )),
    }
}

/// Makes a key without a passphrase, as the background needs it.
fn make_key(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let mut keygen = Command::new("ssh-keygen");
    keygen
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(directory.join("id_ed25519"));
    // It asks before it replaces a key.
    let output = keygen.stdin(Stdio::null()).output()?;
    match output.status.success() {
        true => Ok(()),
        false => Err(io::Error::other(
            String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn computers_of_the_configuration_come_before_those_with_known_keys() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        fs::create_dir(at("config.d")).unwrap();
        fs::write(at("config"), "Include config.d/*.conf\nInclude config\nHost desk  laptop # mine\n  HostName 10.0.0.1\nhost=nas\nHost *.example !no web?\nMatch host x\n").unwrap();
        fs::write(at("config.d/a.conf"), "Host \"cloud\"\n").unwrap();
        fs::write(at("config.d/b.txt"), "Host never\n").unwrap();
        fs::write(
            at("known_hosts"),
            "desk,10.0.0.1 ssh-ed25519 AAAA\n|1|hash|hash ssh-rsa AAAA\n@revoked bad ssh-rsa AAAA\n[box.example]:2222 ssh-ed25519 AAAA\n::1 ssh-ed25519 AAAA\n[::1]:22 ssh-ed25519 AAAA\n-oProxyCommand=x ssh-rsa A\n\n",
        )
        .unwrap();
        let found = known_computers(place.path());
        assert_eq!(
            found,
            [
                "cloud",
                "desk",
                "laptop",
                "nas",
                "10.0.0.1",
                "[box.example:2222]",
                "[::1]"
            ]
        );
        let is_address = |name: &String| annex::settings::SshAddress::parse(&format!("{name}:a")).is_some();
        assert!(found.iter().all(is_address));
        assert_eq!(known_computers(&at("nowhere")), [""; 0]);
    }

    #[test]
    fn a_key_is_made_once() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join(".ssh");
        let key = own_key(&directory).unwrap();
        assert!(key.starts_with("ssh-ed25519 "), "{key}");
        assert_eq!(own_key(&directory).unwrap(), key);
        fs::write(directory.join("id_ed25519.pub"), "x'; touch made; '\n").unwrap();
        assert!(own_key(&directory).is_err());
    }
}
