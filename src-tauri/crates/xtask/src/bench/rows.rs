//! The rows.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::pair::{Pair, wait};
use super::{Row, Took, floor, idle};

type Measure = fn(&mut Pair) -> Result<Row>;

/// All rows, in the order in which they are measured: later ones use what earlier ones made.
pub(super) const ROWS: [(&str, Measure); 8] = [
    ("one", one),
    ("many", many),
    ("rename", rename),
    ("start", start),
    ("large", large),
    ("idle", idle_minute),
    ("memory", memory),
    ("why", why),
];

const MANY: usize = 5000;
/// So many files are looked at for the first time while somebody asks.
const FIRST_LOOK: usize = 100_000;
const SMALL: usize = 4096;
const LARGE: u64 = 1 << 30;
/// git-annex's assistant gets this long for a row.
const PATIENCE: Duration = Duration::from_secs(120);

/// Bytes that are different for each number and do not compress.
fn content(number: u64, size: usize) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

fn has(path: &Path, content: &[u8]) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.len() == content.len() as u64)
        && fs::read(path).is_ok_and(|is| is == content)
}

fn row(name: &'static str, must: &'static str, floor: String, took: Took, holds: Option<bool>) -> Row {
    Row {
        name,
        must,
        floor,
        ours: took,
        theirs: Took::NotRun,
        holds,
    }
}

fn took(time: Option<Duration>, how_far: impl FnOnce() -> String) -> Took {
    time.map_or_else(|| Took::GaveUp(how_far()), Took::Time)
}

/// Until nothing moves: the last commit of both clones is the same and stays.
fn wait_for_rest(pair: &Pair) -> Result<()> {
    if pair.is_ours() {
        let calm = |folder: &Path| {
            let status = pair.status(folder);
            status.is_ok_and(|status| status.contains("\"state\": \"safe\""))
        };
        let done = wait(Duration::from_secs(60), || {
            std::thread::sleep(Duration::from_millis(50));
            calm(&pair.laptop) && calm(&pair.other)
        });
        ensure!(
            done.is_some(),
            "the clones do not come to rest: {}",
            pair.status(&pair.laptop)?
        );
    } else {
        std::thread::sleep(Duration::from_secs(5));
    }
    Ok(())
}

fn one(pair: &mut Pair) -> Result<Row> {
    let count = if pair.is_ours() { 20 } else { 5 };
    let mut times = Vec::new();
    wait_for_rest(pair)?;
    for number in 0..count {
        let (bytes, name) = (content(number, SMALL), format!("one-{number}"));
        let start = Instant::now();
        fs::write(pair.laptop.join(&name), &bytes)?;
        let arrived = wait(PATIENCE, || has(&pair.other.join(&name), &bytes));
        times.push(
            arrived
                .map(|_| start.elapsed())
                .context("one file did not arrive at all")?,
        );
        std::thread::sleep(Duration::from_millis(700));
    }
    times.sort();
    let median = times[times.len() / 2];
    println!("  from {:?} to {:?}", times[0], times[times.len() - 1]);
    let holds = Some(median <= Duration::from_millis(100));
    Ok(row(
        "4 KiB saved → in the other clone, median",
        "≤ 0.1 s",
        String::new(),
        Took::Time(median),
        holds,
    ))
}

