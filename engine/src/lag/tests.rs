//! What a server's answer means to a job.

use std::time::Duration;

use binlog::server::BinaryLog;

use super::*;

const HOUR_MS: i64 = 3_600_000;
const NOW: i64 = 1_000 * HOUR_MS;

fn at(file: u64, offset: u64) -> BinlogPosition {
    BinlogPosition { file: format!("binlog.{file:06}").parse().unwrap(), offset }
}

/// Files of 100 bytes each, the last of which is being written.
fn look(files: std::ops::RangeInclusive<u64>, executed: Gtids) -> Look {
    let end = at(*files.end(), 100);
    let files = files.map(|n| BinaryLog { file: at(n, 0).file, size: 100 }).collect();
    Look { end, files, executed, expires_after: Some(Duration::from_secs(10 * 3600)) }
}

fn mysql(text: &str) -> Gtids {
    Gtids::Mysql(text.parse().unwrap())
}

#[track_caller]
fn check(
    position: &BinlogPosition,
    gtids: &Gtids,
    look: &Look,
    bytes: Option<u64>,
    left: Option<u64>,
) {
    let behind = Place { position, gtids, ts_ms: NOW - 5000 }.behind(look, NOW);
    assert_eq!((behind.bytes, behind.transactions), (bytes, left));
    assert_eq!(behind.seconds, if bytes == Some(0) { 0 } else { 5 });
}

#[test]
fn what_is_left_is_counted_over_files_and_transactions() {
    let uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
    let executed = mysql(&format!("{uuid}:1-20"));
    let taken = mysql(&format!("{uuid}:1-5:7-18"));
    check(&at(3, 40), &taken, &look(1..=5, executed.clone()), Some(260), Some(3));
    check(&at(5, 100), &executed, &look(1..=5, executed.clone()), Some(0), Some(0));
    check(&at(5, 90), &Gtids::None, &look(1..=5, executed), Some(10), None);
    let maria = |text: &str| Gtids::Mariadb(text.parse().unwrap());
    check(&at(5, 90), &maria("0-1-7"), &look(1..=5, maria("0-2-9,3-1-4")), Some(10), Some(6));
    let other = BinlogPosition { file: "mysql-bin.000003".parse().unwrap(), offset: 4 };
    check(&other, &Gtids::None, &look(1..=5, Gtids::None), None, None);
}

#[track_caller]
fn keeps(pace: &Pace, position: &BinlogPosition, ts_ms: i64, look: &Look) -> Option<f64> {
    pace.retention(NOW, look, &Place { position, gtids: &Gtids::None, ts_ms })
}

#[test]
fn a_job_at_the_end_of_the_binlog_has_the_whole_time_however_long_ago_the_last_change_was() {
    let left = keeps(&Pace::default(), &at(5, 100), NOW - 900 * HOUR_MS, &look(1..=5, Gtids::None));
    assert_eq!(left, Some(36_000.0));
}

#[test]
fn a_job_that_stands_still_has_what_the_age_of_its_place_leaves() {
    let left = keeps(&Pace::default(), &at(3, 4), NOW - 9 * HOUR_MS, &look(1..=5, Gtids::None));
    assert_eq!(left, Some(3600.0));
}

#[test]
fn a_file_that_is_purged_leaves_nothing() {
    let left = keeps(&Pace::default(), &at(3, 4), NOW - HOUR_MS, &look(4..=5, Gtids::None));
    assert_eq!(left, Some(0.0));
}

#[test]
fn a_server_that_purges_none_by_age_is_judged_by_how_its_oldest_file_moves() {
    let keeping = |files| Look { expires_after: None, ..look(files, Gtids::None) };
    let position = at(11, 4);
    let mut pace = Pace::default();
    assert_eq!(keeps(&pace, &position, NOW, &keeping(1..=20)), None);
    let before = Place { position: &position, gtids: &Gtids::None, ts_ms: NOW - 1000 };
    pace.note(NOW - 100_000, &keeping(1..=20), &before);
    assert_eq!(keeps(&pace, &position, NOW, &keeping(1..=20)), None, "nothing is purged");
    // Five files in 100 s, and five are left before it is the job's turn.
    assert_eq!(keeps(&pace, &position, NOW, &keeping(6..=25)), Some(100.0));
    assert_eq!(keeps(&pace, &at(16, 4), NOW, &keeping(6..=25)), None, "it keeps its distance");
}

#[test]
fn a_job_that_goes_half_as_fast_as_time_has_twice_what_one_has_that_stands() {
    let (position, look) = (at(3, 4), look(1..=5, Gtids::None));
    let mut pace = Pace::default();
    let half =
        Place { position: &position, gtids: &Gtids::None, ts_ms: NOW - 9 * HOUR_MS - 50_000 };
    pace.note(NOW - 100_000, &look, &half);
    assert_eq!(keeps(&pace, &position, NOW - 9 * HOUR_MS, &look), Some(7200.0));
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_no_reason_to_wait_again_at_once() {
    // A port that nobody listens at.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let options = SourceOptions { host: "127.0.0.1".to_owned(), port, ..SourceOptions::default() };
    let servers = Servers::new(Duration::ZERO);
    assert_eq!(servers.look(&options).await, None);
    // One listens now; but it is left alone for a while.
    let listener = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    listener.set_nonblocking(true).unwrap();
    assert_eq!(servers.look(&options).await, None);
    assert!(listener.accept().is_err(), "nobody has come");
}
