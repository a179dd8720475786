//! The project's text: what must not stand in any file.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

/// Written in two halves, so that this file does not hold what it looks for.
const FORBIDDEN: &[(&str, &str, &str)] = &[
    ("/wo", "rk/", "a path of one machine"),
    ("../sha", "red", "a path outside the project"),
    (
        "#[ign",
        "ore]",
        "a test left out without a reason: write `#[ignore = \"because …\"]`",
    ),
    ("TO", "DO", "work left undone"),
    ("FIX", "ME", "work left undone"),
    ("an", "ew", "write “again”"),
    ("is in st", "ep", "write “is up to date”"),
    ("are in st", "ep", "write “are up to date”"),
    ("everything is wherever it is w", "anted", "write “up to date”"),
    ("everything that it w", "ants", "write “up to date”"),
    ("taking in ch", "anges", "write “scanning for changes”"),
    ("being looked f", "or", "write “connecting”"),
    ("it is a", "way (", "write “it is not connected”"),
    (
        "nothing is taken for del",
        "eted",
        "write “nothing was deleted elsewhere”",
    ),
    ("stop keep", "ing", "write “stop syncing”"),
];

/// Hosts that packages come from: cargo, pip, npm and apt know them; a mirror of one machine must not slip in.
const HOSTS: &[(&str, &str)] = &[
    ("crates", ".io"),
    ("pypi", ".org"),
    ("pythonhosted", ".org"),
    ("npmjs", ".org"),
    ("deb.debian", ".org"),
    ("http://local", "host"),
    ("http://127", ".0.0.1"),
];

/// Files that name hosts because a tool writes them.
const LOCK_FILES: &[&str] = &["Cargo.lock", "package-lock.json"];

/// How the names of files end that people write programs in.
const WRITTEN: &[&str] = &["rs", "ts", "svelte"];

/// Files of more than 600 lines, each with its reason.
const LONG: &[(&str, &str)] = &[("ui/src/contract/index.ts", "made from the crate contract")];

#[test]
fn no_file_says_what_must_not_be_said() {
    let mut faults = Vec::new();
    let files = texts();
    assert!(files.len() > 50, "only {} files were found", files.len());
    for (path, text) in &files {
        let is_lock_file = LOCK_FILES.iter().any(|name| path.ends_with(name));
        let forbidden = FORBIDDEN
            .iter()
            .map(|(head, tail, why)| (format!("{head}{tail}"), *why));
        let hosts = HOSTS
            .iter()
            .map(|(head, tail)| (format!("{head}{tail}"), "a host that packages come from"));
        for (words, why) in forbidden.chain(hosts.filter(|_| !is_lock_file)) {
            for (number, line) in text.lines().enumerate().filter(|(_, line)| is_said(line, &words)) {
                // A file that was written by a program may be one line.
                let line: String = line.trim().chars().take(200).collect();
                faults.push(format!("{}:{}: {why}: {line}", path.display(), number + 1));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_locked_crate_comes_from_the_common_registry() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let common = format!("registry+https://github.com/rust-lang/{}{}-index", "crates", ".io");
    for source in lock.lines().filter_map(|line| line.strip_prefix("source = ")) {
        assert_eq!(source.trim_matches('"'), common);
    }
}

#[test]
fn no_locked_package_of_the_window_names_where_it_came_from() {
    let lock = fs::read_to_string(root().join("ui/package-lock.json")).unwrap();
    assert!(lock.contains("\"integrity\""), "every package is known by its hash");
    assert!(
        !lock.contains("\"resolved\""),
        "make it again with the settings in ui/.npmrc"
    );
}

#[test]
fn no_file_holds_more_than_one_idea_can_fill() {
    let faults: Vec<String> = texts()
        .into_iter()
        .filter(|(path, _)| {
            WRITTEN
                .iter()
                .any(|end| path.extension().is_some_and(|own| own == *end))
        })
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(path, lines)| *lines > 600 && !LONG.iter().any(|(long, _)| path.ends_with(long)))
        .map(|(path, lines)| {
            format!(
                "{} has {lines} lines: split it, or add it to LONG with a reason",
                path.display()
            )
        })
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_invariant_names_what_checks_it() {
    let list = fs::read_to_string(root().join("src-tauri/INVARIANTS.md")).unwrap();
    let (mut faults, mut numbers) = (Vec::new(), Vec::new());
    for row in list.lines().filter(|line| line.starts_with("| I")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [number, _, checked] = cells[..] else {
            faults.push(format!("a row has {} cells: {row}", cells.len()));
            continue;
        };
        numbers.push(number.to_owned());
        let named: Vec<&str> = checked.split('`').skip(1).step_by(2).collect();
        if named.is_empty() && !checked.starts_with("Not yet") {
            faults.push(format!("{number} names nothing that checks it"));
        }
        for one in named {
            let (file, function) = one.rsplit_once("::").unwrap_or((one, ""));
            let top = if file.starts_with("tests/") {
                ""
            } else {
                "src-tauri/crates"
            };
            let text = fs::read_to_string(root().join(top).join(file)).unwrap_or_default();
            if !text.contains(&format!("fn {function}(")) {
                faults.push(format!("{number} names {one}, which is not there"));
            }
        }
    }
    assert!(numbers.len() > 40, "only {} rows were found", numbers.len());
    // Where one is broken, the simulation says its number.
    let simulation = Path::new("src-tauri/crates/simulation");
    for (path, text) in texts().iter().filter(|(path, _)| path.starts_with(simulation)) {
        for word in text.split(|letter: char| !letter.is_alphanumeric()) {
            let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            if word.strip_prefix('I').is_some_and(is_number) && !numbers.iter().any(|known| known == word) {
                faults.push(format!("{}: there is no {word}", path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn words_are_found_as_whole_words() {
    let word = format!("{}{}", "TO", "DO");
    assert!(is_said(&format!("// {word}: later"), &word));
    assert!(!is_said(&format!("a{word}b"), &word));
}

/// Whether a line holds the words, not as part of a longer word.
fn is_said(line: &str, words: &str) -> bool {
    let is_letter = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
    line.match_indices(words).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + words.len()..].chars().next();
        !(is_letter(before) && words.starts_with(char::is_alphabetic)
            || is_letter(after) && words.ends_with(char::is_alphabetic))
    })
}

/// Every text file of the project, by its path below the top level.
fn texts() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            let (path, name) = (entry.path(), entry.file_name());
            let is_built = name == ".git" || name == "target" || name == "node_modules" || name == "dist";
            if is_built || path.join("CACHEDIR.TAG").exists() {
                continue;
            }
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                found.push((path.strip_prefix(root()).unwrap().to_owned(), text));
            }
        }
    }
    found
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}