fn many(pair: &mut Pair) -> Result<Row> {
    wait_for_rest(pair)?;
    let source = pair.home().join("source");
    let scratch = pair.home().join("scratch");
    fs::create_dir_all(&source)?;
    let contents: Vec<Vec<u8>> = (0..MANY as u64).map(|number| content(number + 1000, SMALL)).collect();
    for (number, bytes) in contents.iter().enumerate() {
        fs::write(source.join(number.to_string()), bytes)?;
    }
    nix::unistd::sync();
    let numbered = |name: &str, number: usize| scratch.join(format!("{name}-{number}"));
    fs::create_dir_all(&scratch)?;
    let copy = floor::best(|number| floor::time("cp", &[Path::new("-r"), &source, &numbered("copy", number)]))?;
    let plain = floor::best(|number| floor::plain_files(&numbered("plain", number), MANY, &contents[0]))?;
    nix::unistd::sync();
    wait_for_rest(pair)?;

    let start = Instant::now();
    floor::time("cp", &[Path::new("-r"), &source, &pair.laptop.join("many")])?;
    let (mut next, arrived) = (0, pair.other.join("many"));
    let all = wait(PATIENCE, || {
        while next < MANY && has(&arrived.join(next.to_string()), &contents[next]) {
            next += 1;
        }
        next == MANY
    });
    let time = all.map(|_| start.elapsed());
    let holds = time.map(|time| time <= copy * 8);
    let ratio = time.map_or(0.0, |time| time.as_secs_f64() / copy.as_secs_f64());
    let floor = format!(
        "cp -r {:.3} s ({ratio:.1} ×); objects and all {:.3} s",
        copy.as_secs_f64(),
        plain.as_secs_f64()
    );
    let took = took(time, || {
        let arrived = |number: &usize| has(&arrived.join(number.to_string()), &contents[*number]);
        let count = (0..MANY).filter(arrived).count();
        format!("{count} of {MANY} after {} s", PATIENCE.as_secs())
    });
    Ok(row(
        "5,000 × 4 KiB → all in the other clone",
        "≤ 8 × cp -r",
        floor,
        took,
        holds,
    ))
}

fn rename(pair: &mut Pair) -> Result<Row> {
    wait_for_rest(pair)?;
    let count = |path: &Path| fs::read_dir(path).map_or(0, Iterator::count);
    let (old, new) = (pair.other.join("many"), pair.other.join("renamed"));
    let start = Instant::now();
    fs::rename(pair.laptop.join("many"), pair.laptop.join("renamed"))?;
    let time = wait(PATIENCE, || !old.exists() && count(&new) == MANY).map(|_| start.elapsed());
    let holds = time.map(|time| time <= Duration::from_secs(2));
    let took = took(time, || {
        format!("{} of {MANY} after {} s", count(&new), PATIENCE.as_secs())
    });
    Ok(row(
        "directory of 5,000 files renamed → in the other clone",
        "≤ 2 s",
        String::new(),
        took,
        holds,
    ))
}

fn start(pair: &mut Pair) -> Result<Row> {
    wait_for_rest(pair)?;
    pair.stop()?;
    let bytes = content(77, SMALL);
    let start = Instant::now();
    pair.start()?;
    fs::write(pair.laptop.join("after-start"), &bytes)?;
    let time = wait(PATIENCE, || has(&pair.other.join("after-start"), &bytes)).map(|_| start.elapsed());
    let holds = time.map(|time| time <= Duration::from_secs(1));
    let took = took(time, || "not at all".to_owned());
    Ok(row(
        "start on 5,000 files → first synced change",
        "≤ 1 s",
        String::new(),
        took,
        holds,
    ))
}

/// A file of 1 GiB, different for each number.
fn make_large(path: &Path, number: u64) -> Result<()> {
    let mut block = content(number, 1 << 20);
    let mut file = fs::File::create(path)?;
    for at in 0..LARGE >> 20 {
        block[..8].copy_from_slice(&at.to_le_bytes());
        file.write_all(&block)?;
    }
    Ok(file.sync_all()?)
}

/// Both this and its floor are the best of three: where memory was not used for a while, the first use of each page can
/// cost more than all the rest.
fn large(pair: &mut Pair) -> Result<Row> {
    let (source, copy) = (pair.home().join("large"), pair.home().join("large-copy"));
    make_large(&source, 5)?;
    let openssl = floor::best(|_| floor::time("openssl", &[Path::new("dgst"), Path::new("-sha256"), &source]))?;
    let cp = floor::best(|number| floor::time("cp", &[&source, &copy.with_extension(number.to_string())]))?;
    let mut time: Option<Duration> = None;
    for number in 0..if pair.is_ours() { 3 } else { 1 } {
        make_large(&source, number + 6)?;
        wait_for_rest(pair)?;
        nix::unistd::sync();
        let name = format!("large-{number}");
        let (left, arrived) = (pair.laptop.join(&name), pair.other.join(&name));
        let start = Instant::now();
        fs::rename(&source, &left)?;
        let here = wait(PATIENCE, || {
            fs::metadata(&arrived).is_ok_and(|meta| meta.len() == LARGE)
        });
        let Some(took) = here.map(|_| start.elapsed()) else {
            break;
        };
        println!("  {took:?}");
        floor::time("cmp", &[&left, &arrived]).context("the large file arrived damaged")?;
        time = Some(time.map_or(took, |best| best.min(took)));
    }
    let least = openssl + cp;
    let holds = time.map(|time| time.as_secs_f64() <= least.as_secs_f64() * 1.5);
    let ratio = time.map_or(0.0, |time| time.as_secs_f64() / least.as_secs_f64());
    let floor = format!(
        "openssl {:.2} s + cp {:.2} s ({ratio:.2} ×)",
        openssl.as_secs_f64(),
        cp.as_secs_f64()
    );
    let took = took(time, || "not at all".to_owned());
    Ok(row(
        "1 GiB → in the other clone",
        "≤ 1.5 × (openssl + cp)",
        floor,
        took,
        holds,
    ))
}

