//! What the real git-annex answered about keys, names, hashes and pointers, asked of this crate.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test reports and fails")]

use annex::{Backend, Hasher, hash_directory, naming, pointer};
use model::{Key, RepoPath};
use serde_json::Value;

/// Reads the cases of one list of a vector file.
fn cases(file: &str, list: &str) -> Vec<Value> {
    let path = format!("{}/../../../tests/vectors/{file}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read(&path).unwrap();
    let mut vectors: Value = serde_json::from_slice(&text).unwrap();
    let Value::Array(cases) = vectors[list].take() else {
        panic!("{file}.json has no list {list}")
    };
    assert!(!cases.is_empty(), "{file}.json, {list}");
    println!("{file}.json: {} {list} read", cases.len());
    cases
}

/// Text, or the bytes of `{"hex": "…"}`.
fn bytes(value: &Value) -> Vec<u8> {
    match value.get("hex") {
        Some(digits) => hex::decode(digits.as_str().unwrap()).unwrap(),
        None => value.as_str().unwrap().as_bytes().to_vec(),
    }
}

#[test]
fn keys_are_parsed_and_placed_as_git_annex_does() {
    for case in cases("keys", "cases") {
        let text = bytes(&case["key"]);
        let key = Key::parse(&text);
        assert_eq!(key.is_ok(), case["valid"], "{case}");
        let Ok(key) = key else { continue };
        assert_eq!(key.as_bytes(), bytes(&case["canonical"]), "{case}");
        if case.get("backend").is_none() {
            continue;
        }
        assert_eq!(key.backend(), bytes(&case["backend"]), "{case}");
        assert_eq!(key.name(), bytes(&case["name"]), "{case}");
        for (field, value) in [("size", key.size()), ("mtime", key.mtime())] {
            let expected = case[field].as_str().unwrap();
            // Numbers that do not fit are carried but have no value here.
            if expected == "unknown" || expected.parse::<u64>().is_err() {
                assert_eq!(value, None, "{field} of {case}");
            } else {
                assert_eq!(
                    value.map(|value| value.to_string()).as_deref(),
                    Some(expected),
                    "{field} of {case}"
                );
            }
        }
        assert_eq!(
            format!("{}/", hash_directory::mixed(&key)),
            case["hashdirmixed"],
            "{case}"
        );
        assert_eq!(
            format!("{}/", hash_directory::lower(&key)),
            case["hashdirlower"],
            "{case}"
        );
        assert_eq!(pointer::pointer_for(&key), bytes(&case["pointer"]), "{case}");
        let top = RepoPath::parse(b"file").unwrap();
        assert_eq!(
            pointer::symlink_target(&top, &key),
            bytes(&case["objectpath"]),
            "{case}"
        );
        assert_eq!(Key::from_file_name(&key.to_file_name()).as_ref(), Ok(&key), "{case}");
    }
}

#[test]
fn hashes_are_those_of_git_annex() {
    let path = RepoPath::parse(b"digest.tar.gz").unwrap();
    let mut unsupported = 0;
    for case in cases("calckey", "digest_cases") {
        if case.get("unsupported_by_calckey").is_some() {
            unsupported += 1;
            continue;
        }
        let content = match case["content_hex"].as_str() {
            Some(digits) => hex::decode(digits).unwrap(),
            None => {
                assert_eq!(case["content"], "bytes0to255x9");
                (0..=255).collect::<Vec<u8>>().repeat(9)
            }
        };
        let name = case["backend"].as_str().unwrap();
        let (backend, _) = Backend::parse(name.as_bytes()).unwrap_or_else(|| panic!("{name} is unknown"));
        let mut hasher = Hasher::new(backend);
        for part in content.chunks(100) {
            hasher.update(part);
        }
        let extension = naming::extension(&path, 4, 2);
        let key = naming::key_for(name, &hasher.finish(), content.len() as u64, &extension);
        assert_eq!(key.to_string(), case["key"], "{case}");
        let mut verifier = annex::Verifier::for_key(&key);
        verifier.update(&content);
        assert_eq!(verifier.finish(), annex::HashVerdict::Matches, "{case}");
    }
    println!("calckey.json: {unsupported} digest_cases concern backends without a hash");
}

#[test]
fn extensions_are_those_of_git_annex() {
    let mut too_long = 0;
    for case in cases("calckey", "extension_cases") {
        let (mut length, mut count) = (4, 2);
        for setting in case["config"].as_array().unwrap() {
            let (name, value) = setting.as_str().unwrap().split_once('=').unwrap();
            let value = value.parse().unwrap();
            match name {
                "annex.maxextensionlength" => length = value,
                "annex.maxextensions" => count = value,
                other => panic!("{other}"),
            }
        }
        let path = RepoPath::parse(&bytes(&case["file"])).unwrap();
        let extension = naming::extension(&path, length, count);
        let expected = bytes(&case["extension"]);
        if expected.len() > 64 {
            // git-annex makes keys here that it does not recognise.
            assert!(extension.len() <= 64, "{case}");
            too_long += 1;
        } else {
            assert_eq!(extension, expected, "{case}");
        }
    }
    println!("calckey.json: {too_long} extension_cases are longer than any key may have");
}

#[test]
fn worm_and_url_names_are_those_of_git_annex() {
    for case in cases("calckey", "worm_cases") {
        let path = RepoPath::parse(&bytes(&case["file"])).unwrap();
        let (size, mtime) = (case["size"].as_u64().unwrap(), case["mtime"].as_u64().unwrap());
        let key = naming::worm_key(&path, size, mtime).unwrap();
        assert_eq!(key.as_bytes(), bytes(&case["key"]), "{case}");
    }
    for case in cases("calckey", "url_cases") {
        let key = naming::url_key(case["url"].as_str().unwrap(), None).unwrap();
        assert_eq!(key.as_bytes(), bytes(&case["key"]), "{case}");
    }
}

#[test]
fn pointers_are_those_that_git_annex_recognises() {
    for case in cases("pointers", "cases") {
        let content = match case.get("content") {
            Some(content) => bytes(content),
            None => ruled_content(&case),
        };
        let key = match case["mode"].as_str().unwrap() {
            "120000" => pointer::key_of_symlink(&content),
            _ => pointer::key_of_pointer(&content),
        };
        if content.contains(&0) {
            // git-annex takes it for a key and then fails on it, as no file can have that name: here it is content.
            assert_eq!((key, &case["clean_filter_output"]), (None, &Value::from("")), "{case}");
            continue;
        }
        assert_eq!(key.is_some(), case["annexed_in_tree"], "{case}");
        if let Some(key) = key {
            assert_eq!(key.as_bytes(), bytes(&case["key"]), "{case}");
        }
    }
    for case in cases("pointers", "generated_symlinks") {
        let target = bytes(&case["target"]);
        let key = pointer::key_of_symlink(&target).unwrap();
        let path = RepoPath::parse(&bytes(&case["path"])).unwrap();
        assert_eq!(pointer::symlink_target(&path, &key), target, "{case}");
    }
}

/// Builds content that is too long for the vector file from its rule there, and checks it against its hash.
fn ruled_content(case: &Value) -> Vec<u8> {
    let rule = "pointer line, then repeated lines of '/annex/' + 92*'x' + LF, truncated to length-1, + LF";
    assert_eq!(case["content_rule"], rule);
    let length = usize::try_from(case["length"].as_u64().unwrap()).unwrap();
    let key = "SHA256E-s3--98ea6e4f216f2fb4b69fff9b3a44842c38686ca685f3f55dc48c5d3fb1107be4.txt";
    let mut content = format!("/annex/objects/{key}\n").into_bytes();
    while content.len() < length {
        content.extend_from_slice(format!("/annex/{}\n", "x".repeat(92)).as_bytes());
    }
    content.truncate(length - 1);
    content.push(b'\n');
    let mut hasher = Hasher::new(Backend::Sha256);
    hasher.update(&content);
    assert_eq!(hasher.finish(), case["content_sha256"]);
    content
}
