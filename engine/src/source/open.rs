//! From a job and the checkpoint it resumes from to a source that runs.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use binlog::event::Xid;
use binlog::reader::{Reader, Start};
use binlog::server::{ClientCertificate, Password, Server, SourceOptions, Tls, connect};
use job::{Host, JobSpec, RuntimeMode, SourceSpec, SslMode, StartOffset, StartupMode};
use model::checkpoint::{Counters, SourceState, TableState};
use model::{Clock, Position, SchemaChange, TableName, Watermark};
use mysql_async::Conn;
use tokio::sync::{Mutex, Notify, Semaphore, watch};
use tokio::time::Instant;
use tracing::{info, warn};

use super::catalog::{self, CatalogTable};
use super::dialect::Dialect;
use super::online_ddl::names::may_be_a_shadow;
use super::online_ddl::{self, OnlineDdl, Sorted};
use super::quarantine::Apart;
use super::snapshot::Shared;
use super::snapshot::plan::Planner;
use super::status::Status;
use super::tables::{Followed, Redefined, TableSet};
use super::untold::Untold;
use super::weights::Weights;
use super::xa::{Awaited, XaTransactions};
use super::{MySqlSource, SourceError, Transaction};
use crate::hosts::UNREACHABLE_AFTER;
use crate::meters::Meters;
use crate::pipeline::batch::Batcher;

/// Without a checkpoint interval, a transaction this old may have a savepoint's barrier inside it.
const BARRIER_PATIENCE_DEFAULT: Duration = Duration::from_secs(10);

/// Where a run's source is to hand things to.
pub struct Outputs {
    pub batcher: Batcher,
    /// A sink of the job stages ([`model::Sink::stages`]).
    pub stages: bool,
    pub spool: Arc<state::Spool>,
    pub held: state::HeldStore,
    /// The fence of the run.
    pub run: u64,
    pub status: watch::Sender<Status>,
    pub meters: Arc<Meters>,
    /// True while there are tables to read.
    pub backlog: watch::Sender<bool>,
    pub clock: Arc<dyn Clock>,
}

