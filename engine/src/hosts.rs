//! Which server of the source a job reads, and when it tries the next.
//!
//! A run reads one server, for its binlog and for its tables alike. What keeps it from doing so is no
//! failure of the job where another server may serve: the run starts again, from the newest
//! checkpoint, on the next host of the list. The restart strategy has no part in that. Each host is
//! verified when its binlog is asked for ([`binlog::reader::Reader::open`]); here is only the order.

use std::time::Duration;

use binlog::backoff::Backoff;
use binlog::reader::BinlogError;
use binlog::server::RECONNECTS_MIN;
use job::Host;
use tracing::warn;

use crate::error::{EngineError, chain};
use crate::source::SourceError;

/// Where there is another host, one that cannot be reached for so long is left.
pub const UNREACHABLE_AFTER: Duration = Duration::from_secs(3);
/// A run this long has found its server.
const STEADY_AFTER: Duration = Duration::from_secs(10);

/// The hosts of a job, and how those fared that were tried.
#[derive(Debug)]
pub struct Hosts {
    /// Never empty.
    list: Vec<Host>,
    current: usize,
    /// The attempt under way has its source open.
    is_open: bool,
    /// An attempt of this process had.
    was_open: bool,
    /// Attempts in a row that could not reach the current host, and since when.
    tries: Backoff,
    tried_since: Option<Duration>,
    round: Round,
    /// Between rounds, and after runs that lasted for a moment only.
    waits: Backoff,
}

/// Once through the list.
#[derive(Debug, Default)]
struct Round {
    left: usize,
    /// What says most about how it ends, the first of its kind.
    told: Option<(Fault, EngineError)>,
}

/// What a failure comes to.
#[derive(Debug)]
pub enum Next {
    /// Another attempt after this wait, on [`Hosts::current`]. The job has not failed.
    Again(Duration),
    /// No host of the list helps: the restart strategy decides, or a person.
    Failed(EngineError),
}

/// What an error says of the server, by how much it says about a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    /// Nothing, or nothing that another server would do better.
    None,
    /// Its address leads to another one now.
    Moved,
    /// The connection failed.
    Connection,
    /// It was asked again and again already.
    GivenUp,
    /// The job can never go on there.
    Unfit,
    /// It lacks what is applied, for now.
    Behind,
}

impl Hosts {
    pub fn new(list: Vec<Host>) -> Self {
        Self {
            list,
            current: 0,
            is_open: false,
            was_open: false,
            tries: Backoff::default(),
            tried_since: None,
            round: Round::default(),
            waits: Backoff::default(),
        }
    }

    /// The one to read; `None` for an empty list.
    pub fn current(&self) -> Option<&Host> {
        self.list.get(self.current)
    }

    /// The source is open on the current host.
    pub fn opened(&mut self) {
        (self.is_open, self.was_open) = (true, true);
        self.forget_tries();
        self.round = Round::default();
    }

    /// An attempt on the current host ended with `error`. `now`: since the job began; `ran`: how long
    /// the attempt had lasted.
    pub fn after(&mut self, error: EngineError, now: Duration, ran: Duration) -> Next {
        let was_open = std::mem::take(&mut self.is_open);
        if was_open && ran >= STEADY_AFTER {
            self.waits.reset();
        }
        let fault = fault(&error, was_open);
        match fault {
            Fault::None => Next::Failed(error),
            Fault::Moved => self.wait(&error),
            Fault::Behind if self.list.len() == 1 => self.wait(&error),
            _ if self.list.len() == 1 => Next::Failed(error),
            Fault::Connection if self.is_worth_another_try(now) => {
                self.told(&error);
                // A run that ended at once may do so again and again.
                let waits = if was_open { &mut self.waits } else { &mut self.tries };
                Next::Again(waits.next_delay())
            }
            Fault::Connection | Fault::GivenUp | Fault::Unfit | Fault::Behind => {
                self.next_host(fault, error, was_open)
            }
        }
    }

    fn is_worth_another_try(&mut self, now: Duration) -> bool {
        let since = *self.tried_since.get_or_insert(now);
        self.tries.attempts() + 1 < RECONNECTS_MIN || now.saturating_sub(since) < UNREACHABLE_AFTER
    }

    fn forget_tries(&mut self) {
        self.tries.reset();
        self.tried_since = None;
    }

    fn wait(&mut self, error: &EngineError) -> Next {
        self.told(error);
        Next::Again(self.waits.next_delay())
    }

    fn told(&self, error: &EngineError) {
        let host = self.current().map(ToString::to_string);
        warn!(host, "it is tried again: {}", chain(error));
    }

    /// Goes on to the next host, or says what the whole round has come to.
    fn next_host(&mut self, fault: Fault, error: EngineError, was_open: bool) -> Next {
        let from = self.current().map(ToString::to_string);
        self.current = (self.current + 1) % self.list.len().max(1);
        self.forget_tries();
        let to = self.current().map(ToString::to_string);
        warn!(from, to, "the next host is tried: {}", chain(&error));
        let Round { left, told } = std::mem::take(&mut self.round);
        let (fault, error) = match told {
            Some((before, first)) if before >= fault => (before, first),
            Some(_) | None => (fault, error),
        };
        if left + 1 < self.list.len() {
            self.round = Round { left: left + 1, told: Some((fault, error)) };
            // A run that ended at once may do so on every host in turn.
            let wait = if was_open { self.waits.next_delay() } else { Duration::ZERO };
            return Next::Again(wait);
        }
        // A job that has streamed waits for a server, as with one host.
        let waits = fault == Fault::Behind || (fault < Fault::Unfit && self.was_open);
        if waits { Next::Again(self.waits.next_delay()) } else { Next::Failed(error) }
    }
}

