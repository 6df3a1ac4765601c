//! `seachange edit`: a new savepoint like an old one, at another position.
//!
//! What a snapshot says, it says of one position. Elsewhere some of it may not hold: that is what the
//! user has to understand, and what [`moved`] takes out or marks.

use std::cmp::Ordering;
use std::sync::Arc;

use model::checkpoint::{OnlineDdlState, SourceState, TableState, Unproven};
use model::{
    BarrierKind, BinlogPosition, Checkpoint, CheckpointId, Clock, GtidSet, Gtids, MariaGtids,
    Position,
};

use super::reference::Reference;
use super::run::SystemClock;
use super::words::{Progress, count};
use super::{Named, Usage, diff, exit, named_or_only, show, state_url};
use crate::cli::EditArgs;
use crate::daemon::ORIGIN;

/// Offset of the first event of a binlog file.
const FILE_START: u64 = 4;

/// Which way a position was moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Forward,
    Back,
    /// The two do not compare, or each has what the other lacks.
    Elsewhere,
}

pub async fn run(args: &EditArgs) -> anyhow::Result<u8> {
    let (job, state) = (args.of.job.as_deref(), &args.of.state);
    let found = args.reference.find(job, state).await?;
    let old = &found.checkpoint;
    let named = match (&args.reference, job) {
        (Reference::Path(_), None) => {
            Named { job: old.job.clone(), state: state_url(state, None)?, retained: None }
        }
        _ => named_or_only(job, state).await?,
    };
    let position = position(args, old).map_err(Usage)?;
    let (source, way) = moved(old, position).map_err(Usage)?;
    let note = match &args.note {
        Some(text) => format!("edited from {}: {text}", old.id),
        None => format!("edited from {}", old.id),
    };
    let mut new = Checkpoint {
        job: named.job.clone(),
        id: CheckpointId(0),
        kind: BarrierKind::Savepoint,
        trigger: "edit".to_owned(),
        note,
        completed_at_ms: SystemClock.now_ms(),
        duration_ms: 0,
        source: Arc::new(source),
        sinks: old.sinks.clone(),
    };
    if !args.i_understand {
        show(format!("{}\nnothing was done: --i-understand does it", meaning(old, &new, way)))?;
        return Ok(exit::USAGE);
    }
    let (store, fence) = super::taken(&named, state).await?;
    let newest = store.list().await?.iter().map(|l| l.id.0).max().unwrap_or(0);
    new.id = CheckpointId(newest + 1);
    store.put(fence, &new).await?;
    store.release().await?;
    let place = format!("savepoint {} of job {} in {}", new.id, new.job, named.state);
    show(format!(
        "{}\nstored as {place}; the next start goes on from it",
        meaning(old, &new, way)
    ))?;
    Ok(exit::DONE)
}

/// The position that the user asks for.
fn position(args: &EditArgs, old: &Checkpoint) -> Result<Position, String> {
    let position = match (&args.binlog, &args.gtids) {
        (Some(binlog), _) => in_files(binlog, old)?,
        (None, Some(gtids)) => by_gtids(gtids, old)?,
        (None, None) => return Err("say where: --binlog FILE:POS or --gtids SET".to_owned()),
    };
    if position == old.source.position {
        return Err(format!("{} {} is there already: {position}", old.kind, old.id));
    }
    Ok(position)
}

fn in_files(text: &str, old: &Checkpoint) -> Result<Position, String> {
    let shape = || format!("`{text}` is no place in a binlog: expected FILE:POS, binlog.000123:4");
    let (file, offset) = text.rsplit_once(':').ok_or_else(shape)?;
    let file: model::BinlogFile = file.parse().map_err(|error| format!("{error}"))?;
    let offset: u64 = offset.parse().map_err(|_| shape())?;
    if offset < FILE_START {
        return Err(format!(
            "`{text}` lies before the first event of a file, which is at {FILE_START}"
        ));
    }
    let known = &old.source.position.binlog.file;
    if file.partial_cmp(known).is_none() {
        return Err(format!(
            "`{file}` is no file of the server of {} {}: that one's are named like {known}",
            old.kind, old.id
        ));
    }
    let binlog = BinlogPosition { file, offset };
    Ok(Position { gtids: Gtids::None, binlog, in_transaction: None })
}

