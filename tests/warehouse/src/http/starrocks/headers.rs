//! What calls say in their headers.

use std::time::Duration;

use crate::ingest::Options;
use crate::table::TableName;
use crate::txn::starrocks::LoadRequest;
use crate::txn::{Label, Refusal, StarRocks};
use crate::{System, cluster::State};

use super::super::asked::Asked;
use super::super::load;
use super::super::site::Stop;
use super::{access_denied, no_credentials};

const TIMEOUT_MAX_SECS: u64 = 259_200;

/// Those that bear on how data is read: every load of a transaction must have the same.
const OF_LOADS: [&str; 26] = [
    "format",
    "compression",
    "content-encoding",
    "columns",
    "column_separator",
    "row_delimiter",
    "skip_header",
    "trim_space",
    "enclose",
    "escape",
    "where",
    "partitions",
    "temporary_partitions",
    "negative",
    "max_filter_ratio",
    "strict_mode",
    "timezone",
    "load_mem_limit",
    "jsonpaths",
    "json_root",
    "strip_outer_array",
    "ignore_json_size",
    "partial_update",
    "partial_update_mode",
    "merge_condition",
    "envelope",
];

pub(super) fn is_multi(asked: &Asked) -> bool {
    asked.header("transaction_type").is_some_and(|kind| kind.eq_ignore_ascii_case("multi"))
}

pub(super) fn database(asked: &Asked) -> Result<&str, Refusal> {
    let found = asked.header("db").filter(|name| !name.is_empty());
    found.ok_or_else(|| Refusal::new("INVALID_ARGUMENT", "No database selected."))
}

pub(super) fn table(asked: &Asked) -> Result<&str, Refusal> {
    let found = asked.header("table").filter(|name| !name.is_empty());
    found.ok_or_else(|| Refusal::new("INVALID_ARGUMENT", "No table selected."))
}

pub(super) fn label(asked: &Asked) -> Result<Label, Refusal> {
    StarRocks::label(asked.label())
}

/// Seconds from 1 to three days.
pub(super) fn timeout(asked: &Asked, name: &str) -> Result<Option<Duration>, Refusal> {
    let Some(text) = asked.header(name) else { return Ok(None) };
    match text.parse::<u64>() {
        Ok(seconds @ 1..=TIMEOUT_MAX_SECS) => Ok(Some(Duration::from_secs(seconds))),
        _ => {
            let text = match name {
                "prepared_timeout" => format!("Invalid prepared_timeout: {text}"),
                _ => "Invalid timeout format".to_owned(),
            };
            Err(Refusal::new("INVALID_ARGUMENT", text))
        }
    }
}

/// A backend asks the frontend, which knows the passwords.
pub(super) fn check_user(state: &State, asked: &Asked) -> Result<(), Refusal> {
    let credentials = asked.credentials.as_ref().ok_or_else(no_credentials)?;
    if state.users.admit(&credentials.user, &credentials.password) {
        return Ok(());
    }
    Err(Refusal::new("INTERNAL_ERROR", access_denied(Some(credentials))))
}

/// How the body is to be read, if it may come.
pub(super) fn options(state: &State, asked: &Asked) -> Result<Options, Stop> {
    let options = Options::parse(System::StarRocks, &asked.headers)?;
    let unlimited = asked.header("ignore_json_size").is_some_and(|text| text == "true");
    load::check_length(&state.limits, System::StarRocks, &options, asked.framing, unlimited)?;
    Ok(options)
}

pub(super) fn load_request(asked: &Asked, name: &TableName) -> LoadRequest {
    let given = OF_LOADS
        .iter()
        .filter_map(|name| asked.header(name).map(|value| ((*name).to_owned(), value.to_owned())));
    LoadRequest {
        database: name.database.clone(),
        table: name.table.clone(),
        parameters: given.collect(),
    }
}
