//! The dump connection: the only file with its socket.
//!
//! `mysql_async` logs in, asks for the dump and cuts the bytes into events; everything it takes on
//! trust is verified here. It does not look at checksums (we do, in [`RawEvent::from_parts`]). It
//! panics on an event that is shorter than it says (caught, an error). It unpacks compressed
//! transactions and says nothing where that fails (the events inside must add up to the size that
//! the packed one declares).

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use model::{BinlogFile, BinlogPosition, Gtids};
use mysql_async::binlog::BinlogChecksumAlg;
use mysql_async::binlog::events::Event as PartedEvent;
use mysql_async::prelude::Queryable;
use mysql_async::{BinlogStream, BinlogStreamRequest, Conn, Sid};
use tokio::time::Instant;

use crate::backoff::random;
use crate::event::{Event, FormatDescription, kind};
use crate::packet::{EventHeader, RawEvent};
use crate::reader::BinlogError;
use crate::server::{FILE_START, Server, SourceOptions, connect};

/// A connection on which nothing came for so many heartbeats is dead, whatever TCP says.
const HEARTBEATS_MISSED: u32 = 5;
/// And at least for so long: a busy server is late now and then.
const SILENCE_MIN: Duration = Duration::from_secs(10);

/// Where a dump begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Start {
    /// After these transactions, wherever they lie. Not [`Gtids::None`].
    Gtids(Gtids),
    /// At an event's start. The protocol has 32 bits for the offset; beyond them, the dump begins
    /// at the head of the file and the events before the offset come too.
    At(BinlogPosition),
    /// At the head of a file.
    Head(BinlogFile),
    /// At the head of the oldest file.
    Oldest,
}

/// An event as it came.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) raw: RawEvent,
    /// It lay in a compressed transaction: it has no place in the file of its own.
    pub(crate) inner: bool,
}

/// What an answer of the dump means, short of an event.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The server refused, with its words.
    Refused(mysql_async::ServerError),
    /// The connection is gone or silent: nothing is wrong with the bytes.
    Lost(String),
    Silent(Duration),
    /// The bytes are no events.
    Malformed(String),
    Decode(crate::DecodeError),
}

/// An open dump.
pub(crate) struct Dump {
    stream: Pin<Box<BinlogStream>>,
    silence: Duration,
    /// Since when a caller waits for the next event. Kept when that wait is cancelled, so that
    /// frequent cancelling cannot hide a dead connection.
    waiting_since: Option<Instant>,
    payload: Payload,
}

/// The compressed transaction whose events are coming.
#[derive(Debug, Default)]
struct Payload {
    /// Bytes of events still to come.
    missing: u64,
}

impl Payload {
    fn outer(&mut self, raw: &RawEvent) -> Result<(), Broken> {
        if self.missing > 0 {
            let missing = self.missing;
            return Err(Broken::Malformed(format!(
                "a compressed transaction did not unpack: {missing} bytes are missing"
            )));
        }
        if raw.header.event_type == kind::TRANSACTION_PAYLOAD {
            // The layout of a compressed event does not depend on the format description.
            let format = FormatDescription::initial(crate::Flavor::MySql);
            let event = Event::decode(raw, &format).map_err(Broken::Decode)?;
            if let Event::TransactionPayload(payload) = event {
                self.missing = payload.uncompressed_size;
            }
        }
        Ok(())
    }

    fn inner(&mut self, size: u32) -> Result<(), Broken> {
        self.missing = self.missing.checked_sub(u64::from(size)).ok_or_else(|| {
            Broken::Malformed("a compressed transaction unpacks to more than it says".to_owned())
        })?;
        Ok(())
    }
}

/// A job's, as a replica: one for the life of the process, so that the server ends the dump before when a
/// job connects again; and another for each job, so that jobs of one process do not end each other's.
/// Jobs are told apart by their server ids, as replicas are.
fn replica_uuid(server_id: u32) -> String {
    static PROCESS: OnceLock<[u8; 16]> = OnceLock::new();
    let mut bytes = *PROCESS.get_or_init(random_bytes);
    for (byte, of_job) in bytes.iter_mut().zip(server_id.to_be_bytes()) {
        *byte = of_job;
    }
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}

fn random_uuid() -> String {
    uuid::Builder::from_random_bytes(random_bytes()).into_uuid().to_string()
}

