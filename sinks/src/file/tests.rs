//! The file sink against its promises: the common suite, then what only files have.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use async_trait::async_trait;
use model::conformance::sink::{FarSide, Guarantee, Visibility, keeps_its_promises};
use model::sink::SinkToken;
use model::{Sink, SinkError};
use serde_json::Value;
use tempfile::{TempDir, tempdir};

use crate::SinkContext;
use crate::testing::{barrier, batch, context, numbers};

fn open_as(context: SinkContext, directory: &Path, more: &[(&str, &str)]) -> Box<dyn Sink> {
    let path = directory.to_str().unwrap().to_owned();
    let mut options = BTreeMap::from([("path".to_owned(), path)]);
    options.extend(more.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
    crate::open("file", &options, context).unwrap()
}

/// Parts of one record each: `shop.t> +I[1]` and its line end are 14 bytes.
const TINY: &[(&str, &str)] = &[("format", "changelog"), ("roll.bytes", "20")];

fn open(directory: &Path) -> Box<dyn Sink> {
    open_as(context(), directory, TINY)
}

async fn begun(directory: &Path, token: Option<&SinkToken>) -> Box<dyn Sink> {
    let mut sink = open(directory);
    sink.restore(token).await.unwrap();
    sink
}

async fn write(sink: &mut Box<dyn Sink>, values: &[i64]) {
    sink.write(batch(vec![numbers(values)])).await.unwrap();
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> =
        entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    names
}

fn part(directory: &Path, name: &str) -> String {
    fs::read_to_string(directory.join(name)).unwrap()
}

async fn refusal(sink: &mut Box<dyn Sink>, token: Option<&SinkToken>) -> String {
    let error = sink.restore(token).await.unwrap_err();
    assert!(matches!(error, SinkError::Definite { .. }), "{error:?}");
    error.to_string()
}

struct Directory {
    place: TempDir,
    roll_bytes: &'static str,
}

#[async_trait]
impl FarSide for Directory {
    fn visibility(&self) -> Visibility {
        Visibility::OnWrite
    }

    fn guarantee(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }

    async fn open(&mut self) -> Box<dyn Sink> {
        open_as(context(), self.place.path(), &[("roll.bytes", self.roll_bytes)])
    }

    async fn visible(&mut self) -> Vec<i64> {
        let mut ids = Vec::new();
        for name in names(self.place.path()).iter().filter(|name| name.starts_with("part-")) {
            for line in part(self.place.path(), name).lines() {
                let record: Value = serde_json::from_str(line).unwrap();
                ids.push(record["after"]["id"].as_i64().unwrap());
            }
        }
        ids
    }
}

#[tokio::test]
async fn the_file_sink_keeps_its_promises() {
    keeps_its_promises(|| Directory { place: tempdir().unwrap(), roll_bytes: "128mb" }).await;
}

#[tokio::test]
async fn the_file_sink_keeps_its_promises_with_a_part_for_every_record() {
    keeps_its_promises(|| Directory { place: tempdir().unwrap(), roll_bytes: "1" }).await;
}

#[tokio::test]
async fn parts_roll_between_records_and_read_in_name_order_are_the_changelog() {
    let place = tempdir().unwrap();
    let mut sink =
        open_as(context(), place.path(), &[("format", "changelog"), ("roll.bytes", "40")]);
    sink.restore(None).await.unwrap();
    let all: Vec<i64> = (1..=7).collect();
    write(&mut sink, &all).await;
    write(&mut sink, &[100_000_000_000_000_000]).await;
    write(&mut sink, &[8]).await;
    sink.prepare(&barrier(1)).await.unwrap();
    let names = names(place.path());
    assert_eq!(names[0], "part-00000001.log");
    let parts: Vec<_> = names.iter().map(|name| part(place.path(), name)).collect();
    assert!(parts.iter().all(|part| part.len() <= 40 && part.ends_with('\n')), "{parts:?}");
    let expected: String = all
        .iter()
        .chain(&[100_000_000_000_000_000, 8])
        .map(|n| format!("shop.t> +I[{n}]\n"))
        .collect();
    assert_eq!(parts.concat(), expected);
}

#[tokio::test]
async fn a_record_longer_than_a_part_is_a_part_of_its_own() {
    let place = tempdir().unwrap();
    let mut sink =
        open_as(context(), place.path(), &[("format", "changelog"), ("roll.bytes", "5")]);
    sink.restore(None).await.unwrap();
    write(&mut sink, &[1, 2]).await;
    sink.prepare(&barrier(1)).await.unwrap();
    assert_eq!(names(place.path()), ["part-00000001.log", "part-00000002.log"]);
    assert_eq!(part(place.path(), "part-00000002.log"), "shop.t> +I[2]\n");
}

#[tokio::test]
async fn much_data_passes_the_writer_in_order() {
    let place = tempdir().unwrap();
    let mut sink =
        open_as(context(), place.path(), &[("format", "changelog"), ("roll.bytes", "1mb")]);
    sink.restore(None).await.unwrap();
    let all: Vec<i64> = (0..200_000).collect();
    for some in all.chunks(1000) {
        write(&mut sink, some).await;
    }
    let token = sink.prepare(&barrier(1)).await.unwrap();
    let names = names(place.path());
    let whole: String = names.iter().map(|name| part(place.path(), name)).collect();
    let expected: String = all.iter().map(|n| format!("shop.t> +I[{n}]\n")).collect();
    assert!(whole == expected, "{} bytes of {}", whole.len(), expected.len());
    let token: Value = serde_json::from_slice(&token).unwrap();
    assert_eq!(token["part"], names.len());
    assert_eq!(token["length"], part(place.path(), names.last().unwrap()).len());
}

#[tokio::test]
async fn a_restore_cuts_the_part_and_removes_later_ones() {
    let place = tempdir().unwrap();
    let mut sink = begun(place.path(), None).await;
    write(&mut sink, &[1]).await;
    let token = sink.prepare(&barrier(1)).await.unwrap();
    let crc = crc32fast::hash(b"shop.t> +I[1]\n");
    assert_eq!(token, format!(r#"{{"part":1,"length":14,"crc":{crc}}}"#).into_bytes());
    write(&mut sink, &[2, 3]).await;
    sink.prepare(&barrier(2)).await.unwrap();
    drop(sink);
    assert_eq!(names(place.path()).len(), 3);
    // Half a record behind the barrier, as a crash leaves it.
    let first = place.path().join("part-00000001.log");
    fs::write(&first, "shop.t> +I[1]\nshop.t> +").unwrap();

    let mut sink = begun(place.path(), Some(&token)).await;
    assert_eq!(names(place.path()), ["part-00000001.log"]);
    assert_eq!(part(place.path(), "part-00000001.log"), "shop.t> +I[1]\n");
    write(&mut sink, &[4]).await;
    sink.prepare(&barrier(2)).await.unwrap();
    assert_eq!(part(place.path(), "part-00000002.log"), "shop.t> +I[4]\n");
}

#[tokio::test]
async fn a_part_that_lost_data_or_is_gone_is_named_with_what_was_expected_and_found() {
    let place = tempdir().unwrap();
    let mut sink = begun(place.path(), None).await;
    write(&mut sink, &[1]).await;
    let token = sink.prepare(&barrier(1)).await.unwrap();
    write(&mut sink, &[2]).await;
    sink.prepare(&barrier(2)).await.unwrap();
    drop(sink);
    let path = place.path().join("part-00000001.log");
    fs::write(&path, "shop").unwrap();
    let shown = path.display();
    assert_eq!(
        refusal(&mut open(place.path()), Some(&token)).await,
        format!(
            "sink[0]: part file `{shown}` lost data: the checkpoint needs 14 bytes of it, found 4"
        )
    );
    fs::remove_file(&path).unwrap();
    assert_eq!(
        refusal(&mut open(place.path()), Some(&token)).await,
        format!(
            "sink[0]: part file `{shown}` is missing: the checkpoint needs 14 bytes of it, found \
             none"
        )
    );
    assert_eq!(names(place.path()), ["part-00000002.log"], "a refused restore removes nothing");
}

#[tokio::test]
async fn what_a_restore_would_refuse_a_check_refuses_and_nothing_is_changed() {
    let place = tempdir().unwrap();
    let mut sink = begun(place.path(), None).await;
    write(&mut sink, &[1, 2]).await;
    let token = sink.prepare(&barrier(1)).await.unwrap();
    write(&mut sink, &[3]).await;
    sink.flush().await.unwrap();
    drop(sink);
    let before = names(place.path());
    assert_eq!(before.len(), 3);

    let mut sink = open(place.path());
    sink.check(Some(&token)).await.unwrap();
    sink.check(None).await.unwrap();
    assert_eq!(names(place.path()), before);
    sink.restore(Some(&token)).await.unwrap();
    assert_eq!(names(place.path()).len(), 2, "it is good to be restored after a check");
    drop(sink);

    fs::write(place.path().join("part-00000002.jsonl"), "{}\n").unwrap();
    for token in [None, Some(&token)] {
        let refused = open(place.path()).check(token).await.unwrap_err().to_string();
        assert!(refused.contains("two files are part 2"), "{refused}");
    }
    fs::remove_file(place.path().join("part-00000002.jsonl")).unwrap();
    fs::write(place.path().join("part-00000002.log"), "shop.t> +I[9]\n").unwrap();
    let refused = open(place.path()).check(Some(&token)).await.unwrap_err().to_string();
    assert!(refused.contains("is another than the checkpoint knows"), "{refused}");
}

/// A job went back to `older` and wrote other changes: `newer` is of bytes that are no more.
#[tokio::test]
async fn a_snapshot_of_what_was_written_anew_since_is_refused_and_nothing_is_cut() {
    let place = tempdir().unwrap();
    let open = || open_as(context(), place.path(), &[]);
    let mut sink = open();
    sink.restore(None).await.unwrap();
    write(&mut sink, &[1]).await;
    let older = sink.prepare(&barrier(1)).await.unwrap();
    write(&mut sink, &[2]).await;
    let newer = sink.prepare(&barrier(2)).await.unwrap();
    drop(sink);
    let mut sink = open();
    sink.restore(Some(&older)).await.unwrap();
    write(&mut sink, &[3, 4]).await;
    let other = sink.prepare(&barrier(3)).await.unwrap();
    drop(sink);
    let name = names(place.path()).concat();
    let written = part(place.path(), &name);
    let refused = refusal(&mut open(), Some(&newer)).await;
    assert!(refused.contains("is another than the checkpoint knows"), "{refused}");
    assert_eq!(part(place.path(), &name), written, "nothing is cut");
    for kept in [&other, &older] {
        open().restore(Some(kept)).await.unwrap();
    }
    let unchecked = br#"{"part":1,"length":14}"#.to_vec();
    open().restore(Some(&unchecked)).await.unwrap();
}

#[tokio::test]
async fn a_fresh_start_moves_earlier_parts_aside_and_deletes_nothing() {
    let place = tempdir().unwrap();
    for round in 1..=2 {
        let mut sink = begun(place.path(), None).await;
        write(&mut sink, &[round * 10, round * 10 + 1]).await;
        sink.prepare(&barrier(1)).await.unwrap();
    }
    begun(place.path(), None).await;
    assert_eq!(names(place.path()), ["superseded-1", "superseded-2"]);
    for round in 1..=2 {
        let aside = place.path().join(format!("superseded-{round}"));
        assert_eq!(names(&aside), ["part-00000001.log", "part-00000002.log"]);
        assert_eq!(part(&aside, "part-00000001.log"), format!("shop.t> +I[{round}0]\n"));
    }
}

#[tokio::test]
async fn a_directory_of_another_job_or_another_sink_is_refused_and_left_alone() {
    let place = tempdir().unwrap();
    let mut sink = begun(place.path(), None).await;
    write(&mut sink, &[1]).await;
    sink.prepare(&barrier(1)).await.unwrap();
    drop(sink);
    let other_job = SinkContext { job: "other".to_owned(), ..context() };
    let other_sink = SinkContext { sink_name: "sink[1]".to_owned(), ..context() };
    for other in [other_job, other_sink] {
        let error = refusal(&mut open_as(other, place.path(), TINY), None).await;
        assert!(error.contains("belongs to `sink[0]` of job `retail/emp`"), "{error}");
    }
    assert_eq!(names(place.path()), ["part-00000001.log"]);
}

#[tokio::test]
async fn two_sinks_never_write_one_directory_at_the_same_time() {
    let place = tempdir().unwrap();
    let first = begun(place.path(), None).await;
    let error = refusal(&mut open(place.path()), None).await;
    assert!(error.contains("another process writes to directory"), "{error}");
    drop(first);
    begun(place.path(), None).await;
}

#[tokio::test]
async fn nothing_is_cut_in_a_directory_that_no_job_is_known_to_have_written() {
    let place = tempdir().unwrap();
    fs::write(place.path().join("part-00000007.jsonl"), "somebody's").unwrap();
    let token = br#"{"part":0,"length":0}"#.to_vec();
    let error = refusal(&mut open(place.path()), Some(&token)).await;
    assert!(error.contains("holds more than the checkpoint knows of"), "{error}");
    assert_eq!(names(place.path()), ["part-00000007.jsonl"]);
}

#[tokio::test]
async fn another_format_goes_on_in_another_part() {
    let place = tempdir().unwrap();
    let mut sink = begun(place.path(), None).await;
    write(&mut sink, &[1]).await;
    let token = sink.prepare(&barrier(1)).await.unwrap();
    drop(sink);
    let mut sink = open_as(context(), place.path(), &[]);
    sink.restore(Some(&token)).await.unwrap();
    write(&mut sink, &[2]).await;
    let token = sink.prepare(&barrier(2)).await.unwrap();
    assert_eq!(names(place.path()), ["part-00000001.log", "part-00000002.jsonl"]);
    assert_eq!(part(place.path(), "part-00000001.log"), "shop.t> +I[1]\n");
    drop(sink);
    begun(place.path(), Some(&token)).await;
}

#[tokio::test]
async fn a_damaged_token_and_a_damaged_marker_are_errors() {
    let place = tempdir().unwrap();
    let error = refusal(&mut open(place.path()), Some(&b"{".to_vec())).await;
    assert!(error.contains("the checkpoint's token is damaged"), "{error}");
    let beyond = br#"{"part":18446744073709551615,"length":0}"#.to_vec();
    fs::write(place.path().join("part-18446744073709551615.log"), "").unwrap();
    let error = refusal(&mut open(place.path()), Some(&beyond)).await;
    assert!(error.contains("is missing"), "{error}");
    fs::write(place.path().join(".seachange-job"), "x").unwrap();
    let error = refusal(&mut open(place.path()), None).await;
    assert!(error.contains("which names the directory's owner, is damaged"), "{error}");
}

#[tokio::test]
async fn a_path_that_is_no_directory_is_a_definite_error() {
    let place = tempdir().unwrap();
    let path = place.path().join("file");
    fs::write(&path, "").unwrap();
    let error = refusal(&mut open(&path), None).await;
    assert!(error.contains("cannot create"), "{error}");
}
