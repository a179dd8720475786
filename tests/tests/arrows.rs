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
    ("surroundings", &["model"]),
    ("contract", &["model"]),
    ("remotes", &["annex", "model"]),
    (
        "engine",
        &["assistant", "annex", "remotes", "surroundings", "contract", "model"],
    ),
    ("cli", &["engine", "contract", "model"]),
    ("anabranch-desktop", &["engine", "contract", "model"]),
    ("simulation", &["assistant", "model"]),
    ("xtask", &[]),
    ("whole-system", &[]),
];

/// What a crate's tests may use besides.
const TEST_ARROWS: &[(&str, &[&str])] = &[
    ("assistant", &["simulation"]),
    ("whole-system", &["engine", "contract"]),
];

/// These decide or name things; they do no I/O, know no clock, and get their chance from a seed.
const PURE: &[&str] = &["assistant", "contract", "model", "simulation"];

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
    let crates = ["assistant", "contract", "model"];
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