fn fault(error: &EngineError, was_open: bool) -> Fault {
    let error = match error {
        EngineError::Source(SourceError::ServerChanged) => return Fault::Moved,
        EngineError::Source(SourceError::Binlog(error)) => error,
        EngineError::Source(_)
        | EngineError::Sink(_)
        | EngineError::Checkpoint(_)
        | EngineError::Store(_)
        | EngineError::Job(_)
        | EngineError::Internal(_) => return Fault::None,
    };
    if was_open && matches!(error, BinlogError::InsideTransaction { .. }) {
        // The newest checkpoint most likely lies between transactions.
        Fault::Moved
    } else if matches!(error, BinlogError::Unreachable { .. }) {
        Fault::GivenUp
    } else if matches!(error, BinlogError::Behind { .. }) {
        Fault::Behind
    } else if error.is_transient() {
        Fault::Connection
    } else if error.is_of_the_server() || !was_open {
        Fault::Unfit
    } else {
        Fault::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn hosts(names: &[&str]) -> Hosts {
        Hosts::new(names.iter().map(|n| Host { name: (*n).to_owned(), port: 1 }).collect())
    }

    fn binlog(error: BinlogError) -> EngineError {
        EngineError::Source(SourceError::Binlog(error))
    }

    fn silent() -> EngineError {
        binlog(BinlogError::ConnectTimeout { address: "a".into(), waited: S })
    }

    fn given_up() -> EngineError {
        let source = Box::new(BinlogError::ConnectTimeout { address: "a".into(), waited: S });
        let (address, attempts, waited) = ("a".into(), 5, S);
        binlog(BinlogError::Unreachable { address, attempts, waited, source })
    }

    fn behind() -> EngineError {
        let [server, missing, applied, executed] = ["b", "u:2", "u:1-2", "u:1"].map(str::to_owned);
        binlog(BinlogError::Behind { server, missing, applied, executed })
    }

    fn diverged() -> EngineError {
        let [server, missing, applied, executed] = ["b", "v:1", "v:1", "u:1"].map(str::to_owned);
        binlog(BinlogError::Diverged { server, missing, applied, executed })
    }

    /// The host to go on with, or the error that it ends with.
    fn after(hosts: &mut Hosts, error: EngineError, now: Duration) -> Result<String, String> {
        match hosts.after(error, now, S) {
            Next::Again(_) => Ok(hosts.current().unwrap().name.clone()),
            Next::Failed(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn a_host_that_was_given_up_is_followed_by_the_next() {
        let mut hosts = hosts(&["a", "b"]);
        hosts.opened();
        assert_eq!(after(&mut hosts, given_up(), S), Ok("b".into()));
        hosts.opened();
        assert_eq!(after(&mut hosts, given_up(), S), Ok("a".into()));
    }

    #[test]
    fn a_host_is_tried_for_a_few_seconds_before_it_is_left() {
        let mut hosts = hosts(&["a", "b"]);
        let mut tried = |now: u32| after(&mut hosts, silent(), S * now);
        assert_eq!(tried(0), Ok("a".into()));
        assert_eq!(tried(1), Ok("a".into()));
        assert_eq!(tried(2), Ok("a".into()), "three tries, and not yet three seconds");
        assert_eq!(tried(3), Ok("b".into()));
        assert_eq!(tried(4), Ok("b".into()), "it has its own tries");
    }

    #[test]
    fn a_refusal_ends_the_job_once_no_other_host_serves() {
        let mut hosts = hosts(&["a", "b", "c"]);
        hosts.opened();
        assert_eq!(after(&mut hosts, given_up(), S), Ok("b".into()));
        assert_eq!(after(&mut hosts, diverged(), S), Ok("c".into()));
        let mut last = Ok(String::new());
        for now in 0..3 {
            last = after(&mut hosts, silent(), S * (10 + 3 * now));
        }
        let error = last.unwrap_err();
        assert!(error.contains("has not executed v:1"), "{error}");
        assert!(error.contains("Applied: v:1. Executed there: u:1."), "both sets: {error}");
    }

    #[test]
    fn a_replica_that_is_behind_is_waited_for_also_beside_one_that_never_fits() {
        let mut hosts = hosts(&["a", "b"]);
        hosts.opened();
        for _ in 0..10 {
            assert_eq!(after(&mut hosts, diverged(), S), Ok("b".into()));
            assert_eq!(after(&mut hosts, behind(), S), Ok("a".into()));
        }
        let mut alone = self::hosts(&["a"]);
        assert_eq!(after(&mut alone, behind(), S), Ok("a".into()));
    }

    #[test]
    fn without_any_host_a_start_fails_and_a_job_that_has_streamed_waits() {
        let round = |hosts: &mut Hosts| {
            let mut last = Ok(String::new());
            for now in 0..6 {
                last = after(hosts, silent(), S * 3 * now);
            }
            last
        };
        assert!(round(&mut hosts(&["a", "b"])).is_err());
        let mut streamed = hosts(&["a", "b"]);
        streamed.opened();
        assert!(round(&mut streamed).is_ok());
    }

    #[test]
    fn with_one_host_the_restart_strategy_decides_as_ever() {
        for error in [silent(), diverged(), EngineError::Job("x".into())] {
            let text = error.to_string();
            assert_eq!(after(&mut hosts(&["a"]), error, S), Err(text));
        }
        let changed = EngineError::Source(SourceError::ServerChanged);
        assert_eq!(after(&mut hosts(&["a"]), changed, S), Ok("a".into()), "no failure of the job");
    }
}
