//! How often one address may do something. Pure but for the time that callers tell.
//!
//! For each address there is one moment: when all it did will be paid for, at the lasting rate (GCRA).
//! Addresses that have paid are forgotten, so what is held is bounded.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use tokio::time::Instant;

/// Addresses that are held apart; more at a time are counted as one.
const ADDRESSES_MAX: usize = 10_000;

pub(super) struct Rate {
    /// That one costs.
    cost: Duration,
    /// That may be owed.
    credit: Duration,
    paid_at: HashMap<IpAddr, Instant>,
    /// Of all that there is no room for.
    others_paid_at: Option<Instant>,
}

impl Rate {
    /// `times` within each `within`, and `burst` at once after a pause.
    pub(super) fn new(times: u32, within: Duration, burst: u32) -> Self {
        let cost = within / times.max(1);
        let credit = cost.saturating_mul(burst.max(1));
        Self { cost, credit, paid_at: HashMap::new(), others_paid_at: None }
    }

    /// # Errors
    /// It is too often; how long until it is not.
    pub(super) fn take(&mut self, of: IpAddr, now: Instant) -> Result<(), Duration> {
        let of = counted_as(of);
        if self.paid_at.len() >= ADDRESSES_MAX && !self.paid_at.contains_key(&of) {
            self.paid_at.retain(|_, paid_at| *paid_at > now);
        }
        let has_room = self.paid_at.len() < ADDRESSES_MAX || self.paid_at.contains_key(&of);
        let before = if has_room { self.paid_at.get(&of).copied() } else { self.others_paid_at };
        let paid_at = before.map_or(now, |paid_at| paid_at.max(now)) + self.cost;
        let owed = paid_at.duration_since(now);
        if owed > self.credit {
            return Err(owed.saturating_sub(self.credit));
        }
        if has_room {
            self.paid_at.insert(of, paid_at);
        } else {
            self.others_paid_at = Some(paid_at);
        }
        Ok(())
    }
}

/// A network of IPv6 is one client's, who has all its addresses to choose from.
fn counted_as(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let network = address.to_bits() & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn address(n: u32) -> IpAddr {
        IpAddr::V4(n.into())
    }

    #[test]
    fn after_a_burst_an_address_goes_on_at_the_lasting_rate() {
        let (mut rate, now) = (Rate::new(10, SECOND, 5), Instant::now());
        for _ in 0..5 {
            rate.take(address(1), now).unwrap();
        }
        let wait = rate.take(address(1), now).unwrap_err();
        assert_eq!(wait, SECOND / 10);
        rate.take(address(1), now + wait).unwrap();
        assert!(rate.take(address(1), now + wait).is_err());
        rate.take(address(2), now).unwrap();
        for _ in 0..5 {
            rate.take(address(1), now + 10 * SECOND).unwrap();
        }
        assert!(rate.take(address(1), now + 10 * SECOND).is_err(), "a pause saves up one burst");
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_client() {
        let (mut rate, now) = (Rate::new(1, SECOND, 1), Instant::now());
        rate.take("2001:db8:1:2::1".parse().unwrap(), now).unwrap();
        assert!(rate.take("2001:db8:1:2:ffff::9".parse().unwrap(), now).is_err());
        rate.take("2001:db8:1:3::1".parse().unwrap(), now).unwrap();
        rate.take("::ffff:10.0.0.1".parse().unwrap(), now).unwrap();
        assert!(rate.take("10.0.0.1".parse().unwrap(), now).is_err());
    }

    #[test]
    fn no_number_of_addresses_fills_the_memory_and_those_that_paid_are_forgotten() {
        let (mut rate, now) = (Rate::new(1, SECOND, 2), Instant::now());
        for n in 0..20_000 {
            let _ = rate.take(address(n), now);
        }
        assert_eq!(rate.paid_at.len(), ADDRESSES_MAX);
        assert!(rate.take(address(20_001), now).is_err(), "the rest share one allowance");
        assert!(rate.take(address(1), now).is_ok(), "and take nothing from those that were there");
        rate.take(address(20_001), now + 10 * SECOND).unwrap();
        assert_eq!(rate.paid_at.len(), 1);
    }
}
