//! What the window asks an engine: a page of its list of files, over the engine's socket.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// How many files the window asks for at once.
pub(super) const PAGE: usize = 200;

/// How long the engine of `folder` takes to answer with a page from the file number `skip` on, of all files or of those
/// whose path contains a text.
pub(super) fn page(folder: &Path, named: Option<&str>, skip: usize) -> Result<Duration> {
    let which = named.map_or_else(|| json!("all"), |text| json!({ "named": text }));
    let question = json!({ "files": { "which": which, "skip": skip, "count": PAGE } });
    let socket = fs::read_to_string(folder.join(".git/anabranch/engine")).context("no engine runs")?;
    let start = Instant::now();
    let mut stream = UnixStream::connect(socket.trim_end())?;
    stream.write_all(format!("{question}\n").as_bytes())?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    let took = start.elapsed();
    let page: Value = serde_json::from_str(&answer)?;
    let files = page["files"]["files"].as_array();
    anyhow::ensure!(
        files.is_some_and(|files| !files.is_empty()),
        "asked {question}, the engine answered {answer}"
    );
    Ok(took)
}