/// Connects, decides where to begin and what to follow. The chunk readers' list is filled. `again`:
/// names of tables that are read from the start again, as they are today.
///
/// # Errors
/// The server cannot be reached or used, the position is not to be had any more, or a table to be
/// read again is not among those that the job follows.
pub async fn open(
    job: &JobSpec,
    host: &Host,
    resume: Option<&SourceState>,
    again: &[String],
    outputs: Outputs,
) -> Result<(MySqlSource, Arc<Shared>), SourceError> {
    let options = source_options(&job.name, &job.source, host);
    let (mut conn, server) = reach(&options).await?;
    let origin = resume.filter(|s| !s.server.identity.is_empty()).map(|s| &s.server.identity);
    let moved = origin.is_some_and(|identity| *identity != server.identity);
    // Before the tables are listed: one that is created in between is then on the list as well as
    // in the stream.
    let before = prepared(&server, &mut conn).await?;
    // First of all that is asked of this server: it may not be one that the job can go on from.
    let start = start(job, resume, &server, &mut conn).await?;
    let mut reader = reader(job, host, options.clone(), &server, origin, start).await?;
    reader.watch(outputs.meters.link_watch(Arc::clone(&outputs.clock)));
    let apart = Apart::new(job.source.on_table_error, outputs.clock);
    let tables = table_set(job, resume, moved, (again, apart), &server, &mut conn).await?;
    outputs.backlog.send_replace(!tables.is_all_live());
    refuse_new_tables(&tables, resume)?;
    let known = resume.map(|state| state.xa.clone()).unwrap_or_default();
    let xa = XaTransactions::open(outputs.held, outputs.run, &known).await?;
    // Before the end of the binlog is read: what is settled by now is settled before that.
    let mut awaited = prepared(&server, &mut conn).await?;
    awaited.retain(|xid| !xa.is_held(xid));
    let streams_from_now = job.source.startup == StartupMode::LatestOffset && resume.is_none();
    let beginning = streams_from_now && !(before.is_empty() && awaited.is_empty());
    let waits = beginning || (reads_tables(job) && tables.is_unread());
    if !waits {
        awaited.clear();
    }
    let opens_after = Watermark::Binlog(server.binlog_end(&mut conn).await?);
    let shared = Arc::new(shared(job, options.clone(), &server, tables.apart.is_wanted()));
    let at_home = !moved && reader.server().identity == server.identity;
    let in_transaction = reader.position().in_transaction.is_some();
    let source = MySqlSource {
        dialect: Dialect::read(&mut conn, &server).await?,
        reader,
        server,
        weights: Weights::new(options.clone()),
        options,
        untold: Untold::new(outputs.stages, left_to_tell(job, resume, &tables.apart)),
        tables,
        batcher: outputs.batcher,
        catalog: Some(conn),
        shared: Arc::clone(&shared),
        spool: outputs.spool,
        xa,
        awaited: Awaited::new(awaited),
        beginning,
        unseen: HashSet::new(),
        chunk_rows: job.source.chunk_rows.map(|rows| u64::from(rows.get())),
        reads_tables: reads_tables(job),
        ends_after_snapshot: ends_after_snapshot(job),
        barrier_patience: job.checkpointing.interval.unwrap_or(BARRIER_PATIENCE_DEFAULT),
        next_chunk: 0,
        next_plan: 1,
        planned: false,
        linger_until: None,
        // Elsewhere the position is still one in the files of the server before.
        file_known: at_home,
        opens_after: Some(opens_after),
        // A stream that begins inside a transaction has no `Begin`.
        transaction: Transaction { open: in_transaction, bytes: 0 },
        opens: Vec::new(),
        loaded: Vec::new(),
        passes: Vec::new(),
        asked: None,
        counters: resume.map_or_else(Counters::default, |s| s.counters.clone()),
        position_ts_ms: resume.map_or(0, |s| s.position_ts_ms),
        status: outputs.status,
        meters: outputs.meters,
        status_at: Instant::now(),
        backlog: outputs.backlog,
        holds_still: false,
        ended: false,
    };
    Ok((source, shared))
}

/// Changes that a checkpoint has left to be told, but for those of tables that are read again, as they
/// are today, or let go.
fn left_to_tell(job: &JobSpec, resume: Option<&SourceState>, apart: &Apart) -> Vec<SchemaChange> {
    let left = resume.iter().flat_map(|state| &state.untold);
    left.filter(|change| job.source.tables.matches(&change.table))
        .filter(|change| !apart.is_to_start_over(&change.table))
        .cloned()
        .collect()
}

/// The stream of `host`, if it can go on from `start`; `origin`: the server that this belongs to.
async fn reader(
    job: &JobSpec,
    host: &Host,
    options: SourceOptions,
    server: &Server,
    origin: Option<&String>,
    start: Start,
) -> Result<Reader, SourceError> {
    let mut known = server.clone();
    if let Some(identity) = origin {
        // Whose files the position speaks of: another server is refused, or, with GTIDs, said.
        known.identity.clone_from(identity);
    }
    let reader = Reader::open(options, known, start).await?;
    info!(%host, server = %server.identity, version = server.version_text, "this server is read");
    if job.source.hosts.len() > 1 && !server.gtids {
        warn!("without GTIDs a position is good on one server: the other hosts cannot take over");
    }
    Ok(reader)
}

fn shared(job: &JobSpec, options: SourceOptions, server: &Arc<Server>, sets_apart: bool) -> Shared {
    Shared {
        planner: Mutex::new(Planner::default()),
        work: Notify::new(),
        turns: Semaphore::new(job.parallelism.get() as usize),
        options,
        server: Arc::clone(server),
        sets_apart,
    }
}

