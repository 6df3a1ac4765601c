//! From what the user asked for to a position, and from a position to a dump.

use std::time::Duration;

use model::{BinlogFile, BinlogPosition, Gtids, Position};

use super::BinlogError;
use super::tracker::Skip;
use super::verify::{fitted, listed, verify};
use crate::connection::{self, Blocking, Broken, Dump, Incoming};
use crate::event::{Event, FormatDescription};
use crate::server::{FILE_START, Server, SourceOptions, connect, parse};

/// Where a stream begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// After everything that a checkpoint holds.
    Position(Position),
    /// At the oldest binlog that the server has.
    Earliest,
    /// At a place in a file, which must be the edge between two transactions.
    File { file: BinlogFile, offset: u64 },
    /// After these transactions: a GTID set (MySQL), or the last GTID of each domain (MariaDB).
    Gtids(String),
    /// At the first transaction of this time or later, in milliseconds since the epoch. Binlogs
    /// hold whole seconds, so transactions of the same second are in.
    Timestamp { ms: i64 },
}

/// The position that `start` means, and what is to be passed over from there.
pub(super) async fn resolve(
    options: &SourceOptions,
    server: &Server,
    start: Start,
) -> Result<(Position, Option<Skip>), BinlogError> {
    let at = |gtids, binlog| Position { gtids, binlog, in_transaction: None };
    let head = |file| BinlogPosition { file, offset: FILE_START };
    Ok(match start {
        Start::Position(position) => (fitted(position, server)?, None),
        Start::File { file, offset } => {
            let offset = offset.max(FILE_START);
            (at(Gtids::None, BinlogPosition { file, offset }), None)
        }
        Start::Earliest => {
            let mut conn = connect(options).await?;
            (at(Gtids::None, head(server.oldest(&mut conn).await?)), None)
        }
        Start::Gtids(text) => {
            let gtids = if server.is_mariadb() {
                Gtids::Mariadb(parse(&text, "not a MariaDB GTID position")?)
            } else if server.gtids {
                Gtids::Mysql(parse(&text, "not a GTID set")?)
            } else {
                return Err(BinlogError::Answer {
                    what: "cannot start from GTIDs on a server with gtid_mode = OFF",
                    answer: text,
                });
            };
            let mut conn = connect(options).await?;
            (at(gtids, head(server.oldest(&mut conn).await?)), None)
        }
        Start::Timestamp { ms } => {
            let second = ms.div_euclid(1000);
            let file = file_at(options, server, second).await?;
            (at(Gtids::None, head(file)), Some(Skip::Before(second)))
        }
    })
}

/// The newest file that was begun at `second` or before: what was committed since then is in it or
/// in a later one. Files are begun in order, so a dozen looks suffice for thousands of files.
async fn file_at(
    options: &SourceOptions,
    server: &Server,
    second: i64,
) -> Result<BinlogFile, BinlogError> {
    let mut conn = connect(options).await?;
    let logs = server.binary_logs(&mut conn).await?;
    drop(conn.disconnect().await);
    let nth = |n: usize| {
        logs.get(n).map(|log| log.file.clone()).ok_or_else(|| BinlogError::Answer {
            what: "the server lists no binlog file",
            answer: String::new(),
        })
    };
    let (mut low, mut high) = (0, logs.len());
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        let head = connection::Start::Head(nth(middle)?);
        let begun = connection::probe(options, server, head).await?.begun;
        if i64::from(begun) <= second {
            low = middle;
        } else {
            high = middle;
        }
    }
    let file = nth(low)?;
    if low == 0 {
        let head = connection::Start::Head(file.clone());
        let begun = connection::probe(options, server, head).await?.begun;
        if i64::from(begun) > second {
            tracing::warn!(%file, begun, asked = second,
                "the oldest binlog begins after the time asked for: what came before is gone");
        }
    }
    Ok(file)
}

/// An open dump whose first event has come.
#[derive(Debug)]
pub(super) struct Linked {
    pub(super) server: Server,
    pub(super) dump: Dump,
    pub(super) first: Option<Incoming>,
    /// The position's file is read from its head.
    pub(super) from_head: bool,
    /// The server has GTIDs, the position none.
    pub(super) incomplete: bool,
}

/// A server that takes a login and then says nothing is as good as gone. Far above what the questions
/// take that come before a dump, on a server with thousands of binlog files too.
const ANSWERED_WITHIN: Duration = Duration::from_secs(60);