fn by_gtids(text: &str, old: &Checkpoint) -> Result<Position, String> {
    let at = &old.source.position;
    // It alone has no UUID.
    let is_mariadb = old.source.server.server_uuid.is_empty();
    let gtids = if is_mariadb {
        let other = text.parse::<GtidSet>().is_ok_and(|set| !set.is_empty());
        let of: MariaGtids = text.parse().map_err(|error| match other {
            true => format!("`{text}` is of MySQL, and the snapshot is of MariaDB"),
            false => format!("{error}, for instance 0-1-57"),
        })?;
        (!of.is_empty()).then_some(Gtids::Mariadb(of))
    } else {
        let other = text.parse::<MariaGtids>().is_ok_and(|last| !last.is_empty());
        let of: GtidSet = text.parse().map_err(|error| match other {
            true => format!("`{text}` is of MariaDB, and the snapshot is of MySQL"),
            false => format!("{error}"),
        })?;
        (!of.is_empty()).then_some(Gtids::Mysql(of))
    };
    let gtids = gtids.ok_or("the set of GTIDs is empty; to start over, run with --from none")?;
    if at.gtids == Gtids::None {
        let what = "has no GTIDs, so its server may have none: give a place with --binlog";
        return Err(format!("{} {} {what}", old.kind, old.id));
    }
    let mut position = Position { gtids, ..at.clone() };
    position.in_transaction = None;
    if way(at, &position) != Way::Forward {
        position.binlog = first_file(&at.binlog)?;
    }
    Ok(position)
}

/// Where nothing lies before. With GTIDs the place in the files is told by the stream; until then it
/// may be too early, and must not be too late.
fn first_file(of: &BinlogPosition) -> Result<BinlogPosition, String> {
    let name = of.file.name();
    let (stem, digits) = name.rsplit_once('.').unwrap_or((name, ""));
    let file = format!("{stem}.{:0width$}", 1, width = digits.len());
    let file = file.parse().map_err(|error| format!("{error}"))?;
    Ok(BinlogPosition { file, offset: FILE_START })
}

fn way(from: &Position, to: &Position) -> Way {
    let inside = from.in_transaction.is_some() && to.in_transaction.is_none();
    if inside && from.gtids == to.gtids && from.binlog == to.binlog {
        return Way::Back;
    }
    let of_sets = |is_forward: bool, is_back: bool| match (is_forward, is_back) {
        (true, _) => Way::Forward,
        (_, true) => Way::Back,
        _ => Way::Elsewhere,
    };
    match (&from.gtids, &to.gtids) {
        (Gtids::Mysql(a), Gtids::Mysql(b)) => of_sets(b.is_superset(a), a.is_superset(b)),
        (Gtids::Mariadb(a), Gtids::Mariadb(b)) => of_sets(b.is_superset(a), a.is_superset(b)),
        _ => match to.binlog.partial_cmp(&from.binlog) {
            Some(Ordering::Less) => Way::Back,
            Some(Ordering::Equal | Ordering::Greater) => Way::Forward,
            None => Way::Elsewhere,
        },
    }
}

/// The state of the source at another position.
fn moved(old: &Checkpoint, to: Position) -> Result<(SourceState, Way), String> {
    let from = &*old.source;
    let refuse = |why: &str| Err(format!("{} {} cannot be moved: {why}", old.kind, old.id));
    if old.trigger == ORIGIN {
        return refuse(
            "no sink holds anything of it, for it is where the job began; say the place with \
             `scan.startup.mode` = `specific-offset`, and start with --from none",
        );
    }
    if let Some(held) = from.xa.prepared.first() {
        let why =
            format!("XA transaction {} is prepared, and its verdict lies elsewhere", held.xid);
        return refuse(&why);
    }
    if let Some(away) = from.online_ddl.away.first() {
        return refuse(&format!("{} is in the middle of its cut-over", away.table));
    }
    let way = way(&from.position, &to);
    let table = |state: &TableState| TableState {
        unproven: Some(unproven(state, from, way)),
        ..state.clone()
    };
    let source = SourceState {
        tables: from.tables.iter().map(table).collect(),
        position: to,
        // Of a change that is not the newest any more.
        position_ts_ms: 0,
        // What is under way is found again: by its statements, or by the server's list of tables.
        online_ddl: OnlineDdlState::default(),
        ..from.clone()
    };
    Ok((source, way))
}