async fn reach(options: &SourceOptions) -> Result<(Conn, Arc<Server>), SourceError> {
    let mut conn = connect(options).await?;
    let server = Arc::new(Server::probe(&mut conn).await?);
    Ok((conn, server))
}

/// XA transactions whose rows may be in the binlog already; none where the server does not say.
async fn prepared(server: &Server, conn: &mut Conn) -> Result<HashSet<Xid>, SourceError> {
    if !server.logs_prepare() {
        return Ok(HashSet::new());
    }
    Ok(server.prepared(conn).await?.unwrap_or_else(|| {
        tracing::debug!("the server does not tell which XA transactions are prepared");
        HashSet::new()
    }))
}

/// Rows that prepared transactions of the checkpoint may have changed in a table that was not
/// followed then were passed over.
fn refuse_new_tables(tables: &TableSet, resume: Option<&SourceState>) -> Result<(), SourceError> {
    let Some(state) = resume else { return Ok(()) };
    let Some(prepared) = state.xa.prepared.first() else { return Ok(()) };
    let known: HashSet<&TableName> = state.tables.iter().map(TableState::name).collect();
    match tables.followed.keys().find(|name| !known.contains(name)) {
        Some(table) => {
            let (table, xid) = (table.clone(), prepared.xid.clone());
            Err(SourceError::XaNewTable { table, xid })
        }
        None => Ok(()),
    }
}

fn reads_tables(job: &JobSpec) -> bool {
    matches!(job.source.startup, StartupMode::Initial | StartupMode::Snapshot)
}

fn ends_after_snapshot(job: &JobSpec) -> bool {
    job.source.startup == StartupMode::Snapshot || job.runtime_mode == RuntimeMode::Batch
}

/// What the job follows: the checkpoint's tables and the server's, as far as they match. `moved`: the
/// checkpoint is of another server.
async fn table_set(
    job: &JobSpec,
    resume: Option<&SourceState>,
    moved: bool,
    (again, mut apart): (&[String], Apart),
    server: &Server,
    conn: &mut Conn,
) -> Result<TableSet, SourceError> {
    let wanted = |name: &TableName| job.source.tables.matches(name);
    let mut catalog = sorted(job, resume, conn).await?;
    let others = catalog::others(conn, wanted).await?;
    for (table, kind) in &others {
        tracing::warn!(%table, "the table matches and is a {kind}: it is not followed");
    }
    let tables = std::mem::take(&mut catalog.tables);
    refuse_unknown(again, job, &tables)?;
    let again = &all_again(again, resume);
    let mut followed = followed(job, resume, moved, tables, again, &mut apart)?;
    // The stream begins before the definitions that were just read: by little, or by far.
    let read_at = server.binlog_end(conn).await?;
    for (name, table) in &mut followed {
        let known = resume.is_some_and(|state| state.tables.iter().any(|t| t.name() == name));
        if !known || is_named(again, name) {
            table.read_at(read_at.clone());
        } else if let Some(unproven) = table.unproven.as_mut().filter(|u| moved || u.anew) {
            (unproven.until, unproven.anew) = (read_at.clone(), false);
        }
    }
    if followed.is_empty() && apart.tables().next().is_none() {
        nothing_matches(job, ends_after_snapshot(job))?;
    }
    let online = resume.map(|state| &state.online_ddl);
    let online = OnlineDdl::resume(job.source.online_schema_changes, online, &followed);
    let mut tables = TableSet {
        followed,
        others: others.into_keys().collect(),
        apart,
        patterns: job.source.tables.clone(),
        fold_case: server.lower_case_table_names == 1,
        online,
    };
    tables.set_aside(catalog, &read_at);
    Ok(tables)
}

