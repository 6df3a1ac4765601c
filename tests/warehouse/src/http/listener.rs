//! Connections of one node.

use std::future::pending;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::System;
use crate::cluster::{Call, Effect};
use crate::store::StoreError;

use super::answer::Answer;
use super::asked::{Asked, Framing};
use super::head::Watched;
use super::site::{Node, Site};
use super::{control, doris, starrocks};

/// The answer is not sent, and the connection is cut.
#[derive(Debug, thiserror::Error)]
#[error("the connection is cut")]
struct Cut;

pub(super) async fn listen(listener: TcpListener, site: Site) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(attend(stream, site.clone()));
                }
                // The peer is gone already, or there are no more handles: both pass.
                Err(_) => tokio::task::yield_now().await,
            },
        }
    }
}

/// Serves a connection until it ends or the node dies.
async fn attend(stream: TcpStream, site: Site) {
    let death = async {
        match site.node {
            Node::Backend(id) => site.cluster.death(id).await,
            Node::Frontend(_) => pending().await,
        }
    };
    let (stream, both) = Watched::new(stream);
    let service = service_fn(|request| {
        let framed_twice = both.swap(false, Ordering::AcqRel);
        reply(&site, request, framed_twice)
    });
    // A client that has sent its half may still read ours.
    let connection =
        http1::Builder::new().half_close(true).serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        biased;
        () = death => {}
        // How it ended is the client's matter.
        _ = connection => {}
    }
}

async fn reply(
    site: &Site,
    request: Request<Incoming>,
    framed_twice: bool,
) -> Result<Response<Full<Bytes>>, Cut> {
    let (mut asked, body) = Asked::of(request);
    if framed_twice {
        asked.framing = Framing::Both;
    }
    let call = call_of(&asked);
    let done = answer(site, call, asked, body).await;
    done.unwrap_or_else(|failed| {
        let text = format!("the stand-in failed: {failed}\n");
        Ok(Answer::text(StatusCode::INTERNAL_SERVER_ERROR, text))
    })
    .map(Answer::into_response)
}

/// Does the call, with the faults that any call may have.
async fn answer(
    site: &Site,
    call: Option<Call>,
    asked: Asked,
    body: Incoming,
) -> Result<Result<Answer, Cut>, StoreError> {
    let Some(call) = call else { return route(site, asked, body).await.map(Ok) };
    let label = asked.label().to_owned();
    if let Some(fault) = site.fault(Effect::Delay, call, &label)? {
        tokio::time::sleep(fault.time()).await;
    }
    let one_shot = asked.path().last() == Some(&"_stream_load");
    let answer = route(site, asked, body).await?;
    if answer.is_redirect() {
        return Ok(Ok(answer));
    }
    if let Some(fault) = site.fault(Effect::DelayReply, call, &label)? {
        tokio::time::sleep(fault.time()).await;
    }
    if site.fault(Effect::CutReply, call, &label)?.is_some() {
        return Ok(Err(Cut));
    }
    if site.fault(Effect::FailThoughDone, call, &label)?.is_some() {
        return Ok(Ok(match site.system()? {
            System::Doris => doris::failure(call, &label),
            System::StarRocks => starrocks::failure(one_shot, &label),
        }));
    }
    Ok(Ok(answer))
}

async fn route(site: &Site, asked: Asked, body: Incoming) -> Result<Answer, StoreError> {
    match asked.path().as_slice() {
        ["_fault"] => return control::answer(site, &asked, body).await,
        ["_counted"] => return control::counted(site),
        _ => {}
    }
    match site.system()? {
        System::Doris => doris::answer(site, asked, body).await,
        System::StarRocks => starrocks::answer(site, asked, body).await,
    }
}

fn call_of(asked: &Asked) -> Option<Call> {
    match asked.path().as_slice() {
        ["api", .., "_stream_load"] | ["api", "transaction", "load"] => Some(Call::Load),
        ["api", .., "_stream_load_2pc"] if asked.header("txn_operation") == Some("abort") => {
            Some(Call::Rollback)
        }
        ["api", .., "_stream_load_2pc"] | ["api", "transaction", "commit"] => Some(Call::Commit),
        ["api", "transaction", "begin"] => Some(Call::Begin),
        ["api", "transaction", "prepare"] => Some(Call::Prepare),
        ["api", "transaction", "rollback"] | ["api", _, _, "_cancel"] => Some(Call::Rollback),
        ["api", _, "get_load_state"] => Some(Call::State),
        _ => None,
    }
}
