//! Where the stream stands: a function of its events, without socket or clock.
//!
//! INVARIANT resume-exact: [`Tracker::position`] names exactly what was handed out. A transaction's
//! GTID enters the set at its end and no other way; made-up events (the rotation that opens every
//! dump, heartbeats inside a transaction) never move the position; inside a transaction every rows
//! event is counted, so that a new connection can skip that many.
//! Test: a_cut_at_any_event_resumes_without_loss_or_repetition.

use std::cmp::Ordering;
use std::sync::Arc;

use model::position::InTransaction;
use model::{BinlogFile, BinlogPosition, Gtids, Position};

use super::{BinlogError, Settled};
use crate::event::{Event, Heartbeat, MariaGtidEvent, MariaXa, Rotate, Xid, kind};
use crate::packet::EventHeader;
use crate::server::FILE_START;

mod group;
mod statements;

use group::{Group, Id};

/// What is read but not handed out at the start of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Skip {
    /// Transactions that begin before this place.
    Until(BinlogPosition),
    /// Transactions before the first one of this second or later (since the epoch).
    Before(i64),
}

/// How a new dump relates to the position.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Connected {
    /// Its files are not those of the last dump.
    pub(crate) other_server: bool,
    /// It begins at the head of the position's file, before the position.
    pub(crate) from_head: bool,
    /// The server has GTIDs and the position has none yet: the file's head tells them.
    pub(crate) incomplete: bool,
}

/// What an event means to the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Nothing,
    /// The position moved, outside transactions.
    Progress,
    Begin(Settled),
    /// A statement: inside an open transaction, or one of its own that is over with it.
    Query {
        in_transaction: bool,
    },
    Commit,
    /// The transaction is over and prepared.
    Prepared(Xid),
    /// A transaction of its own: what was prepared before is committed.
    XaCommit(Xid),
    /// A transaction of its own: what was prepared before is undone.
    XaRollback(Xid),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowsStep {
    Deliver,
    /// Handed out before, or before the start that was asked for.
    Skip,
}

#[derive(Debug)]
pub(crate) struct Tracker {
    position: Position,
    /// The end of the last event of the file that is being sent.
    cursor: BinlogPosition,
    group: Option<Group>,
    /// What of a transaction was applied before this connection, until that transaction comes.
    resume: Option<InTransaction>,
    skip: Option<Skip>,
    /// The GTIDs before the cursor, while it is short of the place that the stream is to begin at:
    /// with that place they would be no position.
    learned: Gtids,
    /// The GTIDs before the stream's start are still to come, at the head of its first file.
    incomplete: bool,
    /// The next event's place holds whatever the one before was: it is of another server.
    rebase: bool,
}

impl Tracker {
    pub(crate) fn new(position: Position, skip: Option<Skip>) -> Self {
        let cursor = position.binlog.clone();
        Self {
            position,
            cursor,
            group: None,
            resume: None,
            skip,
            learned: Gtids::None,
            incomplete: false,
            rebase: false,
        }
    }

    pub(crate) fn position(&self) -> &Position {
        &self.position
    }

    /// `position` names no place in the files: the first event does.
    pub(crate) fn anywhere(self) -> Self {
        Self { rebase: true, ..self }
    }

    /// True where the stream goes on from another server, and the position's file is not of that.
    pub(crate) fn has_moved(&self) -> bool {
        self.rebase
    }

    pub(crate) fn file(&self) -> &Arc<str> {
        self.cursor.file.name()
    }

    pub(crate) fn cursor(&self) -> &BinlogPosition {
        &self.cursor
    }

    /// End of the last event, in its file.
    pub(crate) fn offset(&self) -> u64 {
        self.cursor.offset
    }

    pub(crate) fn gtid(&self) -> Option<Arc<str>> {
        self.group.as_ref().and_then(|g| g.gtid.clone())
    }

    pub(crate) fn is_skipping(&self) -> bool {
        self.skip.is_some() || self.group.as_ref().is_some_and(|g| g.skipped)
    }

    /// Where the open transaction is settled.
    pub(crate) fn settled(&self) -> Settled {
        match &self.group {
            Some(Group { xa: Some(_), .. }) => Settled::Later,
            Some(_) | None => Settled::Here,
        }
    }

