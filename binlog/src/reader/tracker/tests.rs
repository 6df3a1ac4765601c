use bytes::Bytes;
use model::{Gtid, GtidSet, MariaGtid};
use uuid::Uuid;

use super::*;
use crate::Flavor;
use crate::event::{FormatDescription, GtidEvent, QueryEvent, XaPrepare, Xid};

mod xa;

const U: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";

/// An event of a made-up binlog.
#[derive(Clone)]
struct Logged {
    header: EventHeader,
    event: Event,
    start: u64,
    end: u64,
    /// Number of the transaction it belongs to.
    group: Option<u64>,
}

/// Writes a binlog file `b.000001`, event by event.
struct Log {
    events: Vec<Logged>,
    at: u64,
    gtids: bool,
    sequence: u64,
    group: Option<u64>,
}

fn gtid(sequence: u64) -> Gtid {
    Gtid::new(Uuid::parse_str(U).unwrap(), "", sequence)
}

fn file(n: u64) -> BinlogFile {
    format!("b.{n:06}").parse().unwrap()
}

fn place(offset: u64) -> BinlogPosition {
    BinlogPosition { file: file(1), offset }
}

fn query(sql: &str) -> Event {
    Event::Query(QueryEvent {
        thread_id: 1,
        error_code: 0,
        db: "d".into(),
        sql: sql.into(),
        sql_exact: true,
        sql_mode: None,
        charset: None,
        default_collation_for_utf8mb4: None,
        database_collation: None,
    })
}

fn rows() -> Event {
    // What the tracker is told of rows is only that they came.
    Event::RowsQuery(Bytes::from_static(b"rows"))
}

fn format() -> Event {
    Event::FormatDescription(FormatDescription::initial(Flavor::MySql))
}

impl Log {
    fn new(gtids: bool) -> Self {
        let mut log = Self { events: Vec::new(), at: FILE_START, gtids, sequence: 0, group: None };
        log.push(kind::FORMAT_DESCRIPTION, 100, format());
        if gtids {
            log.push(kind::PREVIOUS_GTIDS, 50, Event::PreviousGtids(GtidSet::default()));
        }
        log
    }

    fn push(&mut self, event_type: u8, size: u32, event: Event) {
        let start = self.at;
        self.at += u64::from(size);
        let log_pos = u32::try_from(self.at & 0xffff_ffff).unwrap();
        let header = EventHeader {
            timestamp: u32::try_from(self.sequence).unwrap(),
            event_type,
            event_size: size,
            log_pos,
            ..EventHeader::default()
        };
        self.events.push(Logged { header, event, start, end: self.at, group: self.group });
    }

    fn begin(&mut self) -> &mut Self {
        self.sequence += 1;
        self.group = Some(self.sequence);
        if self.gtids {
            let event = GtidEvent { gtid: gtid(self.sequence), commit_us: None };
            self.push(kind::GTID, 65, Event::Gtid(event));
        }
        self
    }

    fn add(&mut self, event: Event) -> &mut Self {
        let event_type =
            if matches!(event, Event::RowsQuery(_)) { kind::WRITE_ROWS } else { kind::QUERY };
        self.push(event_type, 80, event);
        self
    }

    fn finish(&mut self) -> &mut Self {
        self.group = None;
        self
    }

    fn transaction(&mut self, rows_events: usize) -> &mut Self {
        self.begin().add(query("BEGIN"));
        for _ in 0..rows_events {
            self.add(rows());
        }
        self.push(kind::XID, 31, Event::Xid(1));
        self.finish()
    }

    fn ddl(&mut self) -> &mut Self {
        self.begin().add(query("CREATE TABLE t (a int)")).finish()
    }

    fn xa_prepared(&mut self, rows_events: usize) -> &mut Self {
        self.begin().add(query("XA START X'67',X'',1"));
        for _ in 0..rows_events {
            self.add(rows());
        }
        self.add(query("XA END X'67',X'',1"));
        self.push(kind::XA_PREPARE, 40, prepare(false));
        self.finish()
    }

    fn xa_verdict(&mut self, verb: &str) -> &mut Self {
        self.begin().add(query(&format!("XA {verb} X'67',X'',1"))).finish()
    }
}

