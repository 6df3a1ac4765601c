//! The stand-in's own, on any node and without a password: no server has them.
//!
//! `GET /_counted`: what is visible of each table, where rows are counted. `POST /_fault`: what is to go wrong.
//!
//! ```text
//! {"next": {"effect": "cut_reply", "on": "commit", "times": 1, "label": "sync_", "millis": 1000}}
//! {"now": {"kill_backend": 0}}    {"now": {"skip_seconds": 3600}}    {"now": "forget_labels"}
//! ```

use std::collections::BTreeMap;

use hyper::body::Incoming;
use hyper::{Method, StatusCode};
use serde::Deserialize;

use crate::cluster::{Counted, Event, Fault};
use crate::store::{StoreError, view_name};

use super::answer::Answer;
use super::asked::Asked;
use super::body;
use super::site::{Site, not_found};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Wish {
    Next(Fault),
    Now(Event),
}

const BODY_MAX: u64 = 1 << 16;

pub(super) fn counted(site: &Site) -> Result<Answer, StoreError> {
    site.cluster.update(|state| match &state.counting {
        None => not_found(),
        Some(counting) => {
            let visible = counting.visible().iter();
            let visible: BTreeMap<String, &Counted> =
                visible.map(|(name, counted)| (view_name(name), counted)).collect();
            Answer::json(serde_json::json!(visible).to_string())
        }
    })
}

pub(super) async fn answer(
    site: &Site,
    asked: &Asked,
    body: Incoming,
) -> Result<Answer, StoreError> {
    if asked.method != Method::POST {
        return Ok(not_found());
    }
    let read = body::read(body, BODY_MAX).await.map_err(|refusal| refusal.message);
    let wish = read.and_then(|bytes| {
        serde_json::from_slice::<Wish>(&bytes).map_err(|error| error.to_string())
    });
    let bad = |why: String| Ok(Answer::text(StatusCode::BAD_REQUEST, why + "\n"));
    match wish {
        Ok(Wish::Next(fault)) => site.cluster.update(|state| state.arm(fault))?,
        Ok(Wish::Now(event)) => {
            if !site.cluster.with(|state| state.happen(&event))? {
                return bad("there is no such node".to_owned());
            }
        }
        Err(why) => return bad(why),
    }
    Ok(Answer::json("{}"))
}