fn random_bytes() -> [u8; 16] {
    let (high, low) = (random().to_be_bytes(), random().to_be_bytes());
    let mut bytes = [0; 16];
    for (byte, random) in bytes.iter_mut().zip(high.into_iter().chain(low)) {
        *byte = random;
    }
    bytes
}

impl Dump {
    /// Turns `conn` into a dump from `start`. The server answers a wrong start only with the first
    /// event.
    pub(crate) async fn open(
        mut conn: Conn,
        options: &SourceOptions,
        server: &Server,
        start: &Start,
        blocking: Blocking,
    ) -> Result<Self, BinlogError> {
        let (server_id, uuid) = match blocking {
            Blocking::WaitForMore => (options.server_id, replica_uuid(options.server_id)),
            // Under those of the job's own dump it would end that.
            Blocking::StopAtEnd => {
                (0x4000_0000 | u32::try_from(random() >> 34).unwrap_or(0), random_uuid())
            }
        };
        let variables = replica_variables(options, server, start, &uuid);
        conn.query_drop(variables).await.map_err(BinlogError::query("prepare the binlog dump"))?;
        let mut request = BinlogStreamRequest::new(server_id);
        if blocking == Blocking::StopAtEnd {
            request = request.with_non_blocking();
        }
        let (file, offset) = match start {
            Start::Gtids(Gtids::Mysql(set)) => {
                request = request.with_gtid().with_gtid_set(sids(set)?);
                (None, FILE_START)
            }
            Start::Gtids(_) | Start::Oldest => (None, FILE_START),
            Start::Head(file) => (Some(file), FILE_START),
            Start::At(at) if u32::try_from(at.offset).is_ok() => (Some(&at.file), at.offset),
            Start::At(at) => (Some(&at.file), FILE_START),
        };
        if let Some(file) = file {
            request = request.with_filename(file.name().as_bytes());
        }
        let stream = Box::pin(conn.get_binlog_stream(request.with_pos(offset)))
            .await
            .map_err(BinlogError::query("start the binlog dump"))?;
        Ok(Self {
            stream: Box::pin(stream),
            silence: SILENCE_MIN.max(options.heartbeat.saturating_mul(HEARTBEATS_MISSED)),
            waiting_since: None,
            payload: Payload::default(),
        })
    }

    /// The next event; `None` at the end of a dump that stops there. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Option<Incoming>, Broken> {
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        let deadline = since + self.silence;
        let event = tokio::time::timeout_at(deadline, self.receive()).await;
        self.waiting_since = None;
        let event = event.unwrap_or(Err(Broken::Silent(self.silence)))?;
        event.map(|event| self.take(&event)).transpose()
    }

    async fn receive(&mut self) -> Result<Option<PartedEvent>, Broken> {
        let polled = std::future::poll_fn(|cx| poll_guarded(self.stream.as_mut(), cx)).await?;
        match polled {
            None => Ok(None),
            Some(Ok(event)) => Ok(Some(event)),
            Some(Err(error)) => Err(broken(error)),
        }
    }

    fn take(&mut self, event: &PartedEvent) -> Result<Incoming, Broken> {
        let parted = event.header();
        let header = EventHeader {
            timestamp: parted.timestamp(),
            event_type: parted.event_type_raw(),
            server_id: parted.server_id(),
            event_size: parted.event_size(),
            log_pos: parted.log_pos(),
            flags: parted.flags_raw(),
        };
        // The library reads the events of a compressed transaction with checksums off.
        let inner = !event.footer().get_checksum_enabled();
        let crc = if inner { None } else { event.checksum().map(u32::from_le_bytes) };
        let mut altered = false;
        let body = if header.event_type == kind::FORMAT_DESCRIPTION {
            // Its last byte, the algorithm, was taken off.
            let algorithm = event.footer().get_checksum_alg();
            let algorithm = algorithm.map_err(|e| Broken::Malformed(e.to_string()))?;
            // The server takes its place and time from the one that opens a dump, and counts its
            // checksum anew only in a file that has some.
            altered = header.log_pos == 0
                && algorithm == Some(BinlogChecksumAlg::BINLOG_CHECKSUM_ALG_OFF);
            let mut whole = event.data().to_vec();
            whole.extend(algorithm.map(|a| a as u8));
            Bytes::from(whole)
        } else {
            Bytes::copy_from_slice(event.data())
        };
        let crc = if altered { Some(header.checksum(&body)) } else { crc };
        let raw = RawEvent::from_parts(header, body, crc).map_err(Broken::Decode)?;
        if inner {
            self.payload.inner(header.event_size)?;
        } else {
            self.payload.outer(&raw)?;
        }
        Ok(Incoming { raw, inner })
    }
}

