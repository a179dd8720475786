//! A network between two computers: what goes through it comes later, and only so much in a second.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// Half of a round trip.
pub(super) const DELAY: Duration = Duration::from_millis(15);
/// Bytes in a second, each way: 100 Mbit.
pub(super) const RATE: f64 = 12_500_000.0;
/// How much is on the way at most: 64 blocks.
const BLOCK: usize = 16 << 10;
const BLOCKS: usize = 64;

/// Starts one in front of a port of this computer, and returns its own.
pub(super) fn start(to: u16) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for near in listener.incoming() {
            let near = near.unwrap();
            let far = TcpStream::connect((Ipv4Addr::LOCALHOST, to)).unwrap();
            for stream in [&near, &far] {
                stream.set_nodelay(true).unwrap();
            }
            pass(near.try_clone().unwrap(), far.try_clone().unwrap());
            pass(far, near);
        }
    });
    port
}

fn pass(mut from: TcpStream, to: TcpStream) {
    let (send, receive) = sync_channel(BLOCKS);
    thread::spawn(move || {
        let mut block = vec![0; BLOCK];
        while let Ok(length @ 1..) = from.read(&mut block) {
            if send.send((Instant::now(), block[..length].to_vec())).is_err() {
                break;
            }
        }
    });
    thread::spawn(move || deliver(&receive, to));
}

fn deliver(from: &Receiver<(Instant, Vec<u8>)>, mut to: TcpStream) {
    let mut free = Instant::now();
    for (sent, block) in from {
        // The line is busy with each block for as long as its bytes take.
        free = free.max(sent) + Duration::from_secs_f64(block.len() as f64 / RATE);
        thread::sleep((free + DELAY).saturating_duration_since(Instant::now()));
        if to.write_all(&block).is_err() {
            break;
        }
    }
    // The other end has gone already if this fails.
    let _ = to.shutdown(Shutdown::Write);
}
