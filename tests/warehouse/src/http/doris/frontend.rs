//! A frontend: redirects loads, and answers about itself and its labels.

use hyper::Method;
use hyper::body::Incoming;
use serde_json::json;

use crate::cluster::{Call, State};
use crate::reply::doris;
use crate::store::StoreError;
use crate::table::{Column, KeyModel, Table, TableName, Type};

use super::super::answer::Answer;
use super::super::asked::Asked;
use super::super::site::{Site, not_found};
use super::{access_denied, statements};

const GROUP_COMMIT: [&str; 3] = ["async_mode", "sync_mode", "off_mode"];

pub(super) async fn answer(
    site: &Site,
    place: usize,
    asked: &Asked,
    body: Incoming,
) -> Result<Answer, StoreError> {
    let (get, put) = (asked.method == Method::GET, asked.method == Method::PUT);
    let post = asked.method == Method::POST;
    match asked.path().as_slice() {
        ["api", "health"] if get => site.cluster.update(health),
        ["api", "bootstrap"] if get => site.cluster.update(|state| bootstrap(state, place)),
        ["api", _, _, "_stream_load"] if put => load(site, asked),
        ["api", .., "_stream_load_2pc"] if put => two_phase(site, asked),
        ["api", ..] if !site.admits(asked.credentials.as_ref())? => Ok(unauthorized(asked)),
        ["api", "query", catalog, database] if post => {
            statements::run(site, asked, body, catalog, database).await
        }
        ["api", "enable_light_schema_change", database, table] if get => {
            statements::can_be_light(site, body, &TableName::new(*database, *table)).await
        }
        ["api", "backends"] if get => site.cluster.update(|state| backends(state, asked)),
        ["api", database, "get_load_state"] if get => load_state(site, asked, database),
        ["api", database, table, "_schema"] if get => {
            let name = TableName::new(*database, *table);
            site.cluster.update(|state| schema(state, &name))
        }
        ["api", "query", _, _]
        | ["api", .., "_stream_load" | "_stream_load_2pc" | "get_load_state"] => {
            let text = format!("Request method '{}' is not supported", asked.method);
            Ok(Answer::json(doris::answer("Internal Error", 500, text)))
        }
        _ => Ok(not_found()),
    }
}

/// The body is not read: the connection is closed under whoever sends it.
fn load(site: &Site, asked: &Asked) -> Result<Answer, StoreError> {
    let failed = |text: &str| Ok(Answer::json(doris::failed(text)).closing());
    let mode = asked.header("group_commit").map(str::to_ascii_lowercase);
    if mode.is_some_and(|mode| !GROUP_COMMIT.contains(&mode.as_str())) {
        let modes = "`sync_mode`, `async_mode` or `off_mode`";
        return failed(&format!("Header `group_commit` can only be {modes}."));
    }
    if !site.admits(asked.credentials.as_ref())? {
        return Ok(unauthorized(asked).closing());
    }
    // Its value is not looked at.
    if asked.expect.is_none() {
        return failed("There is no 100-continue header");
    }
    redirect(site, asked, Call::Load)
}

fn two_phase(site: &Site, asked: &Asked) -> Result<Answer, StoreError> {
    if !site.admits(asked.credentials.as_ref())? {
        return Ok(unauthorized(asked).closing());
    }
    if asked.header("txn_id").is_none() && asked.label().is_empty() {
        return Ok(Answer::json(doris::failed("No transaction id or label selected.")));
    }
    let call = match asked.header("txn_operation") {
        Some("abort") => Call::Rollback,
        _ => Call::Commit,
    };
    redirect(site, asked, call)
}

fn redirect(site: &Site, asked: &Asked, call: Call) -> Result<Answer, StoreError> {
    match site.cluster.update(|state| state.nodes.choose())? {
        Some(backend) => site.to_backend(asked, call, &backend),
        None => {
            let text =
                "errCode = 2, detailMessage = No backend load available, policy: round robin";
            Ok(Answer::json(doris::failed(text)).closing())
        }
    }
}

