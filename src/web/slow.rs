//! Slows down whoever tries tokens.
//!
//! An address without tries left is turned away without a look at its token, so that a guess cannot
//! be right. All together have tries, too, for those who come from many addresses; an address that had
//! the right token before does not need these. A session of a browser needs none of them.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Wrong tokens of one address in a row, and the time for one more.
const EACH: (u32, Duration) = (10, Duration::from_secs(5));
/// The same of all addresses together.
const ALL: (u32, Duration) = (200, Duration::from_millis(200));
/// The most addresses that are remembered; the one that tried longest ago goes.
const ADDRESSES: usize = 4096;

/// Wrong tokens so far.
#[derive(Debug)]
pub(super) struct Slow {
    all: Tries,
    each: HashMap<IpAddr, Address>,
}

#[derive(Debug)]
struct Address {
    tries: Tries,
    had_the_right_one: bool,
}

/// Tries that are left, and come back with time.
#[derive(Debug)]
struct Tries {
    left: u32,
    at: Instant,
    of: (u32, Duration),
}

impl Tries {
    const fn new(of: (u32, Duration), now: Instant) -> Self {
        Self {
            left: of.0,
            at: now,
            of,
        }
    }

    /// How long to wait for the next try; `None` if there is one now.
    fn wait(&mut self, now: Instant) -> Option<Duration> {
        let passed = now.saturating_duration_since(self.at);
        let more = passed.as_millis() / self.of.1.as_millis();
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        if more > 0 {
            self.left = self.left.saturating_add(more).min(self.of.0);
            // What is left of the time counts for the next one.
            self.at = now.checked_sub(remainder(passed, self.of.1)).unwrap_or(now);
        }
        let waited = now.saturating_duration_since(self.at);
        (self.left == 0).then(|| self.of.1.saturating_sub(waited))
    }
}

fn remainder(passed: Duration, period: Duration) -> Duration {
    let rest = passed.as_millis() % period.as_millis();
    Duration::from_millis(u64::try_from(rest).unwrap_or_default())
}

impl Slow {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            all: Tries::new(ALL, now),
            each: HashMap::new(),
        }
    }

    /// How long this address has to wait until its token is looked at; `None` if it is now.
    pub(super) fn wait(&mut self, from: IpAddr, now: Instant) -> Option<Duration> {
        let all = self.all.wait(now);
        match self.each.get_mut(&network(from)) {
            Some(known) if known.had_the_right_one => known.tries.wait(now),
            Some(known) => known.tries.wait(now).max(all),
            None => all,
        }
    }

    /// Its token was right or wrong.
    pub(super) fn note(&mut self, from: IpAddr, right: bool, now: Instant) {
        let from = network(from);
        if !self.each.contains_key(&from) && self.each.len() >= ADDRESSES {
            let oldest = self.each.iter().min_by_key(|(_, known)| known.tries.at);
            if let Some(oldest) = oldest.map(|(address, _)| *address) {
                self.each.remove(&oldest);
            }
        }
        let known = self.each.entry(from).or_insert_with(|| Address {
            tries: Tries::new(EACH, now),
            had_the_right_one: false,
        });
        if right {
            known.had_the_right_one = true;
            return;
        }
        known.tries.left = known.tries.left.saturating_sub(1);
        self.all.left = self.all.left.saturating_sub(1);
    }
}

/// One machine often has all addresses of a /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> IpAddr {
        IpAddr::from(number.to_be_bytes())
    }

    #[test]
    fn one_address_has_few_tries_and_gets_more_with_time() {
        let mut now = Instant::now();
        let mut slow = Slow::new(now);
        let mut looked_at = 0;
        // Ten thousand, ten milliseconds apart.
        for _ in 0..10_000 {
            now += Duration::from_millis(10);
            if slow.wait(address(1), now).is_none() {
                looked_at += 1;
                slow.note(address(1), false, now);
            }
        }
        // The first came after ten milliseconds, so that the last of 20 more is still to come.
        assert_eq!(looked_at, 10 + 19);
        assert_eq!(
            slow.wait(address(2), now),
            None,
            "another one is not slowed down"
        );
        let wait = slow.wait(address(1), now).unwrap();
        assert!(wait <= EACH.1, "{wait:?}");
        assert_eq!(slow.wait(address(1), now + wait), None);
    }

    #[test]
    fn many_addresses_slow_each_other_down_but_not_one_that_knew_the_token() {
        let now = Instant::now();
        let mut slow = Slow::new(now);
        slow.note(address(1), true, now);
        for number in 2..2 + ALL.0 {
            assert_eq!(slow.wait(address(number), now), None);
            slow.note(address(number), false, now);
        }
        assert_eq!(slow.wait(address(9999), now), Some(ALL.1));
        assert_eq!(slow.wait(address(1), now), None);
    }

    #[test]
    fn the_addresses_of_one_network_count_as_one_and_there_is_a_bound() {
        let now = Instant::now();
        let mut slow = Slow::new(now);
        for host in 0..u16::try_from(EACH.0).unwrap() {
            let from = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, host);
            slow.note(from.into(), false, now);
        }
        let other = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 9, 9, 9, 9);
        assert!(slow.wait(other.into(), now).is_some());
        for number in 0..10_000 {
            slow.note(address(number), false, now);
        }
        assert_eq!(slow.each.len(), ADDRESSES);
    }
}
