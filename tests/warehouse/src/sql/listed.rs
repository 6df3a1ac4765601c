//! Lists of what is going on: nodes, transactions, jobs.

use crate::Moment;
use crate::System;
use crate::cluster::{Database, State};
use crate::ddl::{Pattern, SqlError, Which};
use crate::jobs::{Job, JobState};
use crate::txn::{State as Standing, Transaction, TxnId};

use super::answer::Rows;
use super::shown::is_like;

const HEARTBEAT_PORT: &str = "9050";
const BACKEND_PORT: &str = "9060";
const EDIT_LOG_PORT: &str = "9010";
const RPC_PORT: &str = "9020";
/// What the servers write where there is nothing.
const NOTHING: &str = "\\N";
const RUNNING: &str = "running";
const FINISHED: &str = "finished";

pub(super) fn backends(state: &State) -> Rows {
    let mut rows = Rows::new(&[
        "BackendId",
        host_column(state.system),
        "HeartbeatPort",
        "BePort",
        "HttpPort",
        "Alive",
        "SystemDecommissioned",
        "ErrMsg",
        "Version",
    ]);
    for node in &state.nodes.backends {
        rows.push([
            &node.id.0.to_string(),
            &node.host,
            HEARTBEAT_PORT,
            BACKEND_PORT,
            &node.http_port.to_string(),
            &node.alive.to_string(),
            "false",
            "",
            version(state.system),
        ]);
    }
    rows
}

pub(super) fn frontends(state: &State) -> Rows {
    let mut rows = Rows::new(&[
        "Name",
        host_column(state.system),
        "EditLogPort",
        "HttpPort",
        "QueryPort",
        "RpcPort",
        "Role",
        "IsMaster",
        "Alive",
        "Version",
    ]);
    for (place, node) in state.nodes.frontends.iter().enumerate() {
        let leads = place == state.nodes.leader;
        let role = if leads && state.system == System::StarRocks { "LEADER" } else { "FOLLOWER" };
        rows.push([
            &format!("fe_{place}"),
            &node.host,
            EDIT_LOG_PORT,
            &node.http_port.to_string(),
            &node.query_port.to_string(),
            RPC_PORT,
            role,
            &leads.to_string(),
            "true",
            version(state.system),
        ]);
    }
    rows
}

fn host_column(system: System) -> &'static str {
    match system {
        System::Doris => "Host",
        System::StarRocks => "IP",
    }
}

pub(super) fn version(system: System) -> &'static str {
    match system {
        System::Doris => "doris-3.1.0",
        System::StarRocks => "3.5.0",
    }
}

pub(super) fn jobs(
    state: &State,
    database: &str,
    table: Option<&str>,
    newest_first: bool,
    limit: Option<usize>,
) -> Rows {
    let mut rows = Rows::new(&[
        "JobId",
        "TableName",
        "CreateTime",
        "FinishTime",
        "IndexName",
        "IndexId",
        "OriginIndexId",
        "SchemaVersion",
        "TransactionId",
        "State",
        "Msg",
        "Progress",
        "Timeout",
    ]);
    let fits = |job: &&Job| table.is_none_or(|table| job.table.table == table);
    let mut found: Vec<&Job> = state.jobs.of(database).filter(fits).collect();
    if newest_first {
        found.reverse();
    }
    for job in found.into_iter().take(limit.unwrap_or(usize::MAX)) {
        let id = job.id.0;
        let watershed = job.watershed.map_or("-1".to_owned(), |txn| txn.to_string());
        let progress = if job.state == JobState::Running { "0/1" } else { NOTHING };
        rows.push([
            &id.to_string(),
            &job.table.table,
            &job.created.to_string(),
            &written(job.finished),
            &job.table.table,
            &(id + 1).to_string(),
            &(id + 2).to_string(),
            &format!("1:{id}"),
            &watershed,
            &job.state.to_string(),
            &job.message,
            progress,
            &job.timeout.as_secs().to_string(),
        ]);
    }
    rows
}

