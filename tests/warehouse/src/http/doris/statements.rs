//! SQL over HTTP, by which Flink's connectors make and change tables.

use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::ddl::{self, SqlError, Statement};
use crate::reply::doris;
use crate::sql::{self, Cell, Field, Rows, Session};
use crate::store::StoreError;
use crate::table::{TableName, Type};

use super::super::answer::Answer;
use super::super::asked::Asked;
use super::super::body;
use super::super::site::Site;

const BODY_MAX: u64 = 1 << 20;
/// Rows of an answer, unless the request says how many.
const ROWS_MAX: usize = 1_000;
const CATALOGS: [&str; 2] = ["default_cluster", "internal"];

#[derive(Debug, Deserialize)]
struct Wish {
    stmt: Option<String>,
    #[serde(default = "yes")]
    is_sync: bool,
    limit: Option<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ColumnChange {
    is_drop_column: bool,
    #[serde(default)]
    column_name: String,
}

fn yes() -> bool {
    true
}

fn ok(data: Value) -> Answer {
    Answer::json(doris::answer("success", 0, data))
}

fn refused(text: String) -> Answer {
    Answer::json(doris::answer("Error", 1, text))
}

/// What no handler of the frontend catches.
fn broken(text: String) -> Answer {
    Answer::json(doris::answer("Internal Error", 500, text))
}

/// `POST /api/query/{catalog}/{database}` with `{"stmt": "…"}`.
pub(super) async fn run(
    site: &Site,
    asked: &Asked,
    body: Incoming,
    catalog: &str,
    database: &str,
) -> Result<Answer, StoreError> {
    let wish: Wish = match parsed(body).await {
        Ok(wish) => wish,
        Err(why) => return Ok(broken(why)),
    };
    let stmt = wish.stmt.unwrap_or_default();
    if stmt.is_empty() {
        let text = "Missing statement request body";
        return Ok(Answer::json(doris::answer("Bad Request", 403, text)));
    }
    if !CATALOGS.contains(&catalog) {
        return Ok(broken(format!("Unknown catalog '{catalog}'")));
    }
    if !wish.is_sync {
        return Ok(refused("Not support async query execution".to_owned()));
    }
    let user = asked.credentials.as_ref().map_or("", |known| &known.user);
    let done = execute(site, user, database, &stmt);
    Ok(match done {
        Ok(sql::Answer::Rows(rows)) => ok(result_set(&rows, wish.limit.unwrap_or(ROWS_MAX))),
        Ok(sql::Answer::Done) => ok(json!({ "type": "exec_status", "status": {}, "time": 0 })),
        Err(why) => refused(format!("Failed to execute sql: {why}")),
    })
}

fn execute(site: &Site, user: &str, database: &str, sql: &str) -> Result<sql::Answer, String> {
    let refused = |error: SqlError| format!("java.sql.SQLException: (conn=1) {}", error.message);
    let statement = ddl::parse(crate::System::Doris, sql).map_err(refused)?;
    if matches!(statement, Statement::Nothing | Statement::Use(_) | Statement::Set(_)) {
        return Err("java.lang.Exception: Unsupported statement type".to_owned());
    }
    let mut session =
        Session::open(site.cluster.clone(), user, 1, Some(database.to_owned())).map_err(refused)?;
    session.run(sql).map_err(refused)
}

fn result_set(rows: &Rows, limit: usize) -> Value {
    let meta = rows.fields.iter().map(|field| json!({ "name": field.name, "type": typed(field) }));
    let row = |row: &Vec<Cell>| -> Value {
        row.iter().zip(&rows.fields).map(|(cell, field)| value(field, cell.as_deref())).collect()
    };
    json!({
        "type": "result_set",
        "meta": meta.collect::<Vec<_>>(),
        "data": rows.rows.iter().take(limit).map(row).collect::<Vec<_>>(),
        "time": 0,
    })
}

/// As a JDBC driver names the types of MySQL's protocol.
fn typed(field: &Field) -> &'static str {
    match field.ty {
        Type::Boolean | Type::TinyInt => "TINYINT",
        Type::SmallInt => "SMALLINT",
        Type::Int => "INT",
        Type::BigInt => "BIGINT",
        Type::Float => "FLOAT",
        Type::Double => "DOUBLE",
        Type::Decimal { .. } => "DECIMAL",
        Type::Date => "DATE",
        Type::DateTime(_) => "DATETIME",
        Type::Varchar(_) => "VARCHAR",
        Type::Varbinary(_) => "VARBINARY",
        Type::LargeInt | Type::Char(_) | Type::String | Type::Json => "CHAR",
    }
}

/// Numbers are numbers, all else is text.
fn value(field: &Field, cell: Option<&[u8]>) -> Value {
    let Some(bytes) = cell else { return Value::Null };
    let text = String::from_utf8_lossy(bytes);
    let number = match field.ty {
        Type::Boolean | Type::TinyInt | Type::SmallInt | Type::Int | Type::BigInt => {
            text.parse().ok().map(|number: i64| json!(number))
        }
        Type::Float | Type::Double | Type::Decimal { .. } => {
            text.parse().ok().map(|number: f64| json!(number))
        }
        Type::LargeInt
        | Type::Char(_)
        | Type::Varchar(_)
        | Type::String
        | Type::Date
        | Type::DateTime(_)
        | Type::Json
        | Type::Varbinary(_) => None,
    };
    number.unwrap_or_else(|| Value::from(text.into_owned()))
}

/// `GET /api/enable_light_schema_change/{database}/{table}`, with the change as its body.
pub(super) async fn can_be_light(
    site: &Site,
    body: Incoming,
    name: &TableName,
) -> Result<Answer, StoreError> {
    let change: ColumnChange = match parsed(body).await {
        Ok(change) => change,
        Err(why) => return Ok(broken(why)),
    };
    site.cluster.update(|state| {
        let table = match state.table_of_load(name) {
            Ok(table) => table,
            Err(refusal) => return refused(refusal.message),
        };
        let property = table.details.properties.get("light_schema_change");
        if property.is_some_and(|value| value.eq_ignore_ascii_case("false")) {
            return refused(format!("table {} disable light schema change", name.table));
        }
        let column = &change.column_name;
        let at = table.position_in_sql(column);
        let is_key = at.and_then(|at| table.columns.get(at)).is_some_and(|column| column.is_key);
        if change.is_drop_column && is_key {
            return refused(format!(
                "Column {column} is primary key in materializedIndex that can't do the light schema \
                 change"
            ));
        }
        ok(Value::Object(Map::new()))
    })
}

async fn parsed<T: serde::de::DeserializeOwned>(body: Incoming) -> Result<T, String> {
    let bytes = body::read(body, BODY_MAX).await.map_err(|refusal| refusal.message)?;
    serde_json::from_slice(&bytes).map_err(|error| error.to_string())
}
