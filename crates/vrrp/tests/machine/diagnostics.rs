//! What an operator is told: once for its cause, in words.

use std::net::Ipv4Addr;
use std::time::Duration;

use vrrp::codec::{AddressList, ChecksumForm, DecodeError, MULTICAST_V4};
use vrrp::machine::{Config, ConfigError, Input, Machine, Member, SendForm, State};
use vrrp::{Family, Interval, Priority, Version};

use super::bench::{Bench, host, member, virtual_addresses};

fn active(priority: u8) -> Bench {
    Bench::active(Config::new(Priority(priority), member(51)))
}

#[test]
fn a_conflict_has_a_beginning_and_an_end_and_the_end_is_announced() {
    let mut bench = active(100);
    bench.hear(4000, 1, 90);
    assert_eq!(
        bench.text(),
        "(member 0: 10.0.0.1 is active too, with priority 90); send 0 100"
    );
    bench.hear(4100, 1, 90);
    assert_eq!(bench.text(), "");
    assert_eq!(
        bench.run(6100),
        "send 0 100; send 0 100; announce; \
         (member 0: no other router is active any more)"
    );
    bench.hear(6200, 1, 90);
    bench.hear(6300, 1, 0);
    assert!(
        bench
            .text()
            .starts_with("announce; (member 0: no other router")
    );
    assert_eq!(bench.machine.totals().conflicts, 2);
}

#[test]
fn a_router_that_does_not_hear_us_is_named_once() {
    let mut bench = active(100);
    let mut told = Vec::new();
    for tenth in 0..200 {
        let at = 4000 + tenth * 100;
        bench.run(at);
        bench.hear(at, 1, 90);
        if bench.text().contains("does not give way") {
            told.push(at);
        }
    }
    assert_eq!(told, [10_100]);
}

#[test]
fn a_second_owner_is_named() {
    let mut bench = Bench::new(255);
    bench.input(0, Input::Start);
    bench.hear(100, 1, 255);
    assert!(bench.text().contains("10.0.0.1 has priority 255 too"));
    assert_eq!(bench.state(), State::Active);
}

#[test]
fn a_list_that_differs_is_a_warning_and_nothing_more() {
    let mut bench = Bench::new(100);
    bench.input(0, Input::Start);
    bench.addresses = virtual_addresses(2);
    bench.hear(1000, 1, 150);
    assert_eq!(
        bench.text(),
        "(member 0: the peer advertises 2 addresses, this router 1, and they differ)"
    );
    bench.hear(2000, 1, 150);
    assert_eq!(bench.text(), "");
    assert_eq!(bench.state(), State::Backup);
    // The file here is edited, too. The other order is the same list.
    let mut config = Config::new(Priority(100), member(51));
    config.members[0].addresses = [Ipv4Addr::new(192, 0, 2, 11), Ipv4Addr::new(192, 0, 2, 10)]
        .into_iter()
        .collect();
    let mut actions = Vec::new();
    bench
        .machine
        .reconfigure(Duration::from_millis(2100), config, &mut actions)
        .unwrap();
    assert_eq!(actions, []);
    bench.hear(3000, 1, 150);
    assert_eq!(bench.text(), "");
}

#[test]
fn a_reload_changes_no_state_and_an_active_router_says_what_is_new() {
    let mut bench = active(100);
    let mut config = Config::new(Priority(100), member(51));
    bench.actions.clear();
    let at = Duration::from_millis(4000);
    bench
        .machine
        .reconfigure(at, config.clone(), &mut bench.actions)
        .unwrap();
    assert_eq!(bench.text(), "");
    config.members[0].addresses = virtual_addresses(3);
    config.members[0].interval = Interval::from_centiseconds(10).unwrap();
    bench
        .machine
        .reconfigure(at, config.clone(), &mut bench.actions)
        .unwrap();
    assert_eq!(bench.text(), "send 0 100; take");
    assert_eq!(bench.timer(), 4100);
    assert_eq!(
        bench
            .machine
            .advert(0, Priority(1))
            .unwrap()
            .addresses
            .len(),
        3
    );
    config.members[0] = member(52);
    assert_eq!(
        bench.machine.reconfigure(at, config, &mut bench.actions),
        Err(ConfigError::OtherRouters)
    );
}