pub(super) fn transactions(state: &State, database: &str, which: &Which) -> Result<Rows, SqlError> {
    let Some(found) = state.database(database) else {
        return Err(SqlError::unknown_database(state.system, database));
    };
    let system = state.system;
    let rows = match which {
        Which::Id(id) => listed(state, found, |txn| txn.id == TxnId(*id)),
        Which::Label(Pattern::Is(label)) => {
            listed(state, found, |txn| txn.label.to_string() == *label)
        }
        Which::Label(Pattern::Like(pattern)) => {
            listed(state, found, |txn| is_like(&txn.label.to_string(), pattern))
        }
        Which::Status(status) => {
            let known = [
                Standing::Prepare,
                Standing::Prepared,
                Standing::Committed,
                Standing::Visible,
                Standing::Aborted,
            ];
            let named = |at: &Standing| at.name(system).eq_ignore_ascii_case(status);
            let Some(wanted) = known.into_iter().find(named) else {
                let detail = format!(
                    "status should be prepare/precommitted/committed/visible/aborted: {status}"
                );
                return Err(SqlError::analysis(system, &detail));
            };
            listed(state, found, |txn| txn.state == wanted)
        }
    };
    match which {
        Which::Id(id) if rows.rows.is_empty() => {
            let detail = format!("transaction with id {id} does not exist");
            Err(SqlError::ddl(system, &detail))
        }
        Which::Label(Pattern::Is(label)) if rows.rows.is_empty() => {
            let detail = format!("transaction with label {label} does not exist");
            Err(SqlError::ddl(system, &detail))
        }
        Which::Id(_) | Which::Label(_) | Which::Status(_) => Ok(rows),
    }
}

/// The newest first.
fn listed(state: &State, database: &Database, fits: impl Fn(&Transaction) -> bool) -> Rows {
    let doris = state.system == System::Doris;
    let mut names = vec![
        "TransactionId",
        "Label",
        "Coordinator",
        "TransactionStatus",
        "LoadJobSourceType",
        "PrepareTime",
        "PreCommitTime",
        "CommitTime",
        "PublishTime",
        "FinishTime",
        "Reason",
        "ErrorReplicasCount",
        "ListenerId",
        "TimeoutMs",
        "ErrMsg",
    ];
    names.retain(|name| doris || *name != "PreCommitTime");
    let mut rows = Rows::new(&names);
    let mut found: Vec<&Transaction> =
        database.book.ledger().iter().filter(|txn| fits(txn)).collect();
    found.reverse();
    for txn in found {
        let host = state.nodes.backend(txn.coordinator).map_or("", |node| &*node.host);
        let timeout = match txn.state {
            Standing::Prepared => txn.wait_max,
            Standing::Prepare | Standing::Committed | Standing::Visible | Standing::Aborted => {
                txn.gather_max
            }
        };
        let mut cells = vec![
            txn.id.to_string(),
            txn.label.to_string(),
            format!("BE: {host}"),
            txn.state.name(state.system).to_owned(),
            "BACKEND_STREAMING".to_owned(),
            txn.times.begun.to_string(),
        ];
        if doris {
            cells.push(written(txn.times.prepared));
        }
        cells.extend([
            written(txn.times.committed),
            written(txn.times.committed),
            written(txn.times.finished),
            txn.reason.clone(),
            "0".to_owned(),
            "-1".to_owned(),
            timeout.as_millis().to_string(),
            String::new(),
        ]);
        rows.rows.push(cells.into_iter().map(|cell| Some(cell.into_bytes())).collect());
    }
    rows
}

fn written(time: Option<Moment>) -> String {
    time.map_or(NOTHING.to_owned(), |time| time.to_string())
}

/// `SHOW PROC`: a tree of lists.
pub(super) fn proc(state: &State, path: &str) -> Result<Rows, SqlError> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        ["dbs"] => {
            let mut rows = Rows::new(&["DbId", "DbName", "TableNum"]);
            for (name, database) in state.databases() {
                let tables = state.catalog().of(name).count().to_string();
                rows.push([&database.id.to_string(), name, &tables]);
            }
            Ok(rows)
        }
        ["backends"] => Ok(backends(state)),
        ["frontends"] => Ok(frontends(state)),
        ["transactions"] => {
            let mut rows = Rows::new(&["DbId", "DbName", "RunningTransactionNum"]);
            for (name, database) in state.databases() {
                let running = database.book.ledger().running().to_string();
                rows.push([&database.id.to_string(), name, &running]);
            }
            Ok(rows)
        }
        ["transactions", id] => {
            let ledger = database_of(state, id)?.book.ledger();
            let finished = ledger.iter().count() - ledger.running();
            let mut rows = Rows::new(&["State", "Number"]);
            rows.push([RUNNING, &ledger.running().to_string()]);
            rows.push([FINISHED, &finished.to_string()]);
            Ok(rows)
        }
        ["transactions", id, kind] if [RUNNING, FINISHED].contains(kind) => {
            let database = database_of(state, id)?;
            Ok(listed(state, database, |txn| txn.state.is_final() == (*kind == FINISHED)))
        }
        _ => Err(SqlError::not_built(&format!("SHOW PROC '{path}'"))),
    }
}

fn database_of<'a>(state: &'a State, id: &str) -> Result<&'a Database, SqlError> {
    let found = state.databases().find(|(_, database)| database.id.to_string() == id);
    found.map(|(_, database)| database).ok_or_else(|| {
        SqlError::analysis(
            state.system,
            &format!("Invalid db id format or db does not exist: {id}"),
        )
    })
}