fn xid() -> Xid {
    Xid { format_id: 1, gtrid: Bytes::from_static(b"g"), bqual: Bytes::new() }
}

fn prepare(one_phase: bool) -> Event {
    Event::XaPrepare(XaPrepare { one_phase, xid: xid() })
}

/// What a caller sees: the step, or the rows event that ends there.
fn feed(tracker: &mut Tracker, logged: &Logged) -> Option<String> {
    let located = tracker.locate(&logged.header, false);
    let seen = if logged.header.event_type == kind::WRITE_ROWS {
        let delivered = tracker.rows().unwrap() == RowsStep::Deliver;
        if delivered {
            tracker.delivered();
        }
        delivered.then(|| "rows".to_owned())
    } else {
        match tracker.apply(&logged.event, &logged.header, located).unwrap() {
            Step::Nothing | Step::Progress => None,
            step @ (Step::Begin(_)
            | Step::Query { .. }
            | Step::Commit
            | Step::Prepared(_)
            | Step::XaCommit(_)
            | Step::XaRollback(_)) => Some(format!("{step:?}")),
        }
    };
    seen.map(|what| format!("{what} {}", tracker.offset()))
}

/// Opens a dump as a server does: a made-up rotation, the file's description, then all that the
/// position lacks.
fn dump(tracker: &mut Tracker, log: &Log) -> Vec<Logged> {
    let position = tracker.position().clone();
    tracker.connected(&Connected::default());
    let from = match &position.gtids {
        Gtids::None => position.binlog.offset,
        Gtids::Mysql(_) | Gtids::Mariadb(_) => FILE_START,
    };
    tracker.rotate(&Rotate { file: file(1), offset: from }, false);
    let lacks = |logged: &&Logged| match (&position.gtids, logged.group) {
        (Gtids::Mysql(have), Some(group)) => !have.contains(&gtid(group)),
        (Gtids::None, _) => logged.start >= position.binlog.offset,
        _ => true,
    };
    let mut events: Vec<Logged> = log.events.iter().filter(lacks).cloned().collect();
    if from > FILE_START {
        let mut description = log.events[0].clone();
        description.header.log_pos = 0;
        events.insert(0, description);
    }
    events
}

fn fresh(gtids: bool) -> Tracker {
    let gtids = if gtids { Gtids::Mysql(GtidSet::default()) } else { Gtids::None };
    Tracker::new(Position { gtids, binlog: place(FILE_START), in_transaction: None }, None)
}

fn sample(gtids: bool) -> Log {
    let mut log = Log::new(gtids);
    log.transaction(3).ddl().transaction(0).transaction(2);
    log.begin().add(query("BEGIN")).add(query("SAVEPOINT `a`")).add(rows()).add(query("COMMIT"));
    log.finish();
    log.xa_prepared(2).transaction(1).xa_verdict("ROLLBACK");
    log
}

#[test]
fn a_cut_at_any_event_resumes_without_loss_or_repetition() {
    for gtids in [true, false] {
        let log = sample(gtids);
        let mut tracker = fresh(gtids);
        let events = dump(&mut tracker, &log);
        let whole: Vec<_> = events.iter().filter_map(|e| feed(&mut tracker, e)).collect();
        let end = tracker.position().clone();
        assert_eq!(whole.iter().filter(|s| s.starts_with("rows")).count(), 9);
        for cut in 0..=events.len() {
            let mut tracker = fresh(gtids);
            let events = dump(&mut tracker, &log);
            let mut seen: Vec<_> =
                events[..cut].iter().filter_map(|e| feed(&mut tracker, e)).collect();
            let again = dump(&mut tracker, &log);
            seen.extend(again.iter().filter_map(|e| feed(&mut tracker, e)));
            assert_eq!(seen, whole, "gtids {gtids}, cut after {cut} events");
            assert_eq!(tracker.position(), &end, "gtids {gtids}, cut after {cut} events");
        }
    }
}

