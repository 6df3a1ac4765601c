//! The client against the stand-in: promises of both contracts' checklists, from the client's side.

mod checklist;
mod doris;
mod sql;
mod stand;
mod starrocks;
mod tls;
mod wire;
