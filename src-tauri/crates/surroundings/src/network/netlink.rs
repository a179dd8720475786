//! Addresses and routes, as rtnetlink(7) tells them.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send, socket_with};

/// `RTMGRP_IPV4_IFADDR`, `RTMGRP_IPV4_ROUTE`, `RTMGRP_IPV6_IFADDR` and `RTMGRP_IPV6_ROUTE`.
const GROUPS: u32 = 0x10 | 0x40 | 0x100 | 0x400;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;
const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
/// `NLM_F_REQUEST` and `NLM_F_DUMP`.
const DUMP: u16 = 0x01 | 0x300;

const HEADER: usize = 16;
/// The length of `struct ifaddrmsg`, and of `struct rtmsg`.
const OF_ADDRESS: usize = 8;
const OF_ROUTE: usize = 12;

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
/// `IFA_F_DADFAILED` and `IFA_F_TENTATIVE`: nothing can be sent from it, perhaps not yet.
const UNUSABLE: u8 = 0x08 | 0x40;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTN_UNICAST: u8 = 1;

/// A way out of the networks that this computer is in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Route {
    interface: Option<u32>,
    gateway: Option<IpAddr>,
    priority: Option<u32>,
}

/// A socket that is readable when an address or a route may have changed.
pub(super) fn listen() -> io::Result<OwnedFd> {
    let socket = open(SocketFlags::NONBLOCK)?;
    bind(&socket, &SocketAddrNetlink::new(0, GROUPS))?;
    Ok(socket)
}

/// Reads what the kernel has reported, and forgets it.
pub(super) fn discard(socket: &OwnedFd) -> io::Result<()> {
    let mut buffer = [0; 8 << 10];
    loop {
        match recv(socket, &mut buffer, RecvFlags::empty()) {
            // More was reported than there was room for.
            Ok(_) | Err(Errno::INTR | Errno::NOBUFS) => {}
            Err(Errno::AGAIN) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// All addresses of this computer that can be used.
pub(super) fn addresses() -> io::Result<BTreeSet<IpAddr>> {
    let mut found = BTreeSet::new();
    ask(RTM_GETADDR, |message| found.extend(address(message)))?;
    Ok(found)
}

/// All default routes.
pub(super) fn default_routes() -> io::Result<BTreeSet<Route>> {
    let mut found = BTreeSet::new();
    ask(RTM_GETROUTE, |message| found.extend(default_route(message)))?;
    Ok(found)
}

fn open(flags: SocketFlags) -> io::Result<OwnedFd> {
    let flags = flags | SocketFlags::CLOEXEC;
    // The protocol that is left out is `NETLINK_ROUTE`, the first.
    Ok(socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?)
}

/// A message of the kernel.
struct Message<'a> {
    kind: u16,
    body: &'a [u8],
}

/// Has everything of a kind listed.
fn ask(what: u16, mut take: impl FnMut(&Message<'_>)) -> io::Result<()> {
    let socket = open(SocketFlags::empty())?;
    let mut request = Vec::new();
    request.extend_from_slice(&((HEADER + OF_ROUTE) as u32).to_ne_bytes());
    request.extend_from_slice(&what.to_ne_bytes());
    request.extend_from_slice(&DUMP.to_ne_bytes());
    request.resize(HEADER + OF_ROUTE, 0);
    send(&socket, &request, SendFlags::empty())?;
    let mut buffer = vec![0; 64 << 10];
    loop {
        let (length, _) = match recv(&socket, &mut buffer, RecvFlags::empty()) {
            Err(Errno::INTR) => continue,
            received => received?,
        };
        let mut rest = &buffer[..length];
        while let Some((message, after)) = next_message(rest) {
            match message.kind {
                NLMSG_DONE => return Ok(()),
                NLMSG_ERROR => return Err(io::ErrorKind::InvalidData.into()),
                _ => take(&message),
            }
            rest = after;
        }
    }
}

fn next_message(bytes: &[u8]) -> Option<(Message<'_>, &[u8])> {
    let length = number(bytes.get(..4)?)? as usize;
    let message = Message {
        kind: u16::from_ne_bytes(bytes.get(4..6)?.try_into().ok()?),
        body: bytes.get(HEADER..length)?,
    };
    Some((message, bytes.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

/// The value of the first attribute of this kind.
fn attribute(mut bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let length = usize::from(u16::from_ne_bytes(bytes.get(..2)?.try_into().ok()?));
        let kind = u16::from_ne_bytes(bytes.get(2..4)?.try_into().ok()?);
        let value = bytes.get(4..length)?;
        if kind == wanted {
            return Some(value);
        }
        bytes = bytes.get(length.next_multiple_of(4)..)?;
    }
}

fn number(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

fn address(message: &Message<'_>) -> Option<IpAddr> {
    let (header, attributes) = message.body.split_at_checked(OF_ADDRESS)?;
    if message.kind != RTM_NEWADDR || header[2] & UNUSABLE != 0 {
        return None;
    }
    // Where both are named, the other is the peer's.
    ip(attribute(attributes, IFA_LOCAL).or_else(|| attribute(attributes, IFA_ADDRESS))?)
}

fn default_route(message: &Message<'_>) -> Option<Route> {
    let (header, attributes) = message.body.split_at_checked(OF_ROUTE)?;
    let (is_default, kind) = (header[1] == 0, header[7]);
    if message.kind != RTM_NEWROUTE || !is_default || kind != RTN_UNICAST {
        return None;
    }
    let named = |what| attribute(attributes, what);
    Some(Route {
        interface: named(RTA_OIF).and_then(number),
        gateway: named(RTA_GATEWAY).and_then(ip),
        priority: named(RTA_PRIORITY).and_then(number),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_that_are_cut_off_or_false_are_left_out() {
        let whole: Vec<u8> = [&24_u32.to_ne_bytes()[..], &RTM_NEWADDR.to_ne_bytes(), &[0; 18]].concat();
        assert!(next_message(&whole).is_some());
        for length in 0..whole.len() {
            assert!(next_message(&whole[..length]).is_none(), "{length}");
        }
        for length in 0..HEADER as u32 {
            let mut false_length = whole.clone();
            false_length[..4].copy_from_slice(&length.to_ne_bytes());
            assert!(next_message(&false_length).is_none(), "{length}");
        }
        for attributes in [&[0, 0, 0, 0][..], &[3, 0, 1, 0], &[9, 0, 1, 0, 1, 2, 3, 4], &[4]] {
            assert!(attribute(attributes, IFA_ADDRESS).is_none(), "{attributes:?}");
        }
    }
}