#[test]
fn a_statement_before_rows_that_are_applied_is_not_handed_out_again() {
    let mut log = Log::new(true);
    log.begin().add(query("BEGIN")).add(query("CREATE TABLE t (a int) START TRANSACTION"));
    log.add(rows()).add(rows()).push(kind::XID, 31, Event::Xid(1));
    for (cut, again) in [(5, true), (6, false), (7, false)] {
        let mut tracker = fresh(true);
        dump(&mut tracker, &log)[..cut].iter().for_each(|e| drop(feed(&mut tracker, e)));
        let rest = dump(&mut tracker, &log);
        let seen: Vec<_> = rest.iter().filter_map(|e| feed(&mut tracker, e)).collect();
        assert_eq!(seen.iter().any(|s| s.starts_with("Query")), again, "cut after {cut}: {seen:?}");
    }
}

#[test]
fn a_gtid_enters_the_set_at_the_end_of_its_transaction_only() {
    let mut log = Log::new(true);
    log.transaction(2);
    let mut tracker = fresh(true);
    let events = dump(&mut tracker, &log);
    for logged in &events[..events.len() - 1] {
        feed(&mut tracker, logged);
        assert_eq!(tracker.position().gtids.to_string(), "");
    }
    let inside = tracker.position().in_transaction.clone().unwrap();
    assert_eq!((inside.gtid.as_deref(), inside.rows_events), (Some(&*format!("{U}:1")), 2));
    feed(&mut tracker, events.last().unwrap());
    assert_eq!(tracker.position().gtids.to_string(), format!("{U}:1"));
    assert_eq!(tracker.position().in_transaction, None);
}

#[test]
fn made_up_rotations_and_old_descriptions_never_move_the_position() {
    let log = sample(true);
    let mut tracker = fresh(true);
    for logged in &dump(&mut tracker, &log) {
        feed(&mut tracker, logged);
    }
    let before = tracker.position().clone();
    for logged in &dump(&mut tracker, &log) {
        feed(&mut tracker, logged);
        assert_eq!(tracker.position(), &before);
    }
}

#[test]
fn a_rotation_moves_the_position_to_the_next_file() {
    let mut tracker = fresh(true);
    let header = EventHeader {
        event_size: 44,
        log_pos: 4 + 44,
        event_type: kind::ROTATE,
        ..Default::default()
    };
    let located = tracker.locate(&header, false);
    let step = tracker.rotate(&Rotate { file: file(2), offset: FILE_START }, located);
    assert_eq!(step, Step::Progress);
    assert_eq!(tracker.position().binlog.to_string(), "b.000002:4");
}

#[test]
fn a_heartbeat_moves_an_idle_position_and_not_that_of_an_open_transaction() {
    let beat = |offset| Heartbeat { file: "b.000001".into(), offset };
    let mut tracker = fresh(true);
    assert_eq!(tracker.heartbeat(&beat(500)), Step::Progress);
    assert_eq!(tracker.position().binlog, place(500));
    assert_eq!(tracker.heartbeat(&beat(400)), Step::Nothing, "never back");
    let mut log = Log::new(true);
    log.transaction(1);
    let mut tracker = fresh(true);
    for logged in &dump(&mut tracker, &log)[..4] {
        feed(&mut tracker, logged);
    }
    let before = tracker.position().clone();
    assert_eq!(tracker.heartbeat(&beat(9999)), Step::Nothing);
    assert_eq!(tracker.position(), &before);
}

#[test]
fn offsets_go_on_past_4_gib_where_headers_wrap() {
    let counted = (1_u64 << 32) + 50;
    assert_eq!(extend(50, counted), counted);
    assert_eq!(extend(0xffff_fff0, 0xffff_fff0), 0xffff_fff0);
    assert_eq!(extend(10, 0xffff_fff0), (1 << 32) + 10, "the header wrapped");
    assert_eq!(extend(2_000_000_000, 500), 2_000_000_000, "events were left out");
    assert_eq!(extend(0, 700), 700, "no place told: counted");
    assert_eq!(extend(600, 700), 700, "a place behind us: counted");
    let mut log = Log::new(false);
    log.at = (1 << 32) - 100;
    log.transaction(4);
    let mut tracker = fresh(false);
    tracker.cursor = place((1 << 32) - 100);
    for logged in &log.events[1..] {
        feed(&mut tracker, logged);
    }
    assert_eq!(tracker.position().binlog, place(log.at));
    assert!(log.at > 1 << 32);
}