    /// A new dump begins, from the position.
    pub(crate) fn connected(&mut self, dump: &Connected) {
        self.group = None;
        if dump.other_server {
            // Nothing of it is out, and this server may put others first.
            self.position.in_transaction.take_if(|inside| inside.rows_events == 0);
        }
        self.resume = self.position.in_transaction.clone();
        self.cursor = self.position.binlog.clone();
        self.rebase |= dump.other_server;
        self.incomplete = dump.incomplete;
        // Before a time, all that the new dump sends is told by its own time again.
        if !matches!(self.skip, Some(Skip::Before(_))) {
            let place = self.position.binlog.clone();
            self.skip = dump.from_head.then_some(Skip::Until(place));
            self.learned = Gtids::None;
        }
    }

    /// Reads where an event ends. False for one that is not in the file, or not as it came.
    pub(crate) fn locate(&mut self, header: &EventHeader, inner: bool) -> bool {
        let made_up = header.is_artificial()
            || matches!(header.event_type, kind::HEARTBEAT | kind::HEARTBEAT_V2);
        // Sent at the start of a dump from anywhere, it tells of the file's head.
        let elsewhere = header.event_type == kind::FORMAT_DESCRIPTION
            && (header.log_pos == 0 || self.cursor.offset != FILE_START);
        if inner || made_up || elsewhere {
            return false;
        }
        let counted = self.cursor.offset.saturating_add(u64::from(header.event_size));
        self.cursor.offset = extend(header.log_pos, counted);
        true
    }

    /// A rotation. Made up, it only says which file comes; else the position moves to that file.
    pub(crate) fn rotate(&mut self, rotate: &Rotate, located: bool) -> Step {
        self.cursor = BinlogPosition { file: rotate.file.clone(), offset: rotate.offset };
        if located { self.moved() } else { Step::Nothing }
    }

    /// Nothing happened up to the heartbeat's place, or only what we have applied before.
    pub(crate) fn heartbeat(&mut self, heartbeat: &Heartbeat) -> Step {
        let Ok(file) = heartbeat.file.parse::<BinlogFile>() else { return Step::Nothing };
        if self.group.is_some() || heartbeat.offset < FILE_START {
            return Step::Nothing;
        }
        let same_file = file == self.cursor.file;
        let at_least = if same_file { self.cursor.offset } else { FILE_START };
        let offset = match u32::try_from(heartbeat.offset) {
            Ok(low) => extend(low, at_least),
            Err(_) => heartbeat.offset.max(at_least),
        };
        self.cursor = BinlogPosition { file, offset };
        self.moved()
    }

    /// Any other event but rows. `located`: as [`Tracker::locate`] answered.
    pub(crate) fn apply(
        &mut self,
        event: &Event,
        header: &EventHeader,
        located: bool,
    ) -> Result<Step, BinlogError> {
        match event {
            Event::FormatDescription(_) => self.new_file(located),
            Event::PreviousGtids(set) => {
                if self.incomplete {
                    *self.gtids() = Gtids::Mysql(set.clone());
                    self.incomplete = false;
                }
                Ok(self.passed(located))
            }
            Event::MariaGtidList(last) => {
                if self.incomplete {
                    *self.gtids() = Gtids::Mariadb(last.clone());
                    self.incomplete = false;
                }
                Ok(self.passed(located))
            }
            Event::Gtid(gtid) => {
                let text = gtid.gtid.to_string();
                self.open(Id::Mysql(gtid.gtid.clone()), Some(text.into()), header)?;
                Ok(Step::Nothing)
            }
            Event::AnonymousGtid(_) => {
                self.anonymous();
                self.open(Id::None, None, header)?;
                Ok(Step::Nothing)
            }
            Event::MariaGtid(gtid) => self.maria(gtid, header),
            Event::Query(query) => self.query(&query.sql, header),
            Event::Xid(_) => self.end(),
            Event::XaPrepare(prepare) if prepare.one_phase => self.end(),
            Event::XaPrepare(prepare) => self.prepared(prepare),
            Event::Incident(incident) if !self.is_skipping() => Err(BinlogError::Incident {
                at: self.cursor.to_string(),
                what: incident.message.clone(),
            }),
            Event::Unsupported(number) if !self.is_skipping() => {
                Err(self.unsupported(format!("an event of unknown type {number}")))
            }
            Event::Rotate(rotate) => Ok(self.rotate(rotate, located)),
            Event::Heartbeat(heartbeat) => Ok(self.heartbeat(heartbeat)),
            Event::Incident(_)
            | Event::Unsupported(_)
            | Event::TableMap(_)
            | Event::Rows(_)
            | Event::RowsQuery(_)
            | Event::TransactionPayload(_)
            | Event::Stop
            | Event::Ignorable(_) => Ok(self.passed(located)),
        }
    }