/// The server's tables that match, and those that a tool has named after one of them.
pub async fn sorted(
    job: &JobSpec,
    resume: Option<&SourceState>,
    conn: &mut Conn,
) -> Result<Sorted, SourceError> {
    let wanted = |name: &TableName| job.source.tables.matches(name);
    let tells = job.source.online_schema_changes;
    let of_interest = |name: &TableName| wanted(name) || (tells && may_be_a_shadow(name));
    let hint = job.source.tables.databases_hint();
    let catalog = catalog::read(conn, hint.as_deref(), of_interest).await?;
    let known = resume.iter().flat_map(|state| &state.tables).map(TableState::name);
    let known = known.filter(|name| wanted(name)).cloned().collect();
    Ok(if tells { online_ddl::sort(catalog, &known, wanted) } else { Sorted::plain(catalog) })
}

/// What the binlog reader is told about a job's source.
pub fn source_options(job: &str, spec: &SourceSpec, host: &Host) -> SourceOptions {
    let tls = &spec.tls;
    let ca = || tls.ca.clone();
    SourceOptions {
        host: host.name.clone(),
        port: host.port,
        user: spec.username.clone(),
        password: Password::new(spec.password.reveal()),
        tls: match tls.mode {
            SslMode::Disabled => Tls::Disabled,
            SslMode::Preferred => Tls::Preferred,
            SslMode::Required => Tls::Required,
            SslMode::VerifyCa => Tls::VerifyCa { ca: ca() },
            SslMode::VerifyIdentity => Tls::VerifyIdentity { ca: ca() },
        },
        client_certificate: tls
            .cert
            .clone()
            .zip(tls.key.clone())
            .map(|(chain, key)| ClientCertificate { chain, key }),
        connect_timeout: spec.connect_timeout,
        server_id: spec.server_id.map_or_else(|| server_id(job), |ids| ids.first),
        reconnect_for: (spec.hosts.len() > 1).then_some(UNREACHABLE_AFTER),
        ..SourceOptions::default()
    }
}

/// A replica id of the job's own: the same at every start, unlikely to be another's.
fn server_id(job: &str) -> u32 {
    // FNV-1a.
    let hash =
        job.bytes().fold(0x811c_9dc5u32, |h, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193));
    hash & 0x3fff_ffff | 0x4000_0000
}

async fn start(
    job: &JobSpec,
    resume: Option<&SourceState>,
    server: &Server,
    conn: &mut Conn,
) -> Result<Start, SourceError> {
    if let Some(state) = resume {
        return Ok(Start::Position(state.position.clone()));
    }
    Ok(match &job.source.startup {
        StartupMode::Initial | StartupMode::Snapshot | StartupMode::LatestOffset => {
            Start::Position(server.current_position(conn).await?)
        }
        StartupMode::EarliestOffset => Start::Earliest,
        StartupMode::SpecificOffset(StartOffset::File { file, pos }) => {
            Start::File { file: file.clone(), offset: *pos }
        }
        StartupMode::SpecificOffset(StartOffset::Gtids(gtids)) => Start::Gtids(gtids.to_string()),
        StartupMode::Timestamp { millis } => {
            Start::Timestamp { ms: i64::try_from(*millis).unwrap_or(i64::MAX) }
        }
    })
}

/// With those of which no sink has been told before the snapshot: nothing of them is out either, so
/// they begin as they are today, on whatever server that is.
fn all_again(again: &[String], resume: Option<&SourceState>) -> Vec<String> {
    let untold = resume.iter().flat_map(|state| &state.quarantine.start_over);
    again.iter().cloned().chain(untold.map(ToString::to_string)).collect()
}

fn is_named(names: &[String], table: &TableName) -> bool {
    !names.is_empty() && names.contains(&table.to_string())
}

/// Only what the job follows, and the server has, can be read again.
fn refuse_unknown(
    again: &[String],
    job: &JobSpec,
    catalog: &BTreeMap<TableName, CatalogTable>,
) -> Result<(), SourceError> {
    for table in again {
        if !catalog.keys().any(|name| name.to_string() == *table) {
            let (db, name) = table.split_once('.').unwrap_or(("", table));
            let what = match job.source.tables.matches(&TableName::new(db, name)) {
                true => "there is no such table on the server",
                false => "the job does not follow such a table (`table-name`)",
            };
            return Err(SourceError::NotFollowed { table: table.clone(), what });
        }
    }
    Ok(())
}