#[test]
fn a_stream_resumed_past_4_gib_passes_over_what_lies_before() {
    // The protocol has no such offset: the dump begins at the head of the file.
    let mut log = Log::new(false);
    log.transaction(1);
    log.at = (1 << 32) - 200;
    log.transaction(2).transaction(1);
    let place = place(log.events.iter().rev().find(|e| e.group == Some(2)).unwrap().end);
    assert!(place.offset > 1 << 32);
    let mut tracker =
        Tracker::new(Position { gtids: Gtids::None, binlog: place, in_transaction: None }, None);
    tracker.connected(&Connected { from_head: true, ..Default::default() });
    tracker.rotate(&Rotate { file: file(1), offset: FILE_START }, false);
    let seen: Vec<_> = log.events.iter().filter_map(|e| feed(&mut tracker, e)).collect();
    assert_eq!(seen.iter().filter(|s| s.starts_with("rows")).count(), 1, "{seen:?}");
    assert_eq!(tracker.position().binlog.offset, log.at);
    // An old-style heartbeat has the lower half of it.
    let low = log.at & 0xffff_ffff;
    let beat = Heartbeat { file: "b.000001".into(), offset: low };
    assert_eq!(tracker.heartbeat(&beat), Step::Nothing);
    assert_eq!(tracker.heartbeat(&Heartbeat { offset: low + 90, ..beat }), Step::Progress);
    assert_eq!(tracker.position().binlog.offset, log.at + 90);
}

#[test]
fn a_stream_from_a_file_takes_its_gtids_from_the_head_and_hands_out_from_the_place_on() {
    let log = sample(true);
    let second = log.events.iter().find(|e| e.group == Some(2)).unwrap().start;
    let mut tracker = Tracker::new(
        Position { gtids: Gtids::None, binlog: place(second), in_transaction: None },
        None,
    );
    tracker.connected(&Connected { from_head: true, incomplete: true, ..Default::default() });
    tracker.rotate(&Rotate { file: file(1), offset: FILE_START }, false);
    let mut seen = vec![];
    for event in &log.events {
        seen.extend(feed(&mut tracker, event));
        if event.end < second {
            // Cut here, and asked for by a set of its own, the rest of the way would come out.
            assert_eq!(tracker.position().gtids, Gtids::None);
        }
    }
    assert!(seen[0].starts_with("Query"), "{seen:?}");
    assert_eq!(tracker.position().gtids.to_string(), format!("{U}:1-8"));
}

#[test]
fn a_stream_from_inside_a_transaction_is_refused() {
    let log = sample(true);
    let inside = log.events.iter().find(|e| e.group == Some(1)).unwrap().end;
    let mut tracker = Tracker::new(
        Position { gtids: Gtids::None, binlog: place(inside), in_transaction: None },
        None,
    );
    tracker.connected(&Connected { from_head: true, incomplete: true, ..Default::default() });
    tracker.rotate(&Rotate { file: file(1), offset: FILE_START }, false);
    let error = log.events.iter().find_map(|logged| {
        let located = tracker.locate(&logged.header, false);
        if logged.header.event_type == kind::WRITE_ROWS {
            return tracker.rows().err();
        }
        tracker.apply(&logged.event, &logged.header, located).err()
    });
    assert!(error.unwrap().to_string().contains("lies inside the transaction"));
}

#[test]
fn a_stream_from_a_time_passes_over_what_is_older_and_counts_its_gtids() {
    let log = sample(true);
    let mut tracker = Tracker::new(
        Position { gtids: Gtids::None, binlog: place(FILE_START), in_transaction: None },
        Some(Skip::Before(3)),
    );
    tracker.connected(&Connected { from_head: true, incomplete: true, ..Default::default() });
    let seen: Vec<_> = log.events.iter().filter_map(|e| feed(&mut tracker, e)).collect();
    assert!(seen[0].starts_with("Begin"), "{seen:?}");
    assert_eq!(seen.iter().filter(|s| s.starts_with("rows")).count(), 6);
    assert_eq!(tracker.position().gtids.to_string(), format!("{U}:1-8"));
}