/// Connects and asks for all that comes after `position`. `expected` is the server's identity, as
/// far as it must not change; `has_moved`: the position's file is still of the server before.
pub(super) async fn link(
    options: SourceOptions,
    position: Position,
    expected: String,
    has_moved: bool,
) -> Result<Linked, BinlogError> {
    let asking = async {
        let mut conn = connect(&options).await?;
        let server = Server::probe(&mut conn).await?;
        let position = verify(&mut conn, &server, position, &expected).await?;
        drop(conn.disconnect().await);
        let begin = begin(&server, &position);
        let blocking = Blocking::WaitForMore;
        let dump = Box::pin(Dump::open(&options, &server, &begin.start, blocking)).await?;
        Ok::<_, BinlogError>((server, position, begin, dump))
    };
    let asked = tokio::time::timeout(ANSWERED_WITHIN, asking).await;
    let (server, position, begin, mut dump) = match asked {
        Ok(answered) => answered?,
        Err(_) => {
            let (address, waited) = (options.address(), ANSWERED_WITHIN);
            return Err(BinlogError::ConnectTimeout { address, waited });
        }
    };
    let first = match dump.next().await {
        Ok(first) => first,
        Err(broken) if broken.is_same_server_id() => {
            let (server, server_id) = (server.identity, options.server_id);
            return Err(BinlogError::SameServerId { server, server_id });
        }
        Err(Broken::Refused(refused)) => {
            return Err(explain(&options, &server, &position, refused).await);
        }
        Err(broken) => return Err(broken.into_error(&position.to_string())),
    };
    if let (Gtids::Mysql(_), Some(first)) = (&position.gtids, &first)
        && server.identity == expected
        && !has_moved
    {
        refuse_to_pass_over(&options, &server, &position.binlog, first).await?;
    }
    let Begin { from_head, incomplete, .. } = begin;
    Ok(Linked { server, dump, first, from_head, incomplete })
}

/// What to ask a server for.
struct Begin {
    start: connection::Start,
    from_head: bool,
    incomplete: bool,
}

fn begin(server: &Server, position: &Position) -> Begin {
    let incomplete = position.gtids == Gtids::None && server.gtids;
    let beyond_protocol = u32::try_from(position.binlog.offset).is_err();
    let from_head = position.gtids == Gtids::None && (incomplete || beyond_protocol);
    let start = match &position.gtids {
        Gtids::None if from_head => connection::Start::Head(position.binlog.file.clone()),
        Gtids::None => connection::Start::At(position.binlog.clone()),
        gtids @ (Gtids::Mysql(_) | Gtids::Mariadb(_)) => connection::Start::Gtids(gtids.clone()),
    };
    Begin { start, from_head, incomplete }
}

/// Asked for what comes after a set of GTIDs, the server begins with the newest file before which
/// there is nothing else. Transactions without a GTID may lie between `place` and there: it was
/// allowed to make some in between (`gtid_mode`), and does not count them.
async fn refuse_to_pass_over(
    options: &SourceOptions,
    server: &Server,
    place: &BinlogPosition,
    first: &Incoming,
) -> Result<(), BinlogError> {
    let format = FormatDescription::initial(server.flavor);
    let Ok(Event::Rotate(begins)) = Event::decode(&first.raw, &format) else { return Ok(()) };
    if begins.file <= place.file {
        return Ok(());
    }
    let mut conn = connect(options).await?;
    let logs = server.binary_logs(&mut conn).await?;
    drop(conn.disconnect().await);
    let has_place = logs.iter().any(|log| log.file == place.file && log.size >= place.offset);
    if has_place && connection::has_anonymous(options, server, place, &begins.file).await? {
        return Err(BinlogError::Anonymous { position: place.to_string() });
    }
    Ok(())
}

/// Puts the server's refusal of a dump into our words, where we know it (MySQL and MariaDB source,
/// `rpl_binlog_sender.cc` and `sql_repl.cc`: all are error 1236).
async fn explain(
    options: &SourceOptions,
    server: &Server,
    position: &Position,
    refused: mysql_async::ServerError,
) -> BinlogError {
    const GONE: [&str; 3] =
        ["purged", "Could not find first log file name", "Could not find GTID state"];
    let says = |words: &str| refused.message.contains(words);
    let gone = GONE.iter().any(|words| says(words));
    let diverged = says("not in the master's binlog");
    if !gone && !diverged {
        return Broken::Refused(refused).into_error(&position.to_string());
    }
    let mut conn = match connect(options).await {
        Ok(conn) => conn,
        Err(error) => return error,
    };
    if diverged {
        return match server.maria_executed(&mut conn).await {
            Ok(executed) => BinlogError::Diverged {
                server: server.identity.clone(),
                missing: format!("one of {} ({})", position.gtids, refused.message),
                applied: position.gtids.to_string(),
                executed: listed(&executed),
            },
            Err(error) => error,
        };
    }
    let oldest = server.oldest(&mut conn).await;
    BinlogError::Purged {
        wanted: position.to_string(),
        oldest: oldest.map_or_else(|e| format!("unknown ({e})"), |file| file.to_string()),
        purged: String::new(),
    }
}
