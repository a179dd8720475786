//! The house: which crate may depend on which, and what may lie at the top level.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::process::Command;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

/// Every crate of the workspace with the crates of it that it may depend on.
const ARROWS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("assistant", &["model"]),
    ("annex", &["model"]),
    ("surroundings", &[]),
    ("contract", &[]),
    ("p2p", &["model"]),
    ("remotes", &["annex", "p2p", "model"]),
    (
        "engine",
        &["assistant", "annex", "remotes", "surroundings", "contract", "model"],
    ),
    (
        "shell",
        &["annex", "assistant", "engine", "model", "p2p", "surroundings"],
    ),
    ("cli", &["engine", "contract", "shell"]),
    ("anabranch-desktop", &["engine", "contract", "model"]),
    ("simulation", &["assistant", "model"]),
    ("xtask", &[]),
    ("whole-system", &[]),
];

/// What a crate's tests may use besides.
const TEST_ARROWS: &[(&str, &[&str])] = &[("whole-system", &["engine", "contract"])];

/// The rooms of the engine; each may use those before it. What lies at its top by itself is a room too.
const ROOMS: &[&str] = &[
    "error",
    "clock",
    "words",
    "watched_symlink",
    "memory",
    "atomic_file",
    "runtime_directory",
    "login",
    "repository",
    "computers",
    "observations",
    "rules",
    "work",
    "views",
    "folder",
    "drives",
    "process",
];

/// These decide or name things; they do no I/O, know no clock, and get their chance from a seed.
const PURE: &[&str] = &["assistant", "contract", "model", "p2p", "simulation"];

/// What nothing pure may reach, by however many steps.
const IMPURE: &[&str] = &[
    "tokio",
    "git2",
    "libgit2-sys",
    "zbus",
    "rusqlite",
    "libsqlite3-sys",
    "notify",
    "inotify",
    "rand",
    "rand_core",
    "getrandom",
    "fastrand",
    "rustix",
    "nix",
    "mio",
    "tempfile",
    "directories",
    "chrono",
    "time",
    "uuid",
    "reqwest",
];

/// What the top level holds, hidden files and folders aside.
const TOP_LEVEL: &[&str] = &[
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "findings",
    "icons",
    "src-tauri",
    "tests",
    "ui",
];

