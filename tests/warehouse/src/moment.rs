//! Time as the core sees it: a number that it is told.

use std::fmt;
use std::ops::Add;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// A moment, in milliseconds since the Unix epoch, as both servers write it down.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Moment(pub u64);

impl Moment {
    /// What has passed since `earlier`; nothing if that is later, for clocks are set back.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, passed: Duration) -> Self {
        let millis = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(millis))
    }
}

/// As both servers write a time, in the zone that their manuals say they are in.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = i64::try_from(self.0).unwrap_or(i64::MAX);
        let time =
            DateTime::<Utc>::from_timestamp_millis(millis).unwrap_or(DateTime::<Utc>::MAX_UTC);
        let local = time.with_timezone(&chrono_tz::Asia::Shanghai);
        write!(f, "{}", local.format("%Y-%m-%d %H:%M:%S"))
    }
}
