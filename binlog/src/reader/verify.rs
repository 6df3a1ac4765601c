//! Whether a server can carry a position on: it is the one that was read, or one of the same history,
//! and it has all that comes next.
//!
//! INVARIANT resume-exact, from server to server: a position means the same on both only if all that
//! is applied is executed there, as transactions that both know by one name. So
//! - without GTIDs no other server is taken;
//! - what is applied and not executed is waited for where it may still come, and else refused: the
//!   rows of the two have parted;
//! - what is purged must be applied;
//! - a position inside a transaction is good only on the server that cut its rows into events.

use std::time::Duration;

use model::{BinlogPosition, GtidSet, Gtids, MariaGtid, MariaGtids, Position};
use mysql_async::Conn;
use tokio::time::Instant;

use super::BinlogError;
use crate::server::{Replication, Server};

/// How long a server may take to have executed what it sent us: it sends a transaction before it
/// commits it, and semi-synchronous replication waits in between, 10 s by default.
const EXECUTED_AFTER_MAX: Duration = Duration::from_secs(15);
/// How long another server is watched for it before we ask whether it will come at all.
const ELSEWHERE_AFTER_MAX: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(200);

/// `position` as `server` can take it. `expected`: identity of the server that it belongs to.
///
/// # Errors
/// Each names what keeps this server from going on there; [`BinlogError::Behind`] passes.
pub(super) async fn verify(
    conn: &mut Conn,
    server: &Server,
    position: Position,
    expected: &str,
) -> Result<Position, BinlogError> {
    let position = fitted(position, server)?;
    let elsewhere = server.identity != expected;
    if elsewhere {
        movable(&position, server, expected)?;
    }
    logs_what_it_replicates(conn, server).await?;
    match &position.gtids {
        Gtids::Mysql(applied) => {
            has_executed(conn, server, applied, elsewhere).await?;
            has_kept(conn, server, applied).await?;
        }
        // Whether it has kept what follows, MariaDB says itself.
        Gtids::Mariadb(applied) => has_executed_maria(conn, server, applied, elsewhere).await?,
        Gtids::None => in_files(conn, server, &position.binlog).await?,
    }
    Ok(position)
}

/// A checkpoint's position, as this server can take it.
pub(super) fn fitted(mut position: Position, server: &Server) -> Result<Position, BinlogError> {
    let fits = match &position.gtids {
        Gtids::None => true,
        Gtids::Mysql(_) => !server.is_mariadb(),
        Gtids::Mariadb(_) => server.is_mariadb(),
    };
    if !fits {
        return Err(BinlogError::OtherServer {
            expected: "of the other family (MySQL, MariaDB)".to_owned(),
            found: format!("{} ({})", server.identity, server.version_text),
            position: position.to_string(),
        });
    }
    if !server.gtids && position.gtids != Gtids::None {
        tracing::warn!(%position, "the server has no GTIDs any more: resuming by file and offset");
        position.gtids = Gtids::None;
    }
    Ok(position)
}

/// Whether a position that belongs to another server may be taken to this one at all.
fn movable(position: &Position, server: &Server, expected: &str) -> Result<(), BinlogError> {
    let (found, expected) = (server.identity.clone(), expected.to_owned());
    if position.gtids == Gtids::None {
        return Err(BinlogError::OtherServer { expected, found, position: position.to_string() });
    }
    match &position.in_transaction {
        Some(inside) if inside.rows_events > 0 => {
            let gtid = inside.gtid.clone().unwrap_or_default();
            let rows_events = inside.rows_events;
            Err(BinlogError::InsideTransaction { expected, found, gtid, rows_events })
        }
        Some(_) | None => Ok(()),
    }
}

/// A replica that logs nothing of what it replicates would leave us waiting for ever.
async fn logs_what_it_replicates(conn: &mut Conn, server: &Server) -> Result<(), BinlogError> {
    if server.logs_what_it_replicates() {
        return Ok(());
    }
    match server.replication(conn).await? {
        Some(replication) if replication.running => {
            Err(BinlogError::NotLogged { server: server.identity.clone() })
        }
        Some(_) | None => Ok(()),
    }
}

fn patience(elsewhere: bool) -> Duration {
    if elsewhere { ELSEWHERE_AFTER_MAX } else { EXECUTED_AFTER_MAX }
}

