//! Whether the other end of a login is still there.

use std::fs;
use std::os::unix::net::UnixStream;

/// True if the other computer has closed the connection of the program that started a helper. The program itself does not
/// notice while it waits for an answer.
pub(super) fn has_lost_its_peer(helper: &UnixStream) -> bool {
    let parent = || {
        let helper = rustix::net::sockopt::socket_peercred(helper).ok()?.pid;
        let stat = fs::read_to_string(format!("/proc/{}/stat", helper.as_raw_nonzero())).ok()?;
        // The name before may hold anything (proc(5)).
        let (_, after) = stat.rsplit_once(')')?;
        after.split_whitespace().nth(1)?.parse::<u32>().ok()
    };
    parent().is_some_and(|program| {
        let sockets: Vec<String> = sockets(program).collect();
        let tables = ["tcp", "tcp6"].map(|table| format!("/proc/{program}/net/{table}"));
        let tables = tables.iter().filter_map(|table| fs::read_to_string(table).ok());
        tables
            .flat_map(|table| closed(&table))
            .any(|inode| sockets.contains(&inode))
    })
}

/// The inodes of the sockets that a process has open.
fn sockets(process: u32) -> impl Iterator<Item = String> {
    let open = fs::read_dir(format!("/proc/{process}/fd"))
        .into_iter()
        .flatten()
        .flatten();
    open.filter_map(|entry| {
        let target = fs::read_link(entry.path()).ok()?;
        Some(target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
    })
}

/// The inodes of the sockets in a table of the kernel (proc(5), `/proc/net/tcp`) that the other end has closed.
fn closed(table: &str) -> Vec<String> {
    /// `TCP_CLOSE_WAIT`.
    const CLOSED: &str = "08";
    let inode = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let is_closed = *fields.get(3)? == CLOSED;
        is_closed.then(|| fields.get(9).map(|&inode| inode.to_owned()))?
    };
    table.lines().skip(1).filter_map(inode).collect()
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_connection_that_the_other_end_has_closed_is_seen() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (theirs, _) = listener.accept().unwrap();
        let inode = fs::metadata(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&ours)));
        let inode = std::os::unix::fs::MetadataExt::ino(&inode.unwrap()).to_string();
        let is_closed = || closed(&fs::read_to_string("/proc/self/net/tcp").unwrap()).contains(&inode);
        assert!(sockets(std::process::id()).any(|open| open == inode) && !is_closed());
        drop(theirs);
        while !is_closed() {
            std::thread::yield_now();
        }
    }
}