    /// A rows event.
    pub(crate) fn rows(&mut self) -> Result<RowsStep, BinlogError> {
        let Some(group) = self.group.as_mut().filter(|g| g.open) else {
            return Err(self.unsupported("rows outside a transaction".to_owned()));
        };
        group.rows_events += 1;
        if group.skipped || group.rows_events <= group.applied {
            return Ok(RowsStep::Skip);
        }
        if let Some(inside) = &mut self.position.in_transaction {
            inside.rows_events = group.rows_events;
        }
        Ok(RowsStep::Deliver)
    }

    /// The rows event just counted is handed out.
    pub(crate) fn delivered(&mut self) {
        if let Some(group) = &mut self.group {
            group.delivered = true;
        }
    }

    fn open(
        &mut self,
        id: Id,
        gtid: Option<Arc<str>>,
        header: &EventHeader,
    ) -> Result<(), BinlogError> {
        if let Some(before) = &self.group {
            let start = before.start.to_string();
            return Err(self.unsupported(format!("the transaction at {start}, which has no end")));
        }
        let offset = self.cursor.offset.saturating_sub(u64::from(header.event_size));
        let start = BinlogPosition { file: self.cursor.file.clone(), offset };
        let skipped = self.skips(&start, header)?;
        if !skipped {
            self.position.binlog = start.clone();
            self.rebase = false;
        }
        let resume = if skipped { None } else { self.resume.take() };
        if let (Some(want), Some(have)) = (resume.as_ref().and_then(|r| r.gtid.as_deref()), &gtid)
            && want != &**have
        {
            let what = format!(
                "{have} before the rest of transaction {want}, of which a part is applied (the \
                 server holds transactions in another order than the one before)"
            );
            return Err(self.unsupported(what));
        }
        self.group = Some(Group {
            id,
            gtid,
            start,
            open: false,
            rows_events: 0,
            applied: resume.as_ref().map_or(0, |r| r.rows_events),
            resumed: resume.is_some(),
            delivered: resume.is_some_and(|r| r.rows_events > 0),
            skipped,
            void: false,
            xa: None,
        });
        Ok(())
    }

    /// Whether a transaction that begins at `start` lies before the start that was asked for.
    fn skips(&mut self, start: &BinlogPosition, header: &EventHeader) -> Result<bool, BinlogError> {
        let skipped = match &self.skip {
            None => false,
            Some(Skip::Until(place)) => match start.partial_cmp(place) {
                Some(order) => order == Ordering::Less,
                None => {
                    return Err(self.unsupported(format!("a stream from {start} up to {place}")));
                }
            },
            Some(Skip::Before(second)) => i64::from(header.timestamp) < *second,
        };
        if !skipped {
            self.arrived();
        }
        Ok(skipped)
    }

    /// What is handed out begins here.
    fn arrived(&mut self) {
        if let Some(Skip::Until(_)) = self.skip.take() {
            self.position.gtids = std::mem::replace(&mut self.learned, Gtids::None);
        }
    }

    /// The GTIDs of all before the cursor, where they are known.
    fn gtids(&mut self) -> &mut Gtids {
        match self.skip {
            Some(Skip::Until(_)) => &mut self.learned,
            Some(Skip::Before(_)) | None => &mut self.position.gtids,
        }
    }

    fn maria(&mut self, event: &MariaGtidEvent, header: &EventHeader) -> Result<Step, BinlogError> {
        const START_ALTER: u8 = 2;
        const ROLLBACK_ALTER: u8 = 8;
        self.open(Id::Maria(event.gtid), Some(event.gtid.to_string().into()), header)?;
        let void = event.flags_extra & (START_ALTER | ROLLBACK_ALTER) != 0;
        let verdict = matches!(event.xa, Some(MariaXa::Completed(_)));
        if let Some(group) = &mut self.group {
            group.void = void;
            if let Some(MariaXa::Prepared(xid)) = &event.xa {
                group.xa = Some(xid.clone());
            }
        }
        if event.standalone || verdict { Ok(Step::Nothing) } else { Ok(self.begin()) }
    }

