//! In a network of the test's own, which only root can make.

use std::process::Command;
use std::time::Duration;

use super::*;

/// Runs `ip` with these words.
fn ip(words: &str) {
    let done = Command::new("ip").args(words.split(' ')).status().unwrap();
    assert!(done.success(), "ip {words}");
}

async fn changed(network: &mut watch::Receiver<Arc<Network>>) -> bool {
    tokio::time::timeout(Duration::from_secs(2), network.changed())
        .await
        .is_ok()
}

#[tokio::test]
async fn addresses_and_default_routes_are_noticed_and_nothing_else() {
    if !rustix::process::geteuid().is_root() {
        return crate::skipped::lacks("root", "only root can make a network of its own");
    }
    // Only this thread, and those that it starts, are in the new one.
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
    ip("link set lo up");
    ip("link add one type veth peer two");
    ip("link set one up");
    ip("link set two up");
    let mut network = watch_network().unwrap();
    let ours = "192.0.2.7".parse().unwrap();
    assert!(network.borrow().lacks(ours) && !network.borrow().lacks("127.0.0.1".parse().unwrap()));
    for matters in [
        "addr add 192.0.2.7/24 dev one",
        "route add default via 192.0.2.1",
        "route del default via 192.0.2.1",
        "addr add 2001:db8::7/64 dev one nodad",
        "addr del 2001:db8::7/64 dev one",
    ] {
        ip(matters);
        assert!(changed(&mut network).await, "{matters}");
        network.borrow_and_update();
    }
    assert!(!network.borrow().lacks(ours) && !network.borrow().lacks("::ffff:192.0.2.7".parse().unwrap()));
    for idle in [
        "addr add 127.0.0.5/8 dev lo",
        "addr add 169.254.3.4/16 dev one",
        "addr change 192.0.2.7/24 dev one valid_lft 1000 preferred_lft 1000",
        "route add 198.51.100.0/24 via 192.0.2.1",
        "link add three type veth peer four",
    ] {
        ip(idle);
    }
    assert!(!changed(&mut network).await, "{:?}", network.borrow());
    // Many steps at once are one change.
    for number in 10..40 {
        ip(&format!("addr add 192.0.2.{number}/24 dev one"));
    }
    assert!(changed(&mut network).await);
    assert_eq!(network.borrow_and_update().addresses.len(), 31);
    assert!(!changed(&mut network).await);
}