#[test]
fn the_form_of_the_checksum_is_learned_unless_it_is_set() {
    let mut bench = Bench::new(100);
    bench.form = ChecksumForm::Message;
    bench.input(0, Input::Start);
    bench.hear(1000, 1, 150);
    assert_eq!(
        bench.text(),
        "(member 0: peers send the checksum message only; so do we)"
    );
    let mut buffer = [0; 64];
    let length = bench
        .machine
        .encode(0, Priority(100), MULTICAST_V4.into(), &mut buffer)
        .unwrap();
    let plain = bench
        .machine
        .advert(0, Priority(100))
        .unwrap()
        .encode(ChecksumForm::Message, host(5), MULTICAST_V4.into())
        .unwrap();
    assert_eq!(buffer[..length], plain);

    let mut config = Config::new(Priority(100), member(51));
    config.members[0].form = SendForm::Always(ChecksumForm::PseudoHeader);
    let mut bench = Bench::with(config);
    bench.form = ChecksumForm::Message;
    bench.input(0, Input::Start);
    bench.hear(1000, 1, 150);
    assert_eq!(
        bench.machine.checksum_form(0),
        Some(ChecksumForm::PseudoHeader)
    );
    assert_eq!(bench.machine.peer(0).unwrap().form, ChecksumForm::Message);
}

#[test]
fn counters_tell_what_became_of_messages() {
    let mut bench = Bench::new(100);
    bench.input(0, Input::Start);
    bench.hear(1000, 1, 150);
    bench.hear(2900, 1, 150);
    bench.hear(2900, 5, 150);
    let now = Duration::from_millis(3000);
    bench.machine.discard(now, 0, DecodeError::Password);
    let counters = bench.machine.counters(0).unwrap();
    assert_eq!(counters.received(), 3);
    assert_eq!(counters.peer_late, 1);
    let password = DecodeError::NAMES.iter().position(|n| *n == "password");
    assert_eq!(counters.discarded()[password.unwrap()], 1);
    assert_eq!(counters.last_discard, Some((DecodeError::Password, now)));
}

#[test]
fn settings_that_the_protocol_cannot_carry_are_refused() {
    let refused = |edit: &dyn Fn(&mut Config)| {
        let mut config = Config::new(Priority(100), member(51));
        edit(&mut config);
        Machine::new(config).unwrap_err().to_string()
    };
    assert_eq!(
        refused(&|c| c.priority = Priority(0)),
        "priority 0; a router has 1 to 255"
    );
    assert_eq!(refused(&|c| c.members.clear()), "no virtual router");
    assert_eq!(
        refused(&|c| c.members[0].addresses = AddressList::new(Family::V4)),
        "virtual router 51: no address; an advert of version 3 needs at least one"
    );
    assert_eq!(
        refused(&|c| {
            c.members[0].version = Version::V2;
            c.members[0].interval = Interval::from_centiseconds(10).unwrap();
        }),
        "virtual router 51: version 2 cannot carry an interval of 100 ms"
    );
    let source = "fe80::1".parse().unwrap();
    assert_eq!(
        refused(&|c| c.members[0] = Member {
            source,
            ..member(51)
        }),
        "virtual router 51: source, destination and virtual addresses are not of one family"
    );
    // More than a message holds is no mistake: the first ones are sent.
    let mut config = Config::new(Priority(100), member(51));
    config.members[0].addresses = (0..1000_u32).map(Ipv4Addr::from).collect();
    let machine = Machine::new(config).unwrap();
    assert_eq!(machine.advert(0, Priority(1)).unwrap().addresses.len(), 255);
}
