//! `seachange check`: is the source fit, and which tables does the job mean?

use binlog::preflight::{self, Check, Outcome};
use binlog::server::{Server, connect};
use comfy_table::{ContentArrangement, Table, presets};
use job::JobSpec;
use model::TableName;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use super::{exit, show};
use crate::cli::CheckArgs;
use crate::source::catalog::{self, CatalogTable};
use crate::source::open::source_options;
use crate::source::order::KeyOrder;

pub async fn run(args: &CheckArgs) -> anyhow::Result<u8> {
    let job = super::read_job(&args.script)?;
    let options = source_options(&job.name, &job.source);
    let databases = job.source.tables.databases_hint().unwrap_or_default();
    let mut checks = preflight::run(&options, &databases).await;
    let reached = !checks.iter().any(|c| c.name == preflight::CONNECTION && failed(c));
    let tables = match tables(&job).await {
        Ok((tables, more)) => {
            checks.extend(more);
            tables
        }
        // Why there is no connection is said already.
        Err(_) if !reached => Vec::new(),
        Err(error) => return Err(error),
    };
    if reached && tables.is_empty() {
        checks.push(Check {
            name: "tables",
            outcome: Outcome::Warn,
            found: format!("none matches {}", job.source.tables),
            fix: Some("check `table-name`: each pattern must match the whole of `db.table`".into()),
        });
    }
    if args.json {
        show(json(&checks, &tables))?;
    } else {
        show(text(&job, &checks, &tables))?;
    }
    Ok(if checks.iter().any(failed) { exit::CHECK } else { exit::DONE })
}

fn failed(check: &Check) -> bool {
    check.outcome == Outcome::Fail
}

/// The tables that match, and what is to be said of them.
async fn tables(job: &JobSpec) -> anyhow::Result<(Vec<CatalogTable>, Vec<Check>)> {
    let mut conn = connect(&source_options(&job.name, &job.source)).await?;
    let server = Server::probe(&mut conn).await?;
    let wanted = |name: &TableName| job.source.tables.matches(name);
    let hint = job.source.tables.databases_hint();
    let tables: Vec<CatalogTable> =
        catalog::read(&mut conn, hint.as_deref(), wanted).await?.into_values().collect();
    let mut checks = Vec::new();
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
    Ok((tables, checks))
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

fn text(job: &JobSpec, checks: &[Check], tables: &[CatalogTable]) -> String {
    let mut out = Table::new();
    out.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    for check in checks {
        let fix = check.fix.as_deref().unwrap_or_default();
        out.add_row([mark(check.outcome), check.name, &check.found, fix]);
    }
    let mut text = format!("source of job {}\n{out}\n\n", job.name);
    let mut out = Table::new();
    out.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    for table in tables {
        let rows = format!("~{} rows", table.rows_estimate);
        out.add_row([table.schema.name.to_string(), rows, format!("key: {}", key_text(table))]);
    }
    text.push_str(&format!("{} tables match\n{out}", tables.len()));
    let bad = checks.iter().filter(|c| failed(c)).count();
    if bad > 0 {
        text.push_str(&format!("\n\n{bad} to be mended before the job can run"));
    }
    text
}

fn json(checks: &[Check], tables: &[CatalogTable]) -> String {
    let checks: Vec<_> = checks
        .iter()
        .map(|c| {
            let outcome = match c.outcome {
                Outcome::Ok => "ok",
                Outcome::Warn => "warn",
                Outcome::Fail => "fail",
            };
            serde_json::json!({
                "name": c.name, "outcome": outcome, "found": c.found, "fix": c.fix,
            })
        })
        .collect();
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