    fn begin(&mut self) -> Step {
        let Some(group) = &mut self.group else { return Step::Nothing };
        group.open = true;
        if group.skipped || group.resumed {
            return Step::Nothing;
        }
        let gtid = group.gtid.as_deref().map(str::to_owned);
        self.position.in_transaction = Some(InTransaction { gtid, rows_events: 0 });
        Step::Begin(self.settled())
    }

    fn end(&mut self) -> Result<Step, BinlogError> {
        let Some(group) = self.group.take() else {
            return Err(self.unsupported("the end of a transaction that has no beginning".into()));
        };
        if group.rows_events < group.applied {
            let (applied, found) = (group.applied, group.rows_events);
            return Err(self.unsupported(format!(
                "the transaction at {}: {applied} of its rows events are applied, but it has {found}",
                group.start
            )));
        }
        match (self.gtids(), group.id) {
            (Gtids::Mysql(set), Id::Mysql(gtid)) => set.insert(&gtid),
            (Gtids::Mariadb(last), Id::Maria(gtid)) => last.insert(gtid),
            (Gtids::None | Gtids::Mysql(_) | Gtids::Mariadb(_), _) => {}
        }
        if !group.skipped {
            self.position.binlog = self.cursor.clone();
            self.position.in_transaction = None;
            return Ok(Step::Commit);
        }
        if let Some(Skip::Until(place)) = &self.skip {
            if self.cursor > *place {
                let place = place.to_string();
                return Err(self.unsupported(format!(
                    "a stream from {place}, which lies inside the transaction at {}",
                    group.start
                )));
            }
        } else {
            self.position.binlog = self.cursor.clone();
        }
        Ok(Step::Nothing)
    }

    /// The server gave up GTIDs: from here on file and offset are the position. A set that no
    /// longer grows would resume from the past.
    fn anonymous(&mut self) {
        if *self.gtids() != Gtids::None {
            tracing::warn!(at = %self.cursor, "a transaction without a GTID: file and offset are the position from here on");
            *self.gtids() = Gtids::None;
            // The next file tells the whole set again.
            self.incomplete = true;
        }
    }

    /// A file begins. What the file before left open never ended: the server crashed in it.
    fn new_file(&mut self, located: bool) -> Result<Step, BinlogError> {
        self.refuse_delivered(|| "rows of a transaction that the server never finished".into())?;
        if self.group.take().is_some() {
            self.position.in_transaction = None;
        }
        Ok(self.passed(located))
    }

    /// An event of no consequence.
    fn passed(&mut self, located: bool) -> Step {
        if located && self.group.is_none() { self.moved() } else { Step::Nothing }
    }

    /// Outside transactions, everything up to the cursor is applied. The position never goes back
    /// on one server: a dump by GTIDs begins at the head of a file and skips what we have.
    fn moved(&mut self) -> Step {
        if let Some(Skip::Until(place)) = &self.skip {
            if !matches!(self.cursor.partial_cmp(place), Some(Ordering::Greater | Ordering::Equal))
            {
                return Step::Nothing;
            }
            self.arrived();
        }
        let ahead = self.cursor > self.position.binlog;
        // A transaction that we have a part of is still to come again from its start.
        if self.resume.is_some() || !(ahead || self.rebase) {
            return Step::Nothing;
        }
        self.rebase = false;
        self.position.binlog = self.cursor.clone();
        if self.skip.is_some() { Step::Nothing } else { Step::Progress }
    }

    fn refuse_delivered(&self, what: impl FnOnce() -> String) -> Result<(), BinlogError> {
        match &self.group {
            Some(group) if group.delivered => Err(self.unsupported(what())),
            _ => Ok(()),
        }
    }

    fn unsupported(&self, what: String) -> BinlogError {
        BinlogError::Unsupported { at: self.cursor.to_string(), what }
    }
}

/// The offset whose lower 32 bits are `low`, the first one from `counted` up: headers hold no more,
/// and events may be left out in between. Where `low` is missing (0), or is not far enough behind
/// to have wrapped, counting is right (MariaDB leaves it empty inside transactions).
fn extend(low: u32, counted: u64) -> u64 {
    const WRAP: u64 = 1 << 32;
    if low == 0 {
        return counted;
    }
    let near = (counted & !(WRAP - 1)) | u64::from(low);
    if near >= counted {
        near
    } else if counted - near > WRAP / 2 {
        near + WRAP
    } else {
        counted
    }
}

#[cfg(test)]
mod tests;