fn unauthorized(asked: &Asked) -> Answer {
    let text = access_denied(asked.credentials.as_ref());
    Answer::json(doris::answer("Unauthorized", 401, text))
}

fn load_state(site: &Site, asked: &Asked, database: &str) -> Result<Answer, StoreError> {
    if site.follows()? {
        return site.to_leader(asked);
    }
    let found = site.cluster.update(|state| state.load_state(database, asked.label()))?;
    Ok(Answer::json(match found {
        Ok((name, _)) => doris::answer("success", 0, name),
        Err(refusal) => doris::answer("Error", 1, refusal.message),
    }))
}

fn backends(state: &State, asked: &Asked) -> Answer {
    let only_alive = asked.query.get("is_alive").is_some_and(|text| text == "true");
    let listed = state.nodes.backends.iter().filter(|node| node.alive || !only_alive);
    let listed: Vec<_> = listed
        .map(|node| json!({ "ip": node.host, "http_port": node.http_port, "is_alive": node.alive }))
        .collect();
    Answer::json(doris::answer("success", 0, json!({ "backends": listed })))
}

fn health(state: &mut State) -> Answer {
    let alive = state.nodes.backends.iter().filter(|node| node.alive).count();
    let all = state.nodes.backends.len();
    let data = json!({ "total_backend_num": all, "online_backend_num": alive });
    Answer::json(doris::answer("success", 0, data))
}

fn bootstrap(state: &mut State, place: usize) -> Answer {
    let query_port = state.nodes.frontends.get(place).map_or(0, |node| node.query_port);
    let data = json!({
        "replayedJournalId": 0,
        "queryPort": query_port,
        "rpcPort": 0,
        "arrowFlightSqlPort": -1,
        "version": "doris-3.0.0-stand-in",
    });
    Answer::json(doris::answer("success", 0, data))
}

fn schema(state: &mut State, name: &TableName) -> Answer {
    match state.table_of_load(name) {
        Err(refusal) => Answer::json(doris::answer("Error", 1, refusal.message)),
        Ok(table) => {
            let keys = match table.model {
                KeyModel::Unique => "UNIQUE_KEYS",
                KeyModel::Duplicate => "DUP_KEYS",
            };
            let columns: Vec<_> =
                table.columns.iter().map(|column| described(&table, column)).collect();
            let data = json!({ "keysType": keys, "properties": columns, "status": 200 });
            Answer::json(doris::answer("success", 0, data))
        }
    }
}

/// The name of the type as the frontend has it inside; only decimals tell their size.
fn described(table: &Table, column: &Column) -> serde_json::Value {
    let mut told = json!({
        "name": column.name,
        "type": primitive(column.ty),
        "comment": table.details.comments.get(&column.name).map_or("", String::as_str),
        "aggregation_type": if column.is_key { "" } else { "NONE" },
    });
    if let (Type::Decimal { precision, scale }, Some(told)) = (column.ty, told.as_object_mut()) {
        told.insert("precision".to_owned(), precision.to_string().into());
        told.insert("scale".to_owned(), scale.to_string().into());
    }
    told
}

fn primitive(ty: Type) -> String {
    match ty {
        Type::Decimal { precision: 0..=9, .. } => "DECIMAL32".to_owned(),
        Type::Decimal { precision: 10..=18, .. } => "DECIMAL64".to_owned(),
        Type::Decimal { .. } => "DECIMAL128".to_owned(),
        Type::Date => "DATEV2".to_owned(),
        Type::DateTime(_) => "DATETIMEV2".to_owned(),
        Type::Boolean
        | Type::TinyInt
        | Type::SmallInt
        | Type::Int
        | Type::BigInt
        | Type::LargeInt
        | Type::Float
        | Type::Double
        | Type::Char(_)
        | Type::Varchar(_)
        | Type::String
        | Type::Json
        | Type::Varbinary(_) => {
            let written = ty.to_string();
            written.split('(').next().unwrap_or_default().to_owned()
        }
    }
}
