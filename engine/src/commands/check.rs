//! `seachange check`: is the source fit, and which tables does the job mean?

use binlog::preflight::{self, Check, Outcome};
use binlog::server::{Server, connect};
use comfy_table::{ContentArrangement, Table, presets};
use job::{Host, JobSpec};
use model::TableName;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use super::{exit, show};
use crate::cli::CheckArgs;
use crate::source::catalog::{self, CatalogTable};
use crate::source::open::{sorted, source_options};
use crate::source::order::KeyOrder;
use crate::transform::{self, Transforms};

/// What was found at one host.
struct Looked {
    host: Host,
    checks: Vec<Check>,
}

pub async fn run(args: &CheckArgs) -> anyhow::Result<u8> {
    let job = super::read_job(&args.script)?;
    let mut looked = Vec::new();
    for host in &job.source.hosts {
        looked.push(Looked { host: host.clone(), checks: server(&job, host).await });
    }
    // Of servers of the same data one is as good as another.
    let reached = looked.iter_mut().find(|one| preflight::is_reached(&one.checks));
    let mut found = Vec::new();
    if let Some(Looked { host, checks }) = reached {
        let (tables, more) = tables(&job, host).await?;
        checks.extend(more);
        if tables.is_empty() {
            checks.push(Check {
                name: "tables",
                outcome: Outcome::Warn,
                found: format!("none matches {}", job.source.tables),
                fix: Some(
                    "check `table-name`: each pattern must match the whole of `db.table`".into(),
                ),
            });
        }
        found = tables;
    }
    if args.json {
        show(json(&looked, &found))?;
    } else {
        show(text(&job, &looked, &found))?;
    }
    let bad = looked.iter().flat_map(|one| &one.checks).any(failed);
    Ok(if bad { exit::CHECK } else { exit::DONE })
}

/// Looks at one host of the job.
async fn server(job: &JobSpec, host: &Host) -> Vec<Check> {
    let options = source_options(&job.name, &job.source, host);
    let databases = job.source.tables.databases_hint().unwrap_or_default();
    let mut checks = preflight::run(&options, &databases).await;
    if job.source.hosts.len() > 1 {
        // What is a pity on one server is the end of it with several.
        let lacks = |check: &&mut Check| check.name == preflight::GTID && !is_ok(check);
        checks.iter_mut().filter(lacks).for_each(|check| check.outcome = Outcome::Fail);
    }
    checks
}

fn is_ok(check: &Check) -> bool {
    check.outcome == Outcome::Ok
}

fn failed(check: &Check) -> bool {
    check.outcome == Outcome::Fail
}

/// The tables that match, and what is to be said of them.
async fn tables(job: &JobSpec, host: &Host) -> anyhow::Result<(Vec<CatalogTable>, Vec<Check>)> {
    let mut conn = connect(&source_options(&job.name, &job.source, host)).await?;
    let server = Server::probe(&mut conn).await?;
    let wanted = |name: &TableName| job.source.tables.matches(name);
    let sorted = sorted(job, None, &mut conn).await?;
    let mut checks = Vec::new();
    for table in sorted.aside().filter(|name| wanted(name)) {
        checks.push(Check {
            name: "tables",
            outcome: Outcome::Warn,
            found: format!(
                "{table} matches and, by its name, is one of gh-ost or \
                 pt-online-schema-change: it is not followed"
            ),
            fix: Some(
                "none is needed; if it is another table, see \
                 `source.scan.parse.online.schema.changes.enabled`"
                    .to_owned(),
            ),
        });
    }
    let tables: Vec<CatalogTable> = sorted.tables.into_values().collect();
    for (table, kind) in catalog::others(&mut conn, wanted).await? {
        checks.push(Check {
            name: "tables",
            outcome: Outcome::Warn,
            found: format!("{table} matches and is a {kind}: it is not followed"),
            fix: Some("exclude it with `tables.exclude`, to be rid of this line".to_owned()),
        });
    }
    let keyless: Vec<&CatalogTable> =
        tables.iter().filter(|t| KeyOrder::of(&t.schema).is_none()).collect();
    if let Some(first) = keyless.first().filter(|_| !server.is_mariadb()) {
        checks.push(lock_tables(&mut conn, first, keyless.len()).await?);
    }
    checks.extend(cascades(&mut conn, wanted).await?);
    checks.extend(transforms(job, &tables));
    Ok((tables, checks))
}

/// Whether the job's transforms fit the tables as they are now.
fn transforms(job: &JobSpec, tables: &[CatalogTable]) -> Option<Check> {
    if job.transforms.is_empty() {
        return None;
    }
    let needs_key = job.sinks.iter().any(|sink| transform::needs_key(&sink.connector));
    let schemas = tables.iter().map(|table| &table.schema);
    let fit = Transforms::read(&job.transforms, job.time_zone)
        .and_then(|transforms| transforms.check(schemas, needs_key));
    let fine = || format!("{} fit the tables as they are", job.transforms.len());
    Some(Check {
        name: "transforms",
        outcome: if fit.is_ok() { Outcome::Ok } else { Outcome::Fail },
        found: fit.err().unwrap_or_else(fine),
        fix: None,
    })
}