#[test]
fn every_crate_depends_only_on_what_its_arrows_allow() {
    let metadata = metadata(false);
    let mut faults = Vec::new();
    let names: BTreeSet<&str> = metadata
        .workspace_packages()
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    for package in metadata.workspace_packages() {
        let Some(allowed) = row(ARROWS, &package.name) else {
            faults.push(format!(
                "{} has no row in ARROWS: add it with the crates that it may depend on",
                package.name
            ));
            continue;
        };
        for dependency in &package.dependencies {
            let is_inner = names.contains(dependency.name.as_str());
            let is_test = dependency.kind == DependencyKind::Development;
            let in_tests = row(TEST_ARROWS, &package.name).unwrap_or(&[]);
            let is_allowed =
                allowed.contains(&dependency.name.as_str()) || is_test && in_tests.contains(&dependency.name.as_str());
            if is_inner && !is_allowed {
                faults.push(format!("{} must not depend on {}", package.name, dependency.name));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_room_of_the_engine_uses_only_rooms_below_it() {
    let top = root().join("src-tauri/crates/engine/src");
    let mut faults = Vec::new();
    let mut seen = BTreeSet::new();
    for path in rust_files(&top) {
        let name = path.strip_prefix(&top).unwrap();
        let room = name.components().next().unwrap().as_os_str().to_str().unwrap();
        let room = room.trim_end_matches(".rs");
        if room == "lib" {
            continue;
        }
        let Some(rank) = ROOMS.iter().position(|known| *known == room) else {
            faults.push(format!("{} is in no room: add it to ROOMS", name.display()));
            continue;
        };
        seen.insert(room.to_owned());
        let text = std::fs::read_to_string(&path).unwrap();
        for used in rooms_used(&text) {
            match ROOMS.iter().position(|known| *known == used) {
                Some(other) if other > rank => {
                    faults.push(format!(
                        "{} uses the room {used}, which is above {room}",
                        name.display()
                    ));
                }
                Some(_) | None => {}
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let missing: Vec<_> = ROOMS.iter().filter(|room| !seen.contains(**room)).collect();
    assert!(missing.is_empty(), "no such rooms: {missing:?}");
}

#[test]
fn rooms_are_seen_wherever_they_are_named() {
    let text = "use crate::{Error, views::lists};\nuse crate::process::settings;\nfn f() { crate::drives::g() }\n\
                #[cfg(test)]\nmod tests { use crate::folder::Folder; }\n";
    assert_eq!(rooms_used(text), ["Error", "drives", "process", "views"]);
}

/// What is named after `crate::` in a file, its tests aside.
fn rooms_used(text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    let code = code.split("#[cfg(test)]\npub(crate) mod tests {").next().unwrap();
    let is_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    let mut used = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let names = match rest.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap(),
            None => rest.split(|letter| !is_name(letter)).next().unwrap(),
        };
        let firsts = names.split(',').map(|name| name.trim().split("::").next().unwrap());
        used.extend(firsts.filter(|name| !name.is_empty()).map(str::to_owned));
    }
    used.into_iter().collect()
}

/// All Rust files below a directory but those that hold nothing but tests.
fn rust_files(top: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![top.to_owned()];
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn only_annex_knows_git2() {
    let metadata = metadata(false);
    let users: Vec<&str> = metadata
        .workspace_packages()
        .iter()
        .filter(|package| package.dependencies.iter().any(|dependency| dependency.name == "git2"))
        .map(|package| package.name.as_str())
        .collect();
    assert_eq!(users, ["annex"]);
}

#[test]
fn nothing_pure_reaches_the_world() {
    let metadata = metadata(true);
    let mut faults = Vec::new();
    for name in PURE {
        for (reached, way) in reachable(&metadata, name) {
            if IMPURE.contains(&reached.as_str()) {
                faults.push(format!("{name} reaches {reached}: {}", way.join(" → ")));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_reach_of_a_crate_is_followed_through_others() {
    let metadata = metadata(true);
    let reached = reachable(&metadata, "engine");
    assert!(
        reached.contains_key("libgit2-sys"),
        "engine → annex → git2 → libgit2-sys was not found: {reached:?}"
    );
}

#[test]
fn the_top_level_holds_only_what_the_house_names() {
    let strangers: Vec<String> = std::fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        // `target` is cargo's, and ignored by git.
        .filter(|name| !name.starts_with('.') && name != "target" && !TOP_LEVEL.contains(&name.as_str()))
        .collect();
    assert!(strangers.is_empty(), "not named in the house's plan: {strangers:?}");
}

/// Clippy reads the nearest `clippy.toml` only and adds nothing from those above it.
#[test]
fn pure_crates_have_the_bans_and_the_workspace_settings() {
    let settings = |path: std::path::PathBuf| -> toml::Table {
        std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
            .parse()
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let workspace = settings(root().join(".clippy.toml"));
    let crates = ["assistant", "contract", "model", "p2p"];
    for name in crates {
        let table = settings(root().join("src-tauri/crates").join(name).join("clippy.toml"));
        for (key, value) in &workspace {
            assert_eq!(table.get(key), Some(value), "{name}/clippy.toml must repeat {key}");
        }
        let text = table.to_string();
        for banned in [
            "std::fs::File",
            "std::fs::read",
            "std::process::Command",
            "std::env::var",
            "Instant::now",
            "SystemTime::now",
            "collections::HashMap",
            "collections::HashSet",
        ] {
            assert!(text.contains(banned), "{name}/clippy.toml does not ban {banned}");
        }
    }
}

/// Every crate that a crate's own code (not its tests) reaches, with the way there.
fn reachable(metadata: &Metadata, name: &str) -> BTreeMap<String, Vec<String>> {
    let resolve = metadata.resolve.as_ref().unwrap();
    let nodes: BTreeMap<&PackageId, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let start = &metadata
        .workspace_packages()
        .into_iter()
        .find(|package| package.name == name)
        .unwrap()
        .id;
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut next = VecDeque::from([(start, vec![name.to_owned()])]);
    while let Some((id, way)) = next.pop_front() {
        for dependency in &nodes[id].deps {
            // A build script or a procedural macro does what it does while building.
            let is_built_in = dependency
                .dep_kinds
                .iter()
                .any(|kind| kind.kind == DependencyKind::Normal);
            let package = &metadata[&dependency.pkg];
            let is_macro = package.targets.iter().any(|target| target.is_proc_macro());
            if !is_built_in || is_macro || found.contains_key(package.name.as_str()) {
                continue;
            }
            let mut way = way.clone();
            way.push(package.name.to_string());
            found.insert(package.name.to_string(), way.clone());
            next.push_back((&dependency.pkg, way));
        }
    }
    found
}

fn row<'a>(table: &'a [(&str, &'a [&'a str])], name: &str) -> Option<&'a [&'a str]> {
    table.iter().find(|(row, _)| *row == name).map(|(_, allowed)| *allowed)
}

fn metadata(with_dependencies: bool) -> Metadata {
    let mut command = MetadataCommand::new();
    command.manifest_path(root().join("Cargo.toml"));
    let mut options = vec!["--locked".to_owned(), "--offline".to_owned()];
    if with_dependencies {
        // Only what is built here has been fetched.
        let rustc = Command::new("rustc").args(["--print", "host-tuple"]).output().unwrap();
        options.extend([
            "--filter-platform".to_owned(),
            String::from_utf8(rustc.stdout).unwrap().trim().to_owned(),
        ]);
    } else {
        command.no_deps();
    }
    command.other_options(options).exec().unwrap()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}