impl std::fmt::Debug for Dump {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dump").field("silence", &self.silence).finish_non_exhaustive()
    }
}

/// What the server does at the end of its binlog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blocking {
    WaitForMore,
    StopAtEnd,
}

type Polled = Option<Result<PartedEvent, mysql_async::Error>>;

/// Polls the library's stream; its panic on malformed bytes is an error. The stream is not polled
/// again after one, so that its state does not matter.
fn poll_guarded(
    stream: Pin<&mut BinlogStream>,
    cx: &mut Context<'_>,
) -> Poll<Result<Polled, Broken>> {
    match std::panic::catch_unwind(AssertUnwindSafe(|| stream.poll_next(cx))) {
        Ok(polled) => polled.map(Ok),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or_default();
            Poll::Ready(Err(Broken::Malformed(format!("an event is not whole: {text}"))))
        }
    }
}

fn broken(error: mysql_async::Error) -> Broken {
    use std::io::ErrorKind::{InvalidData, InvalidInput, Other};

    use mysql_async::{Error, IoError};
    match error {
        Error::Server(refused) => Broken::Refused(refused),
        // Socket errors have other kinds; these are the decoder's.
        Error::Io(IoError::Io(e)) if matches!(e.kind(), InvalidData | InvalidInput | Other) => {
            Broken::Malformed(e.to_string())
        }
        Error::Io(e) => Broken::Lost(e.to_string()),
        Error::Driver(e) => Broken::Malformed(e.to_string()),
        Error::Other(e) => Broken::Lost(e.to_string()),
        Error::Url(e) => Broken::Lost(e.to_string()),
    }
}

fn replica_variables(
    options: &SourceOptions,
    server: &Server,
    start: &Start,
    uuid: &str,
) -> String {
    let period = options.heartbeat.as_nanos();
    // Servers look for their own spelling of each and ignore the other.
    let mut sql = format!(
        "SET @master_heartbeat_period = {period}, @source_heartbeat_period = {period}, \
         @slave_uuid = '{uuid}', @replica_uuid = '{uuid}'"
    );
    if server.is_mariadb() {
        // 4: the server sends its GTIDs as they are (`MARIA_SLAVE_CAPABILITY_GTID`). Strict: the very
        // transaction that we ask to go on from must be in its log, not only a later number.
        sql.push_str(
            ", @mariadb_slave_capability = 4, @slave_gtid_strict_mode = 1, \
             @slave_gtid_ignore_duplicates = 0",
        );
        if let Start::Gtids(Gtids::Mariadb(last)) = start {
            sql.push_str(&format!(", @slave_connect_state = '{last}'"));
        }
    }
    sql
}

fn sids(set: &model::GtidSet) -> Result<Vec<Sid<'static>>, BinlogError> {
    let one = |(source, intervals): (&model::gtid::GtidSource, &[(u64, u64)])| {
        let mut text = source.to_string();
        for (first, last) in intervals {
            text.push_str(&format!(":{first}-{last}"));
        }
        text.parse::<Sid<'static>>().map_err(|_| BinlogError::Answer {
            what: "cannot put a GTID set into the protocol",
            answer: text.clone(),
        })
    };
    set.iter().map(one).collect()
}

/// What a short look into the binlog found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Probed {
    /// When the file was begun, seconds since the epoch.
    pub(crate) begun: u32,
}

/// Opens a dump at `start`, reads as far as the first real event, and closes it again. Does not
/// disturb a dump that runs under the job's own server id.
pub(crate) async fn probe(
    options: &SourceOptions,
    server: &Server,
    start: Start,
) -> Result<Probed, BinlogError> {
    let conn = connect(options).await?;
    let mut dump = Dump::open(conn, options, server, &start, Blocking::StopAtEnd).await?;
    loop {
        match dump.next().await {
            Ok(Some(event)) if event.raw.header.event_type == kind::FORMAT_DESCRIPTION => {
                return Ok(Probed { begun: event.raw.header.timestamp });
            }
            Ok(Some(_)) => {}
            Ok(None) => {
                return Err(BinlogError::Answer {
                    what: "the binlog dump ended before its first event",
                    answer: format!("{start:?}"),
                });
            }
            Err(broken) => return Err(broken.into_error(&format!("{start:?}"))),
        }
    }
}

