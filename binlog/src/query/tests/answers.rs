//! Statements against a server that is a thread: what comes of its answers.

use std::thread::JoinHandle;

use model::ColumnType;

use super::*;
use crate::wire::scripted::{END, OK as DONE, serve};

const KILLED: &[u8] = b"\xff\x25\x05#70100Query execution was interrupted";
const UNKNOWN_TABLE: &[u8] = b"\xff\x7a\x04#42S02Table 'shop.t' doesn't exist";

/// A connection whose every SELECT has one column of text, these rows, and then this packet.
async fn connected(
    rows: Vec<Vec<u8>>,
    last: &'static [u8],
) -> (QueryConn, JoinHandle<Vec<Vec<u8>>>) {
    let (options, thread) = serve(move |command| match command {
        [COM_STMT_PREPARE, sql @ ..] if sql == b"refused" => vec![UNKNOWN_TABLE.to_vec()],
        [COM_STMT_PREPARE, ..] => {
            let prepared = vec![0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
            vec![prepared, definition(253, false), END.to_vec()]
        }
        [COM_STMT_EXECUTE, 7, 0, 0, 0, ..] => {
            let head = [vec![1], definition(253, false), END.to_vec()];
            head.into_iter().chain(rows.clone()).chain([last.to_vec()]).collect()
        }
        [COM_STMT_CLOSE | COM_QUIT, ..] => vec![],
        [_, sql @ ..] if sql == b"silence" => vec![],
        [_, sql @ ..] if sql == b"SHOW" => {
            vec![vec![2], vec![0], vec![0], END.to_vec(), b"\x01a\xfb".to_vec(), END.to_vec()]
        }
        [_, sql @ ..] if sql == b"none" => vec![vec![1], vec![0], b"\x05what".to_vec()],
        _ => vec![DONE.to_vec()],
    });
    (QueryConn::connect(&options).await.unwrap(), thread)
}

fn row(text: &[u8]) -> Vec<u8> {
    let len = u32::try_from(text.len()).unwrap().to_le_bytes();
    [&[0, 0, 253, len[0], len[1], len[2]], text].concat()
}

/// The texts of all rows of a SELECT.
async fn texts(conn: &mut QueryConn) -> Result<Vec<Vec<u8>>, Error> {
    let mut select = conn.select("SELECT").await?;
    let text = column(ColumnType::VarBinary { bytes: 50 });
    let form = ResultRows::new(&table(), [&text], select.columns()).unwrap();
    let mut texts = Vec::new();
    while let Some(rows) = select.next().await? {
        let mut rest = &rows[..];
        while !rest.is_empty() {
            let taken = form.check(rest).unwrap();
            let Some(Cell::Bytes(text)) = form.some(rest, &[0]).unwrap().pop() else { panic!() };
            texts.push(text.into_owned());
            rest = &rest[taken..];
        }
    }
    select.finish().await?;
    Ok(texts)
}

/// The commands that came behind those of the session.
fn told(thread: JoinHandle<Vec<Vec<u8>>>) -> Vec<u8> {
    let commands = thread.join().unwrap();
    let is_session = |command: &&Vec<u8>| command[1..].starts_with(b"SET ");
    commands.iter().filter(|c| !is_session(c)).map(|command| command[0]).collect()
}

#[tokio::test]
async fn a_select_is_prepared_executed_and_closed_behind_its_last_row() {
    let (mut conn, thread) = connected(vec![row(b"a"), row(b""), row(b"ccc")], END).await;
    for _ in 0..2 {
        assert_eq!(texts(&mut conn).await.unwrap(), [&b"a"[..], b"", b"ccc"]);
    }
    conn.close().await;
    let once = [COM_STMT_PREPARE, COM_STMT_EXECUTE, COM_STMT_CLOSE];
    assert_eq!(told(thread), [&once[..], &once, &[COM_QUIT]].concat());
}

#[tokio::test]
async fn rows_that_fit_in_no_segment_and_in_no_packet_come_whole() {
    let sizes = [10, 300_000, 17 << 20, (1 << 24) - 7, 5, 255_000, 255_000];
    let wanted: Vec<Vec<u8>> =
        sizes.iter().zip(1..).map(|(size, byte)| vec![byte; *size]).collect();
    // A length beyond 2^24 takes eight bytes.
    let long = |text: &Vec<u8>| {
        let len = u64::try_from(text.len()).unwrap().to_le_bytes();
        [&[0, 0, 254], &len[..], text].concat()
    };
    let (mut conn, _) = connected(wanted.iter().map(long).collect(), END).await;
    let found = texts(&mut conn).await.unwrap();
    assert!(found == wanted, "{:?}", found.iter().map(Vec::len).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_select_that_the_server_ends_is_its_error_and_leaves_the_connection_usable() {
    let (mut conn, thread) = connected(vec![row(b"a")], KILLED).await;
    for _ in 0..2 {
        let Err(Error::Server(error)) = texts(&mut conn).await else { panic!() };
        assert_eq!((error.code, &*error.state), (1317, "70100"));
    }
    conn.run("anything").await.unwrap();
    drop(conn);
    assert_eq!(told(thread).iter().filter(|c| **c == COM_STMT_CLOSE).count(), 2);
}

#[tokio::test]
async fn a_statement_that_is_refused_is_the_server_s_error() {
    let (mut conn, _) = connected(vec![], END).await;
    let Err(Error::Server(error)) = conn.select("refused").await.map(drop) else { panic!() };
    assert_eq!(error.code, 1146);
    assert_eq!(texts(&mut conn).await.unwrap(), Vec::<Vec<u8>>::new());
}

#[tokio::test]
async fn rows_that_nobody_took_do_not_pass_for_the_next_answer() {
    let rows: Vec<Vec<u8>> = (0..5000).map(|_| row(&[7; 200])).collect();
    let (mut conn, _) = connected(rows, END).await;
    let mut select = conn.select("SELECT").await.unwrap();
    assert!(select.next().await.unwrap().is_some());
    drop(select);
    assert_eq!(conn.rows("SHOW").await.unwrap(), [[Some("a".to_owned()), None]]);
    drop(conn.select("SELECT").await.unwrap());
    assert_eq!(texts(&mut conn).await.unwrap().len(), 5000);
}

#[tokio::test]
async fn an_answer_that_is_none_is_an_error() {
    let (mut conn, _) = connected(vec![row(b"a")], b"\x05what").await;
    texts(&mut conn).await.unwrap_err();
    let (mut conn, _) = connected(vec![], b"").await;
    texts(&mut conn).await.unwrap_err();
}

#[tokio::test]
async fn a_connection_that_was_left_within_an_answer_is_not_used_again() {
    let closed = |answer| matches!(answer, Err(Error::Driver(DriverError::ConnectionClosed)));
    let (mut conn, _) = connected(vec![], END).await;
    assert!(!closed(conn.run("none").await));
    assert!(closed(conn.run("anything").await));
    let (mut conn, _) = connected(vec![row(b"a")], b"\x05what").await;
    texts(&mut conn).await.unwrap_err();
    assert!(closed(conn.run("anything").await));
    let (mut conn, _) = connected(vec![], END).await;
    let waited = tokio::time::timeout(std::time::Duration::from_millis(1), conn.rows("silence"));
    waited.await.unwrap_err();
    assert!(closed(conn.select("SELECT").await.map(drop)));
}

#[tokio::test]
async fn rows_are_held_where_they_lie_or_copied_where_few_are_kept() {
    let rows: Vec<Vec<u8>> = (0..20_000).map(|_| row(&[7; 200])).collect();
    let (mut conn, _) = connected(rows, END).await;
    let mut select = conn.select("SELECT").await.unwrap();
    let (mut kept, mut copied) = (0, 0);
    while let Some(rows) = select.next().await.unwrap() {
        let held = select.hold(rows.clone());
        kept += usize::from(held.as_ptr() == rows.as_ptr());
    }
    select.finish().await.unwrap();
    let mut select = conn.select("SELECT").await.unwrap();
    let mut n = 0;
    while let Some(rows) = select.next().await.unwrap() {
        let few = rows.slice(..rows.len().min(100));
        copied += usize::from(select.hold(few.clone()).as_ptr() != few.as_ptr());
        n += 1;
    }
    assert!(kept > 0 && copied > n / 2, "{kept} kept, {copied} copied of {n}");
}