/// InnoDB changes rows that refer to others below the binlog, unless the server does it for it: that
/// is `innodb_native_foreign_keys = OFF`, of MySQL 9.
async fn cascades(
    conn: &mut Conn,
    wanted: impl Fn(&TableName) -> bool,
) -> anyhow::Result<Option<Check>> {
    let native = "SHOW GLOBAL VARIABLES LIKE 'innodb_native_foreign_keys'";
    let native: Option<(String, String)> = conn.query_first(native).await?;
    if native.is_some_and(|(_, native)| native.eq_ignore_ascii_case("OFF")) {
        return Ok(None);
    }
    const CHANGES: &str = "IN ('CASCADE', 'SET NULL', 'SET DEFAULT')";
    let referring = format!(
        "SELECT CONSTRAINT_SCHEMA, TABLE_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS \
         WHERE DELETE_RULE {CHANGES} OR UPDATE_RULE {CHANGES} ORDER BY 1, 2"
    );
    let referring: Vec<(String, String)> = conn.query(referring).await?;
    let mut tables: Vec<String> = referring
        .into_iter()
        .map(|(db, table)| TableName::new(db, table))
        .filter(wanted)
        .map(|name| name.to_string())
        .collect();
    tables.dedup();
    Ok((!tables.is_empty()).then(|| Check {
        name: "foreign keys",
        outcome: Outcome::Warn,
        found: format!("rows that cascades change are not in the binlog: {}", tables.join(", ")),
        fix: Some(
            "let the application change them, in place of ON DELETE and ON UPDATE".to_owned(),
        ),
    }))
}

/// A table without a key is read at one exact position, which on MySQL takes a lock for a moment.
async fn lock_tables(conn: &mut Conn, first: &CatalogTable, of: usize) -> anyhow::Result<Check> {
    let grants: Vec<String> = conn.query("SHOW GRANTS").await?;
    let granted = grants.iter().any(|g| g.contains("LOCK TABLES") || g.contains("ALL PRIVILEGES"));
    let (name, db) = (&first.schema.name, model::table::quote(&first.schema.name.db));
    Ok(Check {
        name: "privilege to lock tables",
        outcome: if granted { Outcome::Ok } else { Outcome::Fail },
        found: format!("{of} tables have no key that rows can be told apart by, {name} first"),
        fix: (!granted).then(|| {
            format!(
                "GRANT LOCK TABLES ON {db}.* TO the job's user; or give the tables a primary key"
            )
        }),
    })
}

fn mark(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "✓",
        Outcome::Warn => "!",
        Outcome::Fail => "✗",
    }
}

/// How a table's rows are told apart, for people.
fn key_text(table: &CatalogTable) -> String {
    let names: Vec<&str> = table.schema.key_columns().map(|c| &*c.name).collect();
    match KeyOrder::of(&table.schema) {
        Some(_) => names.join(", "),
        None if names.is_empty() => "none: read in one pass".to_owned(),
        None => format!("{}: read in one pass", names.join(", ")),
    }
}

fn text(job: &JobSpec, looked: &[Looked], tables: &[CatalogTable]) -> String {
    let mut text = format!("source of job {}\n", job.name);
    for Looked { host, checks } in looked {
        if looked.len() > 1 {
            text.push_str(&format!("{host}\n"));
        }
        let mut out = Table::new();
        out.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        for check in checks {
            let fix = check.fix.as_deref().unwrap_or_default();
            out.add_row([mark(check.outcome), check.name, &check.found, fix]);
        }
        text.push_str(&format!("{out}\n\n"));
    }
    let mut out = Table::new();
    out.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    for table in tables {
        let rows = format!("~{} rows", table.rows_estimate);
        out.add_row([table.schema.name.to_string(), rows, format!("key: {}", key_text(table))]);
    }
    text.push_str(&format!("{} tables match\n{out}", tables.len()));
    let bad = looked.iter().flat_map(|one| &one.checks).filter(|c| failed(c)).count();
    if bad > 0 {
        text.push_str(&format!("\n\n{bad} to be mended before the job can run"));
    }
    text
}

fn json(looked: &[Looked], tables: &[CatalogTable]) -> String {
    let one = |host: &Host, c: &Check| {
        let outcome = match c.outcome {
            Outcome::Ok => "ok",
            Outcome::Warn => "warn",
            Outcome::Fail => "fail",
        };
        serde_json::json!({
            "host": host.to_string(), "name": c.name, "outcome": outcome, "found": c.found,
            "fix": c.fix,
        })
    };
    let checks: Vec<_> =
        looked.iter().flat_map(|l| l.checks.iter().map(|c| one(&l.host, c))).collect();
    let tables: Vec<_> = tables
        .iter()
        .map(|t| {
            serde_json::json!({
                "table": t.schema.name.to_string(),
                "rows_estimate": t.rows_estimate,
                "key": t.schema.key_columns().map(|c| &*c.name).collect::<Vec<_>>(),
            })
        })
        .collect();
    format!("{:#}", serde_json::json!({ "checks": checks, "tables": tables }))
}