/// True where a transaction without a GTID lies between `from` and the head of file `to`. Does not
/// disturb a dump that runs.
pub(crate) async fn has_anonymous(
    options: &SourceOptions,
    server: &Server,
    from: &BinlogPosition,
    to: &BinlogFile,
) -> Result<bool, BinlogError> {
    let conn = connect(options).await?;
    let start = Start::At(from.clone());
    let mut dump = Dump::open(conn, options, server, &start, Blocking::StopAtEnd).await?;
    let format = FormatDescription::initial(server.flavor);
    loop {
        let raw = match dump.next().await {
            Ok(Some(event)) => event.raw,
            Ok(None) => return Ok(false),
            Err(broken) if broken.is_anonymous() => return Ok(true),
            Err(broken) => return Err(broken.into_error(&from.to_string())),
        };
        match raw.header.event_type {
            kind::ANONYMOUS_GTID => return Ok(true),
            kind::ROTATE => {
                let at = from.to_string();
                let event = Event::decode(&raw, &format);
                let event = event.map_err(|source| BinlogError::Decode { at, source })?;
                if matches!(event, Event::Rotate(rotate) if rotate.file >= *to) {
                    return Ok(false);
                }
            }
            _ => {}
        }
    }
}

impl Broken {
    /// True where the server ended the dump for another one with our id: connecting again would
    /// end that one's in turn (error 1236, or 4052 on MariaDB).
    pub(crate) fn is_same_server_id(&self) -> bool {
        matches!(self, Self::Refused(e) if e.message.contains("same server_uuid/server_id"))
    }

    /// The GTID that we asked to go on from, where MariaDB's log has a later number of its domain and
    /// not that one (`sql_repl.cc`, with `@slave_gtid_strict_mode`).
    pub(crate) fn missing_gtid(&self) -> Option<&str> {
        let Self::Refused(e) = self else { return None };
        let (_, rest) = e.message.split_once("is missing the GTID ")?;
        rest.split_whitespace().next()
    }

    /// True where the server met a transaction without a GTID, which it does not send while
    /// `gtid_mode` is ON.
    pub(crate) fn is_anonymous(&self) -> bool {
        matches!(self, Self::Refused(e) if e.message.contains("anonymous transaction"))
    }

    /// As the error of a stream that stood at `at`.
    pub(crate) fn into_error(self, at: &str) -> BinlogError {
        let at = at.to_owned();
        if self.is_anonymous() {
            return BinlogError::Anonymous { position: at };
        }
        match self {
            Self::Refused(refused) => BinlogError::Query {
                what: format!("read the binlog from {at}"),
                source: mysql_async::Error::Server(refused),
            },
            Self::Lost(what) | Self::Malformed(what) => BinlogError::Stream { at, what },
            Self::Silent(silent) => BinlogError::Silent { at, silent },
            Self::Decode(source) => BinlogError::Decode { at, source },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compressed_transaction_must_unpack_to_the_size_it_declares() {
        let mut payload = Payload { missing: 100 };
        payload.inner(60).unwrap();
        payload.inner(40).unwrap();
        assert!(payload.inner(1).is_err(), "more than declared");
        let mut payload = Payload { missing: 100 };
        payload.inner(60).unwrap();
        let raw = RawEvent { header: EventHeader::default(), body: Bytes::new() };
        assert!(payload.outer(&raw).is_err(), "less than declared");
    }

    #[test]
    fn gtid_sets_with_tags_and_holes_fit_the_protocol() {
        let u = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
        let set = format!("{u}:1-5:7,{u}:blue:1-3").parse().unwrap();
        assert_eq!(sids(&set).unwrap().len(), 2);
    }

    #[test]
    fn the_replica_uuid_stays_for_the_life_of_the_process() {
        assert_eq!(replica_uuid(7), replica_uuid(7));
        assert_ne!(replica_uuid(7), replica_uuid(8), "jobs of one process are not one replica");
        assert!(uuid::Uuid::parse_str(&replica_uuid(7)).is_ok());
    }
}