fn idle_minute(pair: &mut Pair) -> Result<Row> {
    wait_for_rest(pair)?;
    std::thread::sleep(Duration::from_secs(12));
    let refs = |folder: &Path| pair.output(folder, &["for-each-ref"]);
    let (before, refs_before) = (counts(pair)?, (refs(&pair.laptop)?, refs(&pair.other)?));
    std::thread::sleep(Duration::from_secs(60));
    let (after, refs_after) = (counts(pair)?, (refs(&pair.laptop)?, refs(&pair.other)?));
    let each = before
        .iter()
        .zip(&after)
        .map(|(before, after)| (after - before) as f64 / 60.0);
    let most = each.fold(0.0, f64::max);
    let holds = Some(most < 1.0 && refs_before == refs_after);
    let took = Took::Figure(most, "wakeups a second");
    let floor = if refs_before == refs_after {
        "no commit, no push"
    } else {
        "REFS MOVED"
    };
    Ok(row(
        "idle for a minute",
        "< 1 wakeup a second",
        floor.to_owned(),
        took,
        holds,
    ))
}

fn counts(pair: &Pair) -> Result<Vec<u64>> {
    pair.processes().into_iter().map(idle::wakeups).collect()
}

fn memory(pair: &mut Pair) -> Result<Row> {
    let memories: Result<Vec<f64>> = pair.processes().into_iter().map(idle::memory).collect();
    let most = memories?.into_iter().fold(0.0, f64::max);
    let holds = Some(most <= 60.0);
    Ok(row(
        "memory of one engine after all that",
        "≤ 60 MiB",
        String::new(),
        Took::Figure(most, "MiB"),
        holds,
    ))
}

/// How long `anabranch why` takes, as a whole program, while an engine looks at many files for the first time.
fn why(pair: &mut Pair) -> Result<Row> {
    let (name, must) = ("'why' while 100,000 files are first looked at, median", "≤ 50 ms");
    if !pair.is_ours() {
        return Ok(row(name, must, String::new(), Took::NotRun, None));
    }
    wait_for_rest(pair)?;
    pair.stop()?;
    let top = pair.laptop.join("first-look");
    for number in 0..FIRST_LOOK {
        let directory = top.join((number / 1000).to_string());
        if number % 1000 == 0 {
            fs::create_dir_all(&directory)?;
        }
        fs::write(directory.join(number.to_string()), number.to_string())?;
    }
    pair.start()?;
    let note = pair.laptop.join(".git/anabranch/engine");
    wait(PATIENCE, || note.exists()).context("the engine does not start")?;
    let mut times = Vec::new();
    let start = Instant::now();
    // As long as the first look and what follows from it take, and no longer than somebody has patience.
    while start.elapsed() < PATIENCE / 2 {
        let number = (times.len() * 997) % FIRST_LOOK;
        let took = pair.why(&top.join((number / 1000).to_string()).join(number.to_string()))?;
        times.push(took);
        if times.len() % 20 == 0 && pair.status(&pair.laptop)?.contains("\"state\": \"safe\"") {
            break;
        }
    }
    times.sort();
    let at = |part: usize| times[(times.len() * part / 100).min(times.len() - 1)].as_secs_f64() * 1000.0;
    let floor = format!("p95 {:.1} ms, {} asks", at(95), times.len());
    let holds = Some(at(50) <= 50.0 && at(95) <= 50.0);
    Ok(row(name, must, floor, Took::Figure(at(50), "ms"), holds))
}