async fn has_executed(
    conn: &mut Conn,
    server: &Server,
    applied: &GtidSet,
    elsewhere: bool,
) -> Result<(), BinlogError> {
    let started = Instant::now();
    loop {
        let executed = server.gtid_executed(conn).await?;
        let missing = applied.minus(&executed);
        if missing.is_empty() {
            return Ok(());
        }
        if started.elapsed() >= patience(elsewhere) {
            let replication = server.replication(conn).await?;
            let comes = may_come(&missing, &executed, replication.as_ref(), &server.identity);
            let (missing, executed) = (missing.to_string(), executed.to_string());
            return Err(lacking(server, comes, missing, applied.to_string(), executed));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Whether a server that has not executed `missing` may still do so: it has received it, or it is a
/// replica and `missing` only goes on with sources that it knows. What lies before something that
/// it has of the same source was left out for good, and a source that it has never heard of wrote
/// somewhere else. What it wrote itself (`own`) and has no more, it has lost: it would give those
/// numbers to other transactions. `None`: whether it is a replica is not ours to see.
fn may_come(
    missing: &GtidSet,
    executed: &GtidSet,
    replication: Option<&Replication>,
    own: &str,
) -> bool {
    let mut known = executed.clone();
    let mut rest = missing.clone();
    if let Some(replication) = replication {
        if replication.channels == 0 {
            return false;
        }
        known.union(&replication.received);
        rest = missing.minus(&replication.received);
    }
    rest.iter().all(|(source, gaps)| {
        let has_uuid = known.iter().any(|(other, _)| other.uuid == source.uuid);
        let same = known.iter().find(|(other, _)| *other == source);
        let last = same.and_then(|(_, held)| held.last()).map_or(0, |(_, last)| *last);
        let is_lost = source.uuid.to_string().eq_ignore_ascii_case(own);
        has_uuid && !is_lost && gaps.first().is_some_and(|(first, _)| *first > last)
    })
}

async fn has_executed_maria(
    conn: &mut Conn,
    server: &Server,
    applied: &MariaGtids,
    elsewhere: bool,
) -> Result<(), BinlogError> {
    let started = Instant::now();
    loop {
        let executed = server.maria_executed(conn).await?;
        let missing: Vec<MariaGtid> = lacks(applied, &executed, elsewhere);
        if missing.is_empty() {
            return Ok(());
        }
        // It counts its own as it logs them: what is not there by now it has lost.
        let is_lost = missing.iter().any(|gtid| gtid.server == server.server_id);
        if is_lost || started.elapsed() >= patience(elsewhere) {
            let replication = server.replication(conn).await?;
            let comes = may_come_maria(&missing, &executed, replication.as_ref(), server.server_id);
            let (missing, executed) = (listed(&missing), listed(&executed));
            return Err(lacking(server, comes, missing, applied.to_string(), executed));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Of each domain the last applied transaction, where its writer's are not there so far. A domain
/// can be forgotten on purpose (`FLUSH BINARY LOGS DELETE_DOMAIN_ID`): on the server that had it
/// that is no lack.
fn lacks(applied: &MariaGtids, executed: &[MariaGtid], elsewhere: bool) -> Vec<MariaGtid> {
    let has = |want: &MariaGtid| {
        let mut of_domain = executed.iter().filter(|have| have.domain == want.domain).peekable();
        let forgotten = of_domain.peek().is_none() && !elsewhere;
        forgotten || of_domain.any(|g| g.server == want.server && g.sequence >= want.sequence)
    };
    applied.iter().filter(|want| !has(want)).copied().collect()
}

/// Within a domain sequence numbers only grow, whoever writes: one that another transaction has
/// reached cannot come any more. `own`: the server's id, for what it wrote itself.
fn may_come_maria(
    missing: &[MariaGtid],
    executed: &[MariaGtid],
    replication: Option<&Replication>,
    own: u32,
) -> bool {
    let is_replica = replication.is_none_or(|replication| replication.channels > 0);
    let received = replication.map(|r| r.received_maria.as_slice()).unwrap_or_default();
    let ahead = |want: &MariaGtid| {
        let mut of_domain = executed.iter().filter(|have| have.domain == want.domain);
        let is_free = of_domain.all(|have| have.sequence < want.sequence);
        (is_free && want.server != own) || received.contains(want)
    };
    is_replica && missing.iter().all(ahead)
}

/// As MariaDB prints a position.
pub(super) fn listed(gtids: &[MariaGtid]) -> String {
    gtids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn lacking(
    server: &Server,
    comes: bool,
    missing: String,
    applied: String,
    executed: String,
) -> BinlogError {
    let server = server.identity.clone();
    if comes {
        BinlogError::Behind { server, missing, applied, executed }
    } else {
        BinlogError::Diverged { server, missing, applied, executed }
    }
}

/// Verifies that the binlog of all that is not applied is still there, so that the refusal is
/// precise.
async fn has_kept(conn: &mut Conn, server: &Server, applied: &GtidSet) -> Result<(), BinlogError> {
    let purged = server.gtid_purged(conn).await?;
    if applied.is_superset(&purged) {
        return Ok(());
    }
    Err(BinlogError::Purged {
        wanted: format!("{} on", purged.minus(applied)),
        oldest: server.oldest(conn).await?.to_string(),
        purged: purged.to_string(),
    })
}

async fn in_files(
    conn: &mut Conn,
    server: &Server,
    wanted: &BinlogPosition,
) -> Result<(), BinlogError> {
    let logs = server.binary_logs(conn).await?;
    match logs.iter().find(|log| log.file == wanted.file) {
        Some(log) if log.size >= wanted.offset => Ok(()),
        Some(log) => Err(BinlogError::BeyondEnd { wanted: wanted.to_string(), size: log.size }),
        None if logs.iter().all(|log| log.file < wanted.file) => {
            Err(BinlogError::BeyondEnd { wanted: wanted.to_string(), size: 0 })
        }
        None => Err(BinlogError::Purged {
            wanted: wanted.to_string(),
            oldest: logs.first().map_or_else(String::new, |log| log.file.to_string()),
            purged: String::new(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const P: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
    const OWN: &str = "5e11fa47-71ca-11e1-9e33-c80aa9429562";
    const A: &str = "4e11fa47-71ca-11e1-9e33-c80aa9429562";

    fn replica(received: &str) -> Replication {
        let received = received.parse().unwrap();
        Replication { channels: 1, running: true, received, ..Replication::default() }
    }

    #[test]
    fn what_a_replica_may_still_get_is_told_from_what_it_never_will() {
        let check = |applied: &str, executed: &str, replication: Option<&Replication>| {
            let [applied, executed]: [GtidSet; 2] =
                [applied, executed].map(|set| set.parse().unwrap());
            may_come(&applied.minus(&executed), &executed, replication, OWN)
        };
        let (idle, none) = (replica(""), Replication::default());
        assert!(check(&format!("{P}:1-9"), &format!("{P}:1-7"), Some(&idle)), "it is behind");
        assert!(check(&format!("{P}:1-9"), &format!("{P}:1-7"), None), "maybe it is behind");
        assert!(!check(&format!("{P}:1-9"), &format!("{P}:1-7"), Some(&none)), "from whom?");
        let errant = format!("{P}:1-9,{A}:1");
        assert!(!check(&errant, &format!("{P}:1-9"), Some(&idle)), "of a server it never heard of");
        let hole = format!("{P}:1-7:9");
        assert!(!check(&format!("{P}:1-9"), &hole, Some(&idle)), "left out");
        let coming = replica(&format!("{P}:8-9"));
        assert!(check(&format!("{P}:1-9"), &hole, Some(&coming)), "applied out of order");
        let lost = check(&format!("{OWN}:1-9"), &format!("{OWN}:1-7"), Some(&idle));
        assert!(!lost, "it wrote them, and has them no more");
        assert!(!check(&format!("{OWN}:1-9"), &format!("{OWN}:1-7"), None), "the same");
        let coming = replica(&format!("{A}:1"));
        assert!(check(&errant, &format!("{P}:1-9"), Some(&coming)), "received");
    }

    #[test]
    fn on_mariadb_a_sequence_number_that_another_took_cannot_come() {
        let gtids = |text: &str| -> Vec<MariaGtid> {
            text.split(',').map(|gtid| gtid.parse().unwrap()).collect()
        };
        let applied: MariaGtids = "0-1-9,5-1-3".parse().unwrap();
        let lacks = |executed: &str| lacks(&applied, &gtids(executed), true);
        assert_eq!(lacks("0-1-9,0-2-12,5-1-3"), []);
        assert_eq!(lacks("0-1-12,5-2-7"), gtids("5-1-3"), "of another writer");
        assert_eq!(lacks("0-1-8,5-1-3"), gtids("0-1-9"));
        let comes = |executed: &str, replication: &Replication| {
            may_come_maria(&lacks(executed), &gtids(executed), Some(replication), 7)
        };
        assert!(comes("0-1-8,0-2-7,5-1-3", &replica("")));
        assert!(!comes("0-1-8,5-1-3", &Replication::default()), "it is no replica");
        let (own, idle) = (gtids("0-7-9"), replica(""));
        assert!(!may_come_maria(&own, &gtids("0-7-8"), Some(&idle), 7), "it has lost its own");
        assert!(!comes("0-1-8,0-2-9,5-1-3", &replica("")), "another took the number");
    }

    #[test]
    fn a_domain_that_the_server_itself_forgot_is_no_lack() {
        let applied: MariaGtids = "0-1-9,5-1-3".parse().unwrap();
        let executed = ["0-1-9".parse().unwrap()];
        assert_eq!(lacks(&applied, &executed, false), []);
        assert_eq!(lacks(&applied, &executed, true).len(), 1);
    }
}
