//! Noticing `sync` and `syncfs`.
//!
//! The kernel tells a FUSE file system of `fsync`, but not of these: it only writes out its own pages. So the system calls
//! of the programs themselves are watched, by seccomp's user notification: the kernel holds a call, tells of it, and lets it
//! go on when the disk has made everything durable. Nothing of the programs under test knows of it.
//!
//! In the same way a program that asks which file system it is on is told one whose rules the disk follows.

#![allow(unsafe_code, reason = "seccomp is not in any of our crates")]

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

use nix::errno::Errno;
use nix::libc;

use super::survive::Rules;

/// `_IOWR('!', 0, struct seccomp_notif)` and `_IOWR('!', 1, struct seccomp_notif_resp)`.
const RECEIVE: libc::Ioctl = 0xc050_2100u32 as libc::Ioctl;
const ANSWER: libc::Ioctl = 0xc018_2101u32 as libc::Ioctl;

/// How long a path that a program names may be.
const PATH: usize = 4096;

/// Runs `work` on a thread whose system calls, and those of all programs that it starts, are watched.
///
/// `synced` is called whenever they sync the file system mounted at `top`, before the call ends.
pub(super) fn watched<T: Send>(
    top: &Path,
    rules: Rules,
    synced: &dyn Fn(),
    work: impl FnOnce() -> T + Send,
) -> Result<T, String> {
    let (send, receive) = mpsc::channel();
    thread::scope(|scope| {
        let worker = scope.spawn(move || {
            let listener = listen();
            let may_work = listener.is_ok();
            // The other end waits for this.
            let _ = send.send(listener);
            may_work.then(work)
        });
        let listener = receive.recv().expect("the thread sends before it ends");
        let listener = listener.map_err(|error| format!("seccomp: {error}"))?;
        serve(&listener, top, rules, synced).map_err(|error| format!("seccomp: {error}"))?;
        match worker.join() {
            Ok(done) => Ok(done.expect("it could listen")),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Has the calls of this thread watched from now on; where they are told.
fn listen() -> io::Result<OwnedFd> {
    let statement = |code: u32, value: u32| libc::sock_filter {
        code: code as u16,
        jt: 0,
        jf: 0,
        k: value,
    };
    let if_is = |call: libc::c_long, skip: u8| libc::sock_filter {
        code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16,
        jt: skip,
        jf: 0,
        k: u32::try_from(call).expect("a system call has a small number"),
    };
    let mut program = [
        // The number of the system call is the first thing that a filter sees.
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0),
        if_is(libc::SYS_syncfs, 3),
        if_is(libc::SYS_sync, 2),
        if_is(libc::SYS_statfs, 1),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_USER_NOTIF),
    ];
    let filter = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: both calls only read what they are given, which lives until they return; the descriptor is a new one.
    unsafe {
        Errno::result(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))?;
        let listener = Errno::result(libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
            &raw const filter,
        ))?;
        Ok(OwnedFd::from_raw_fd(listener as i32))
    }
}

/// Answers until the thread and all that it started have ended.
fn serve(listener: &OwnedFd, top: &Path, rules: Rules, synced: &dyn Fn()) -> io::Result<()> {
    loop {
        let mut waiting = libc::pollfd {
            fd: listener.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one descriptor that is open.
        match Errno::result(unsafe { libc::poll(&raw mut waiting, 1, -1) }) {
            Ok(_) => {}
            Err(Errno::EINTR) => continue,
            Err(errno) => return Err(errno.into()),
        }
        if waiting.revents & libc::POLLIN == 0 {
            return Ok(());
        }
        // SAFETY: all zeros is what the kernel wants to find there.
        let mut call: libc::seccomp_notif = unsafe { std::mem::zeroed() };
        // SAFETY: the kernel writes one such structure.
        match Errno::result(unsafe { libc::ioctl(listener.as_raw_fd(), RECEIVE, &raw mut call) }) {
            Ok(_) => {}
            // It was killed meanwhile.
            Err(Errno::ENOENT | Errno::EINTR) => continue,
            Err(errno) => return Err(errno.into()),
        }
        let mut answer = libc::seccomp_notif_resp {
            id: call.id,
            val: 0,
            error: 0,
            flags: libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32,
        };
        let process = PathBuf::from(format!("/proc/{}", call.pid));
        match libc::c_long::from(call.data.nr) {
            libc::SYS_sync => synced(),
            libc::SYS_syncfs => {
                let file = process.join(format!("fd/{}", call.data.args[0]));
                if std::fs::read_link(file).is_ok_and(|path| path.starts_with(top)) {
                    synced();
                }
            }
            // On btrfs or an unknown file system a program must sync each name: there is nothing to pretend.
            _ if rules == Rules::Journal => {
                if let Some(done) = tell_ext4(&process, &call.data.args, top) {
                    done?;
                    answer.flags = 0;
                }
            }
            _ => {}
        }
        // SAFETY: the kernel reads one such structure.
        match Errno::result(unsafe { libc::ioctl(listener.as_raw_fd(), ANSWER, &raw mut answer) }) {
            Ok(_) | Err(Errno::ENOENT) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Answers `statfs` of a path below `top` as ext4 would; none of another path.
fn tell_ext4(process: &Path, arguments: &[u64; 6], top: &Path) -> Option<io::Result<()>> {
    let memory = File::options().read(true).write(true).open(process.join("mem")).ok()?;
    let mut path = vec![0; PATH];
    let filled = memory.read_at(&mut path, arguments[0]).ok()?;
    path.truncate(path[..filled].iter().position(|byte| *byte == 0)?);
    let path = Path::new(std::ffi::OsStr::from_bytes(&path));
    if !path.starts_with(top) {
        return None;
    }
    let name = std::ffi::CString::new(path.as_os_str().as_bytes()).ok()?;
    // SAFETY: all zeros is a valid value of it, and the kernel writes one such structure.
    let mut found: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: a string that ends with zero, and room for the answer.
    if unsafe { libc::statfs(name.as_ptr(), &raw mut found) } != 0 {
        return None;
    }
    found.f_type = libc::EXT4_SUPER_MAGIC;
    // SAFETY: a plain structure of the C library, seen as its bytes.
    let bytes = unsafe { std::slice::from_raw_parts((&raw const found).cast::<u8>(), size_of::<libc::statfs>()) };
    Some(memory.write_all_at(bytes, arguments[1]))
}
