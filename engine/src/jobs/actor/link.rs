//! What is told of the connection to the source: that it broke, and that events come again.

use std::time::Duration;

use crate::meters::LinkNow;

/// A connection that has held for so long is back. One that breaks again and again is told of once.
/// Longer than a new one may be silent before it is taken for dead, with heartbeats of a second.
const STEADY_AFTER: Duration = Duration::from_secs(15);

/// What was told last.
#[derive(Debug, Default)]
pub(super) struct LinkTold {
    losses: u64,
    /// A loss that was told, and that events come again not yet.
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    address: String,
    since_ms: i64,
    /// Of losses, with this one.
    number: u64,
}

impl LinkTold {
    /// What there is to tell now, if anything. Pure.
    pub(super) fn news(&mut self, now: &LinkNow, now_ms: i64) -> Option<String> {
        let loss = now.loss.as_ref()?;
        let before = std::mem::replace(&mut self.losses, now.losses);
        let is_new = now.losses > before;
        let Some(open) = &self.open else {
            if !is_new {
                return None;
            }
            let (address, since_ms) = (loss.address.clone(), loss.since_ms);
            self.open = Some(Open { address, since_ms, number: before + 1 });
            return Some(format!(
                "the connection to the source at {} broke: {}. It is made again, to go on from {}",
                loss.address, loss.cause, loss.position
            ));
        };
        let up_since_ms = now.up_since_ms?;
        if now_ms.saturating_sub(up_since_ms) < as_ms(STEADY_AFTER) {
            return None;
        }
        let down = u64::try_from(up_since_ms - open.since_ms).unwrap_or(0);
        // Milliseconds say nothing of an outage of minutes.
        let down = if down < 1000 { down } else { down / 1000 * 1000 };
        let down = humantime::format_duration(Duration::from_millis(down));
        let again = match now.losses - open.number {
            0 => String::new(),
            1 => "; it broke once more meanwhile".to_owned(),
            times => format!("; it broke {times} times more meanwhile"),
        };
        let (lost, here) = (&open.address, &now.address);
        let text = if here == lost {
            format!("events of the source at {here} come again, after {down}{again}")
        } else {
            format!(
                "events of the source come from {here} now, not from {lost}, after {down}{again}"
            )
        };
        self.open = None;
        Some(text)
    }
}

fn as_ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meters::Loss;

    fn now(losses: u64, since_ms: i64, up_since_ms: Option<i64>) -> LinkNow {
        let text = |text: &str| text.to_owned();
        let loss = Loss {
            address: text("db:3306"),
            since_ms,
            cause: text("gone"),
            error: text("refused"),
            tries: 3,
            position: text("b.000001:4"),
            is_over: up_since_ms.is_some(),
        };
        LinkNow { up_since_ms, address: text("db:3306"), losses, loss: Some(loss) }
    }

    const BROKE: &str = "the connection to the source at db:3306 broke: gone. It is made again, to go \
                         on from b.000001:4";

    #[test]
    fn a_loss_is_told_once_and_its_end_once_it_has_lasted() {
        let mut told = LinkTold::default();
        assert_eq!(told.news(&LinkNow::default(), 0), None);
        assert_eq!(told.news(&now(1, 1000, None), 2000).as_deref(), Some(BROKE));
        assert_eq!(told.news(&now(1, 1000, None), 4000), None);
        assert_eq!(told.news(&now(1, 1000, Some(62_700)), 63_000), None);
        let back = told.news(&now(1, 1000, Some(62_700)), 78_000);
        let text = "events of the source at db:3306 come again, after 1m 1s";
        assert_eq!(back.as_deref(), Some(text));
        assert_eq!(told.news(&now(1, 1000, Some(62_700)), 80_000), None);
        assert_eq!(told.news(&now(2, 80_000, None), 80_000).as_deref(), Some(BROKE));
    }

    #[test]
    fn a_source_that_another_server_took_over_is_told_with_both() {
        let mut told = LinkTold::default();
        assert_eq!(told.news(&now(1, 1000, None), 2000).as_deref(), Some(BROKE));
        let back = LinkNow { address: "other:3306".to_owned(), ..now(1, 1000, Some(9000)) };
        let text = "events of the source come from other:3306 now, not from db:3306, after 8s";
        assert_eq!(told.news(&back, 24_000).as_deref(), Some(text));
    }

    #[test]
    fn a_connection_that_breaks_again_and_again_is_one_loss_until_it_holds() {
        let mut told = LinkTold::default();
        // Over before anybody looked.
        assert_eq!(told.news(&now(1, 1000, Some(1200)), 2000).as_deref(), Some(BROKE));
        assert_eq!(told.news(&now(4, 3900, Some(4000)), 4000), None);
        assert_eq!(told.news(&now(5, 5000, None), 20_000), None);
        let back = told.news(&now(5, 5000, Some(21_000)), 36_000);
        let text = "events of the source at db:3306 come again, after 20s; it broke 4 times more meanwhile";
        assert_eq!(back.as_deref(), Some(text));
    }
}
