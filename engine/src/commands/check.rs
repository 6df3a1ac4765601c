//! `seachange check`: is the source fit, and which tables does the job mean?

use binlog::preflight::{self, Check, Outcome};
use binlog::server::connect;
use comfy_table::{ContentArrangement, Table, presets};
use job::JobSpec;
use model::TableName;

use super::exit;
use crate::cli::CheckArgs;
use crate::source::catalog::{self, CatalogTable};
use crate::source::open::source_options;
use crate::source::order::KeyOrder;

pub async fn run(args: &CheckArgs) -> anyhow::Result<u8> {
    let job = super::read_job(&args.script)?;
    let options = source_options(&job.name, &job.source);
    let databases = job.source.tables.databases_hint().unwrap_or_default();
    let mut checks = preflight::run(&options, &databases).await;
    let tables = tables(&job).await.unwrap_or_default();
    let reached = !checks.iter().any(|c| c.name == preflight::CONNECTION && failed(c));
    if reached && tables.is_empty() {
        checks.push(Check {
            name: "tables",
            outcome: Outcome::Warn,
            found: format!("none matches {}", job.source.tables),
            fix: Some("check `table-name`: each pattern must match the whole of `db.table`".into()),
        });
    }
    if args.json {
        print_json(&checks, &tables);
    } else {
        print(&job, &checks, &tables);
    }
    Ok(if checks.iter().any(failed) { exit::CHECK } else { exit::DONE })
}

fn failed(check: &Check) -> bool {
    check.outcome == Outcome::Fail
}

async fn tables(job: &JobSpec) -> anyhow::Result<Vec<CatalogTable>> {
    let mut conn = connect(&source_options(&job.name, &job.source)).await?;
    let wanted = |name: &TableName| job.source.tables.matches(name);
    let hint = job.source.tables.databases_hint();
    Ok(catalog::read(&mut conn, hint.as_deref(), wanted).await?.into_values().collect())
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

fn print(job: &JobSpec, checks: &[Check], tables: &[CatalogTable]) {
    let mut out = Table::new();
    out.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    for check in checks {
        let fix = check.fix.as_deref().unwrap_or_default();
        out.add_row([mark(check.outcome), check.name, &check.found, fix]);
    }
    println!("source of job {}\n{out}\n", job.name);
    let mut out = Table::new();
    out.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    for table in tables {
        let rows = format!("~{} rows", table.rows_estimate);
        out.add_row([table.schema.name.to_string(), rows, format!("key: {}", key_text(table))]);
    }
    println!("{} tables match\n{out}", tables.len());
    let bad = checks.iter().filter(|c| failed(c)).count();
    if bad > 0 {
        println!("\n{bad} to be mended before the job can run");
    }
}

fn print_json(checks: &[Check], tables: &[CatalogTable]) {
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
    println!("{:#}", serde_json::json!({ "checks": checks, "tables": tables }));
}
