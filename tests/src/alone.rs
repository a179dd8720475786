//! A test that hosts an engine itself, in a process of its own: what an engine takes from its environment is the sandbox's.

use std::path::PathBuf;

use crate::disk_services::DiskServices;
use crate::skip::{needs_root, or_skipped};
use crate::{Sandbox, programs};

/// Set in the process of the test itself.
const ALONE: &str = "ANABRANCH_TEST_ALONE";

/// Which services a test that mounts drives finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Services {
    /// udev, and UDisks2 on a system bus.
    UDisks2,
    /// udev alone: there is no system bus.
    None,
}

/// Runs `body` with a sandbox in a process of its own.
///
/// # Panics
///
/// When the body does, with all that it said.
pub fn alone(services: Services, body: impl FnOnce(&Sandbox)) {
    if std::env::var_os(ALONE).is_some() {
        return body(&Sandbox::new());
    }
    if !needs_root() {
        return;
    }
    let sandbox = Sandbox::new();
    // udev is started with the rest where the machine has none.
    let Some(started) = or_skipped("UDisks2", DiskServices::start(&sandbox)) else {
        return;
    };
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    let this = std::env::current_exe().expect("a running program has a path");
    let mut again = sandbox.command(this);
    again
        .args(["--exact", &test, "--nocapture", "--test-threads=1"])
        .env(ALONE, "1")
        .env("ANABRANCH_BINARY", programs::anabranch())
        .envs(programs::git_annex().map(|path| ("ANABRANCH_GIT_ANNEX", PathBuf::from(path))));
    if services == Services::UDisks2 {
        again.env("DBUS_SYSTEM_BUS_ADDRESS", started.bus());
    }
    let output = again.output().expect("this test can be started again");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success(), "{said}");
    eprint!("{said}");
}