#[test]
fn another_transaction_before_the_rest_of_the_open_one_is_refused() {
    let mut log = Log::new(true);
    log.transaction(2).transaction(1);
    let mut tracker = fresh(true);
    for logged in &dump(&mut tracker, &log)[..5] {
        feed(&mut tracker, logged);
    }
    tracker.connected(&Connected { other_server: true, ..Default::default() });
    let other = log.events.iter().find(|e| e.group == Some(2)).unwrap();
    tracker.locate(&other.header, false);
    let error = tracker.apply(&other.event, &other.header, true).unwrap_err();
    assert!(error.to_string().contains("another order"), "{error}");
}

#[test]
fn rolled_back_rows_are_never_taken_for_committed_ones() {
    for sql in ["ROLLBACK", "ROLLBACK TO `a`"] {
        let mut log = Log::new(true);
        log.begin().add(query("BEGIN")).add(rows());
        let mut tracker = fresh(true);
        for logged in &dump(&mut tracker, &log) {
            feed(&mut tracker, logged);
        }
        assert!(tracker.apply(&query(sql), &EventHeader::default(), true).is_err(), "{sql}");
    }
}

#[test]
fn mariadb_transactions_begin_with_their_gtid_and_standalone_ones_are_one_event() {
    let maria = |sequence, standalone| {
        Event::MariaGtid(MariaGtidEvent {
            gtid: MariaGtid { domain: 0, server: 1, sequence },
            standalone,
            flags: 0,
            xa: None,
            flags_extra: 0,
        })
    };
    let header = EventHeader { event_size: 42, event_type: kind::MARIA_GTID, ..Default::default() };
    let mut tracker = fresh(false);
    tracker.position.gtids = Gtids::Mariadb("0-1-4".parse().unwrap());
    assert_eq!(tracker.apply(&maria(5, true), &header, true).unwrap(), Step::Nothing);
    let ddl = tracker.apply(&query("CREATE TABLE t (a int)"), &header, true).unwrap();
    assert_eq!(ddl, Step::Query { in_transaction: false });
    assert_eq!(tracker.position().gtids.to_string(), "0-1-5");
    let begin = Step::Begin(Settled::Here);
    assert_eq!(tracker.apply(&maria(6, false), &header, true).unwrap(), begin);
    tracker.rows().unwrap();
    assert_eq!(tracker.position().gtids.to_string(), "0-1-5");
    assert_eq!(tracker.apply(&Event::Xid(1), &header, true).unwrap(), Step::Commit);
    assert_eq!(tracker.position().gtids.to_string(), "0-1-6");
}

#[test]
fn incidents_and_unknown_events_stop_the_stream() {
    let mut tracker = fresh(true);
    let incident = crate::event::Incident { kind: 1, message: "lost".into() };
    let header = EventHeader::default();
    let error = tracker.apply(&Event::Incident(incident), &header, true).unwrap_err();
    assert!(matches!(error, BinlogError::Incident { .. }));
    assert!(tracker.apply(&Event::Unsupported(172), &header, true).is_err());
    assert!(fresh(true).rows().is_err(), "rows outside a transaction");
}

#[test]
fn a_transaction_that_a_crash_cut_off_is_refused_once_its_rows_went_out() {
    let mut log = Log::new(true);
    log.begin().add(query("BEGIN")).add(rows());
    let mut tracker = fresh(true);
    for logged in &dump(&mut tracker, &log) {
        feed(&mut tracker, logged);
    }
    assert!(tracker.apply(&format(), &EventHeader::default(), true).is_err());
}

#[test]
fn a_server_that_gives_up_gtids_leaves_a_position_by_file() {
    let mut tracker = fresh(true);
    let event = GtidEvent { gtid: gtid(1), commit_us: None };
    tracker.apply(&Event::AnonymousGtid(event), &EventHeader::default(), true).unwrap();
    assert_eq!(tracker.position().gtids, Gtids::None);
}
