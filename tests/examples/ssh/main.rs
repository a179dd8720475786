//! How fast content travels between two computers, beside rsync and git-annex: `cargo xtask bench ssh` runs it on the release build.
//!
//! The other computer is a real sshd on this one, reached directly, or through a relay that takes 15 ms each way and lets 100 Mbit
//! through in a second.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "it fails by panicking and tells the person at the terminal"
)]

mod relay;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use whole_system::clones::Actor;
use whole_system::sshd::{Login, Shell};
use whole_system::{Sandbox, Sshd, run};

const MANY: usize = 5_000;
const SMALL: usize = 4096;
/// git-annex takes minutes for more.
const FEW: usize = 500;
const LARGE: usize = 1 << 30;
/// How often each is measured; the median counts.
const TIMES: usize = 3;

/// A computer to exchange with, by one of the links.
struct Link {
    name: &'static str,
    /// How `ssh` knows the computer, and who serves there.
    host: &'static str,
    shell: Shell,
}

const LINKS: [Link; 3] = [
    Link {
        name: "loopback",
        host: "near",
        shell: Shell::Anabranch,
    },
    Link {
        name: "30 ms at 100 Mbit/s",
        host: "far",
        shell: Shell::Anabranch,
    },
    Link {
        name: "30 ms at 100 Mbit/s, git-annex there",
        host: "annex",
        shell: Shell::GitAnnex,
    },
];

fn main() {
    println!("| link | what | Anabranch | rsync -a | × rsync | must be | holds |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for link in &LINKS {
        let is_ours = link.shell == Shell::Anabranch;
        let (down, up) = if is_ours {
            (Some(1.5), Some(1.5))
        } else {
            (Some(2.0), None)
        };
        measure(link, &format!("{MANY} × 4 KiB"), MANY, SMALL, (up, down));
        if is_ours {
            measure(link, "1 GiB", 1, LARGE, (Some(1.1), Some(1.1)));
        } else {
            beside_git_annex(link);
        }
    }
}

/// A sandbox with the other computer of a link.
struct Scene {
    sandbox: Sandbox,
    sshd: Sshd,
    host: &'static str,
}

impl Scene {
    fn new(link: &Link) -> Self {
        let sandbox = Sandbox::new();
        let sshd = Sshd::start(&sandbox, "near", link.shell, Login::Everything, &[]);
        if link.host != "near" {
            sshd.introduce_as(&sandbox, link.host, relay::start(sshd.port()));
        }
        Self {
            sandbox,
            sshd,
            host: link.host,
        }
    }

    /// A folder with these files, added and not sent anywhere, and a repository there that is its remote.
    fn folder(&self, files: usize, size: usize) -> PathBuf {
        let folder = Actor::Anabranch.init(&self.sandbox, "folder");
        fill(&folder, files, size);
        Actor::Anabranch.sync(&self.sandbox, &folder);
        let there = self.sshd.home().join("there");
        run(self
            .sandbox
            .command("git")
            .args(["init", "--quiet", "--bare"])
            .arg(&there));
        run(self.sandbox.command("ssh").args([
            "near",
            &format!("git-annex-shell configlist '{}' -- autoinit=1 --", there.display()),
        ]));
        let address = self.address();
        run(&mut self.sandbox.git(&folder, ["remote", "add", "there", &address]));
        folder
    }

    fn address(&self) -> String {
        format!("ssh://{}{}", self.host, self.sshd.home().join("there").display())
    }

    /// How long rsync takes, there and back.
    fn rsync(&self, files: usize, size: usize) -> [Duration; 2] {
        let (plain, back) = (self.sandbox.path("plain"), self.sandbox.path("back"));
        fs::create_dir(&plain).unwrap();
        fill(&plain, files, size);
        let remote = format!("{}:{}/rsync", self.host, self.sshd.home().display());
        let from_to = |from: &str, to: &str| time(self.sandbox.command("rsync").args(["-a", "--whole-file", from, to]));
        let up = from_to(&format!("{}/", plain.display()), &remote);
        let down = from_to(&format!("{remote}/"), back.to_str().unwrap());
        [up, down]
    }

    /// How long Anabranch takes, there and into a clone.
    fn anabranch(&self, files: usize, size: usize) -> [Duration; 2] {
        let folder = self.folder(files, size);
        let up = time(self.sandbox.anabranch(["sync"]).arg(&folder));
        let clone = self.sandbox.path("clone");
        run(self.sandbox.anabranch(["clone", &self.address()]).arg(&clone));
        let down = time(self.sandbox.anabranch(["sync"]).arg(&clone));
        for number in [0, files - 1] {
            let name = format!("file {number}");
            assert!(fs::read(clone.join(&name)).unwrap() == fs::read(folder.join(&name)).unwrap());
        }
        [up, down]
    }
}

fn fill(folder: &Path, files: usize, size: usize) {
    for number in 0..files {
        fs::write(folder.join(format!("file {number}")), content(number as u64, size)).unwrap();
    }
    nix::unistd::sync();
}

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

fn time(command: &mut Command) -> Duration {
    let start = Instant::now();
    run(command);
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64()
}

fn measure(link: &Link, what: &str, files: usize, size: usize, must: (Option<f64>, Option<f64>)) {
    let mut all: [Vec<Duration>; 4] = Default::default();
    for _ in 0..TIMES {
        let scene = Scene::new(link);
        let times = scene.rsync(files, size).into_iter().chain(scene.anabranch(files, size));
        all.iter_mut().zip(times).for_each(|(all, time)| all.push(time));
    }
    let [rsync_up, rsync_down, up, down] = all.map(median);
    for (way, ours, rsync, must) in [("up", up, rsync_up, must.0), ("down", down, rsync_down, must.1)] {
        let ratio = ours / rsync;
        let (must, holds) = must.map_or_else(Default::default, |most| (format!("≤ {most}"), yes(ratio <= most)));
        println!(
            "| {} | {what} {way} | {ours:.2} s | {rsync:.2} s | {ratio:.2} | {must} | {holds} |",
            link.name
        );
    }
}

fn yes(holds: bool) -> String {
    if holds { "yes" } else { "NO" }.to_owned()
}

/// Sends files to a server of git-annex, by Anabranch and by git-annex itself.
fn beside_git_annex(link: &Link) {
    let scene = Scene::new(link);
    let folder = scene.folder(FEW, SMALL);
    let ours = time(scene.sandbox.anabranch(["sync"]).arg(&folder)).as_secs_f64();
    let scene = Scene::new(link);
    let folder = scene.folder(FEW, SMALL);
    let copy = ["annex", "copy", "--quiet", "--to=there", "-J4"];
    let theirs = time(&mut scene.sandbox.git(&folder, copy)).as_secs_f64();
    let ratio = theirs / ours;
    println!(
        "| {} | {FEW} × 4 KiB up | {ours:.2} s | git annex copy -J4: {theirs:.2} s | {ratio:.1} × faster | ≥ 8 × | {} |",
        link.name,
        yes(ratio >= 8.0)
    );
}