/// Back, the definition may be ahead of the stream, up to where it was in force. Else it may be
/// behind, and the server's of today is nearer.
fn unproven(table: &TableState, from: &SourceState, way: Way) -> Unproven {
    let here = from.position.binlog.clone();
    let until = match &table.unproven {
        Some(known) if known.until > here => known.until.clone(),
        _ => here,
    };
    let used = table.unproven.as_ref().is_some_and(|known| known.used);
    Unproven { until, used, anew: way != Way::Back }
}

/// What the edit does, and what it costs.
fn meaning(old: &Checkpoint, new: &Checkpoint, way: Way) -> String {
    let mut text = format!(
        "{} {} of job {}\n  is at    {}\n  goes to  {}\n",
        old.kind, old.id, old.job, old.source.position, new.source.position
    );
    if new.source.position.gtids != Gtids::None && way != Way::Forward {
        text.push_str("           (the place in the files is found at the start)\n");
    }
    for difference in diff::between(old, new).iter().filter(|d| d.about == "position") {
        text.push_str(&format!("  A -> B   {}\n", difference.text));
    }
    text.push_str("what that means:\n");
    let mut say = |line: &str| text.push_str(&format!("  - {line}\n"));
    say(match way {
        Way::Forward => "changes between the two are lost: no sink will ever see them",
        Way::Back => "changes between the two come again: sinks that hold them get them twice",
        Way::Elsewhere => "changes that only one of the two has are lost, or come again",
    });
    say("it must be the edge between two transactions: inside one, its rest is lost or misread");
    say(&format!("sinks are set to what they held at {} {}", old.kind, old.id));
    let tables = count(new.source.tables.len() as u64, "table");
    say(&match way {
        Way::Back => format!(
            "the definitions of {tables} may be newer than the rows: they count as unproven up to \
             {}",
            old.source.position.binlog
        ),
        Way::Forward | Way::Elsewhere => format!(
            "the definitions of {tables} may have changed: the start takes the server's of today, \
             unproven until the stream is there"
        ),
    });
    let progress = Progress::of(old);
    let unread = progress.in_progress + progress.waiting;
    if unread > 0 {
        let unread = count(unread as u64, "table");
        say(&format!(
            "of {unread} the snapshot is not done: what is read of them is of the old place"
        ));
    }
    text.pop();
    text
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use model::checkpoint::{HeldId, PreparedXa, XaState};
    use model::conformance::samples;

    use super::*;
    use crate::cli::{Cli, Command};

    const U: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";

    fn old(gtids: Gtids, binlog: &str) -> Checkpoint {
        let mut c = samples::checkpoint("emp", 7, BarrierKind::Checkpoint);
        let source = Arc::make_mut(&mut c.source);
        let (file, offset) = binlog.split_once(':').unwrap();
        let (file, offset) = (file.parse().unwrap(), offset.parse().unwrap());
        let binlog = BinlogPosition { file, offset };
        if matches!(gtids, Gtids::Mariadb(_)) {
            source.server.server_uuid.clear();
        }
        source.position = Position { gtids, binlog, in_transaction: None };
        c
    }

    fn mysql(set: &str) -> Checkpoint {
        old(Gtids::Mysql(format!("{U}:{set}").parse().unwrap()), "b.000003:500")
    }

    fn aim(old: &Checkpoint, arguments: &[&str]) -> Result<Position, String> {
        let line = ["seachange", "edit", "7"].iter().chain(arguments);
        let Command::Edit(args) = Cli::try_parse_from(line).unwrap().command else {
            panic!("another command");
        };
        position(&args, old)
    }

    #[test]
    fn nonsense_is_refused_with_the_reason() {
        let maria = old(Gtids::Mariadb("0-1-5".parse().unwrap()), "b.000003:500");
        let plain = old(Gtids::None, "b.000003:500");
        let set = format!("{U}:1-3");
        for (old, arguments, word) in [
            (&plain, ["--binlog", "b.000003"], "FILE:POS"),
            (&plain, ["--binlog", "b.three:4"], "is not a binlog file name"),
            (&plain, ["--binlog", "b.000003:x"], "FILE:POS"),
            (&plain, ["--binlog", "b.000003:3"], "before the first event"),
            (&plain, ["--binlog", "other.000003:4"], "named like b.000003"),
            (&plain, ["--binlog", "b.000003:500"], "there already"),
            (&plain, ["--gtids", &set], "has no GTIDs"),
            (&maria, ["--gtids", &set], "is of MySQL"),
            (&maria, ["--gtids", ""], "is empty"),
            (&mysql("1-5"), ["--gtids", "0-1-3"], "is of MariaDB"),
            (&mysql("1-5"), ["--gtids", "nonsense"], "expected `uuid:interval`"),
        ] {
            let error = aim(old, &arguments).unwrap_err();
            assert!(error.contains(word), "{arguments:?}: {error}");
        }
    }

    #[test]
    fn exactly_one_place_is_to_be_given() {
        let parse = |arguments: &[&str]| {
            let line = ["seachange", "edit", "7"].iter().chain(arguments);
            Cli::try_parse_from(line).is_ok()
        };
        assert!(parse(&["--gtids", "x"]) && parse(&["--binlog", "x"]));
        assert!(!parse(&[]) && !parse(&["--gtids", "x", "--binlog", "x"]));
    }

    #[test]
    fn going_back_by_gtids_never_names_a_place_in_the_files_that_is_too_late() {
        let at = |old: &Checkpoint, set: &str| {
            let position = aim(old, &["--gtids", &format!("{U}:{set}")]).unwrap();
            (position.binlog.to_string(), way(&old.source.position, &position))
        };
        let old = mysql("1-50");
        assert_eq!(at(&old, "1-60"), ("b.000003:500".to_owned(), Way::Forward));
        assert_eq!(at(&old, "1-40"), ("b.000001:4".to_owned(), Way::Back));
        assert_eq!(at(&old, "1-40:60"), ("b.000001:4".to_owned(), Way::Elsewhere));
    }

    #[test]
    fn definitions_are_unproven_back_to_where_they_held_and_else_read_anew() {
        let old = mysql("1-50");
        let unproven = |place: &str| {
            let to = aim(&old, &["--binlog", place]).unwrap();
            let (source, way) = moved(&old, to).unwrap();
            let unproven = source.tables[0].unproven.clone().unwrap();
            (way, unproven.until.to_string(), unproven.anew)
        };
        assert_eq!(unproven("b.000002:4"), (Way::Back, "b.000003:500".to_owned(), false));
        assert_eq!(unproven("b.000004:4"), (Way::Forward, "b.000003:500".to_owned(), true));
    }

    #[test]
    fn what_belongs_to_the_old_position_alone_is_not_moved() {
        let to = || aim(&mysql("1-50"), &["--binlog", "b.000002:4"]).unwrap();
        let mut begun = mysql("1-50");
        begun.trigger = ORIGIN.to_owned();
        assert!(moved(&begun, to()).unwrap_err().contains("specific-offset"));
        let mut held = mysql("1-50");
        let prepared = vec![PreparedXa { xid: "X'67',X'',1".into(), rows: None }];
        Arc::make_mut(&mut held.source).xa = XaState { prepared, next: HeldId::default() };
        assert!(moved(&held, to()).unwrap_err().contains("X'67'"));
    }

    #[test]
    fn the_price_is_told_before_anything_is_done() {
        let old = mysql("1-50");
        let told = |place: &str| {
            let (source, way) = moved(&old, aim(&old, &["--binlog", place]).unwrap()).unwrap();
            meaning(&old, &Checkpoint { source: Arc::new(source), ..old.clone() }, way)
        };
        assert!(told("b.000003:400").contains("come again"), "{}", told("b.000003:400"));
        assert!(told("b.000003:400").contains("B is 100 bytes of binlog behind"));
        assert!(told("b.000003:600").contains("are lost"));
    }
}