/// The tables of the checkpoint that still match, and the matching ones that it does not know. Those
/// that it has in quarantine stay `apart`, but for those that are to be read `again`.
fn followed(
    job: &JobSpec,
    resume: Option<&SourceState>,
    moved: bool,
    mut catalog: BTreeMap<TableName, CatalogTable>,
    again: &[String],
    apart: &mut Apart,
) -> Result<BTreeMap<TableName, Followed>, SourceError> {
    let mut all = BTreeMap::new();
    let let_go = |name: &TableName| {
        tracing::info!(table = %name, "the table no longer matches and is let go");
    };
    for state in resume.iter().flat_map(|s| &s.tables) {
        let name = state.name().clone();
        let now = catalog.remove(&name);
        match now {
            _ if !job.source.tables.matches(&name) => let_go(&name),
            Some(now) if is_named(again, &name) => {
                apart.starts_over(name.clone());
                all.insert(name, Followed::to_read(now));
            }
            now => {
                let mut table = Followed::restored(state, now.as_ref());
                let anew = table.unproven.as_ref().is_some_and(|u| u.anew);
                if let Some(resume) = resume.filter(|_| moved || anew) {
                    settle_definition(&mut table, now, &resume.position)?;
                }
                all.insert(name, table);
            }
        }
    }
    let quarantine = resume.map(|s| s.quarantine.clone()).unwrap_or_default();
    for known in quarantine.tables {
        let name = known.table.clone();
        match catalog.remove(&name) {
            _ if !job.source.tables.matches(&name) => let_go(&name),
            Some(now) if is_named(again, &name) => {
                apart.starts_over(name.clone());
                all.insert(name, Followed::to_read(now));
            }
            Some(_) | None => apart.restore(known),
        }
    }
    quarantine
        .start_over
        .into_iter()
        .filter(|t| all.contains_key(t))
        .for_each(|t| apart.starts_over(t));
    let reads_tables = reads_tables(job);
    for (name, table) in catalog {
        if resume.is_some() {
            tracing::info!(table = %name, snapshot = reads_tables, "the table matches newly");
        }
        let read = reads_tables || is_named(again, &name);
        let table = if read { Followed::to_read(table) } else { Followed::live(table) };
        all.insert(name, table);
    }
    Ok(all)
}

/// A definition that the server before may have told too early: from when on it holds is a place in
/// that one's files. So it is taken as proven where the stream was there, and is read anew else; and
/// so is one of another place than the position.
fn settle_definition(
    table: &mut Followed,
    now: Option<CatalogTable>,
    position: &Position,
) -> Result<(), SourceError> {
    let anew = table.unproven.as_ref().is_some_and(|u| u.anew);
    if !anew && table.is_proven_at(&position.binlog) {
        table.unproven = None;
        return Ok(());
    }
    match now {
        Some(now) if now.schema != table.schema => {
            let name = now.schema.name.clone();
            match table.redefine(now.schema) {
                Redefined::AsBefore | Redefined::PlanAnew => Ok(()),
                Redefined::KeyLost => Err(SourceError::KeyLost { table: name }),
            }
        }
        Some(_) | None => Ok(()),
    }
}

fn nothing_matches(job: &JobSpec, fatal: bool) -> Result<(), SourceError> {
    let patterns = job.source.tables.to_string();
    if fatal {
        let hint = "Check `table-name`: each pattern is matched against the whole of `db.table`, \
                    and the user must be allowed to SELECT from the table";
        return Err(SourceError::NothingMatches { patterns, hint: hint.to_owned() });
    }
    tracing::warn!(%patterns, "no table matches yet; one that is created later is followed");
    Ok(())
}
