use model::checkpoint::{Quarantined, TablePhase, TableState, Unproven};
use model::conformance::samples;
use model::{CheckpointStore, Origin, RangeSet, SchemaChange};
use state::MemoryStore;

use super::*;

const JOB: &str = "emp";

/// A store with these snapshots, of which those in `damaged` have a flipped byte.
async fn stored(ids: &[u64], damaged: &[u64]) -> Vec<Listed> {
    let store = MemoryStore::new(JOB);
    let fence = store.acquire().await.unwrap();
    for &id in ids {
        store.put(fence, &samples::checkpoint(JOB, id, BarrierKind::Checkpoint)).await.unwrap();
    }
    for &id in damaged {
        let flip = |bytes: &mut Vec<u8>| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x10;
        };
        assert!(store.corrupt(CheckpointId(id), flip));
    }
    store.list().await.unwrap()
}

fn choice(from: From) -> Choice {
    Choice { from, first: None, allow_fallback: false, own: 100 }
}

/// The id that is begun with; 0 for a fresh start.
fn begins(choice: &Choice, listed: &[Listed], stuck: &[&str]) -> Result<u64, String> {
    match choice.choose(listed, stuck) {
        Ok(Chosen::Own(c) | Chosen::Snapshot(c)) => Ok(c.id.0),
        Ok(Chosen::Named(id)) => Ok(id.0),
        Ok(Chosen::Nothing) => Ok(0),
        Ok(Chosen::Elsewhere(path)) => Err(format!("at {path}")),
        Err(error) => Err(error.to_string()),
    }
}

#[tokio::test]
async fn each_strategy_takes_its_snapshot() {
    let listed = stored(&[3, 4, 5], &[]).await;
    assert_eq!(begins(&choice(From::Latest), &listed, &[]), Ok(5));
    assert_eq!(begins(&choice(From::Earliest), &listed, &[]), Ok(3));
    assert_eq!(begins(&choice(From::Nothing), &listed, &[]), Ok(0));
    assert_eq!(begins(&choice(From::Id(CheckpointId(4))), &listed, &[]), Ok(4));
    assert_eq!(begins(&choice(From::Latest), &[], &[]), Ok(0));
    let path = choice(From::Elsewhere("/backup/savepoint-emp-9".to_owned()));
    let chosen = path.choose(&listed, &[]).unwrap();
    assert!(matches!(chosen, Chosen::Elsewhere("/backup/savepoint-emp-9")), "{chosen:?}");
}

#[tokio::test]
async fn a_restart_goes_on_from_what_its_run_has_stored() {
    let listed = stored(&[4, 5, 6], &[]).await;
    let path = From::Elsewhere("/backup/savepoint-emp-9".to_owned());
    for from in [From::Latest, From::Earliest, From::Nothing, From::Id(CheckpointId(4)), path] {
        let restart = Choice { own: 6, ..choice(from) };
        assert_eq!(begins(&restart, &listed, &[]), Ok(6));
    }
}

#[tokio::test]
async fn a_damaged_newest_is_named_with_why_and_what_is_offered() {
    let listed = stored(&[3, 4, 5], &[5]).await;
    let refused = begins(&choice(From::Latest), &listed, &[]).unwrap_err();
    for words in [
        "the newest snapshot, 5, cannot be restored (snapshot 5 of job `emp` in memory is damaged",
        "the newest valid one is checkpoint 4",
        "`--from 4`",
        "`--allow-fallback`",
    ] {
        assert!(refused.contains(words), "`{words}` is not in: {refused}");
    }
    assert_eq!(begins(&choice(From::Earliest), &listed, &[]), Ok(3), "which is whole");
    assert_eq!(begins(&choice(From::Id(CheckpointId(4))), &listed, &[]), Ok(4));
}

#[tokio::test]
async fn a_fallback_takes_the_newest_valid_one_where_every_sink_goes_back() {
    let allowed = Choice { allow_fallback: true, ..choice(From::Latest) };
    let listed = stored(&[3, 4, 5, 6], &[5, 6]).await;
    assert_eq!(begins(&allowed, &listed, &[]), Ok(4));
    let refused = begins(&allowed, &listed, &["sink[1]"]).unwrap_err();
    for words in ["sink[1] cannot take back", "`--from 4`"] {
        assert!(refused.contains(words), "`{words}` is not in: {refused}");
    }
    let none = stored(&[5], &[5]).await;
    let refused = begins(&allowed, &none, &[]).unwrap_err();
    assert!(refused.contains("`--from none` starts over"), "{refused}");
}

#[tokio::test]
async fn a_fallback_within_a_run_stays_within_it() {
    let allowed = |from| Choice { allow_fallback: true, own: 5, ..choice(from) };
    let listed = stored(&[3, 4, 5, 6], &[6]).await;
    assert_eq!(begins(&allowed(From::Id(CheckpointId(3))), &listed, &[]), Ok(5));
    let listed = stored(&[3, 4, 5], &[5]).await;
    assert_eq!(begins(&allowed(From::Latest), &listed, &[]), Ok(4));
    // The run went back to 3: 4 is not what its sinks hold.
    let refused = begins(&allowed(From::Id(CheckpointId(3))), &listed, &[]).unwrap_err();
    assert!(refused.contains("there is no other to go on from"), "{refused}");
}

#[tokio::test]
async fn a_path_in_the_script_counts_while_the_job_has_no_snapshot() {
    let with_path = |from| Choice { first: Some("/backup/s".into()), ..choice(from) };
    let imported = Err("at /backup/s".to_owned());
    assert_eq!(begins(&with_path(From::Latest), &[], &[]), imported);
    assert_eq!(begins(&with_path(From::Nothing), &[], &[]), Ok(0), "the command line goes first");
    let listed = stored(&[3], &[]).await;
    assert_eq!(begins(&with_path(From::Latest), &listed, &[]), Ok(3));
    let damaged = stored(&[3], &[3]).await;
    assert!(begins(&with_path(From::Latest), &damaged, &[]).unwrap_err().contains("--from none"));
    let named = choice(From::Elsewhere("/backup/s".into()));
    assert_eq!(begins(&named, &listed, &[]), imported, "whatever there is");
    let restart = Choice { own: 3, ..named };
    assert_eq!(begins(&restart, &listed, &[]), Ok(3), "and for this start alone");
}

fn table(name: &str, until: Option<u64>) -> TableState {
    let offset = |offset| model::BinlogPosition { offset, ..samples::source(0).position.binlog };
    let unproven = until.map(|at| Unproven { until: offset(at), used: false, anew: false });
    let phase = TablePhase::Snapshot { done: RangeSet::default(), rows: 0 };
    TableState { schema: samples::schema("shop", name), phase, unproven }
}

#[test]
fn what_is_read_again_brings_no_places_of_another_server() {
    let mut chosen = samples::source(1_000);
    chosen.tables.push(TableState { phase: TablePhase::Live, ..table("t", None) });
    chosen.quarantine.tables.push(Quarantined {
        table: TableName::new("shop", "apart"),
        reason: "rows lack columns".into(),
        position: chosen.position.binlog.clone(),
        gtid: None,
        since_ms: 0,
        events_dropped: 3,
    });
    let untold = |table: &str| SchemaChange {
        table: TableName::new("shop", table),
        sql: "ALTER TABLE".into(),
        after: Some(samples::schema("shop", table)),
        starts_over: false,
        truncated: false,
        renamed: vec![],
        filled: vec![],
        renamed_from: None,
        origin: Origin {
            ts_ms: 0,
            server_id: 1,
            gtid: None,
            file: "binlog.000001".into(),
            pos: 4,
            first_row: 0,
        },
    };
    chosen.untold = vec![untold("t"), untold("items")];
    let again = ["shop.apart".to_owned(), "shop.t".to_owned()];
    for moved in [false, true] {
        let mut now = samples::source(77);
        now.tables = vec![table("apart", Some(5)), table("items", Some(5)), table("t", Some(5))];
        now.quarantine.start_over =
            vec![now.tables[0].name().clone(), now.tables[2].name().clone()];
        if moved {
            now.server.identity = "another".into();
        }
        let state = unread(&chosen, &now, &again);
        assert_eq!((&state.server, &state.position), (&chosen.server, &chosen.position));
        let until = if moved { None } else { Some(5) };
        let expected = vec![table("apart", until), chosen.tables[0].clone(), table("t", until)];
        assert_eq!(state.tables, expected, "moved: {moved}");
        assert_eq!(state.untold, [untold("items")], "of the others the sinks start over");
        assert!(state.quarantine.tables.is_empty());
        assert_eq!(state.quarantine.start_over, now.quarantine.start_over);
    }
}

#[test]
fn a_sink_that_is_gone_is_let_go_only_on_request() {
    let snapshot = samples::checkpoint(JOB, 1, BarrierKind::Checkpoint);
    let refused = refuse_unclaimed(&[], &snapshot, false).unwrap_err().to_string();
    assert!(refused.contains("sink[0] is in checkpoint 1 and not in the job"), "{refused}");
    assert!(refused.contains("execution.state-recovery.ignore-unclaimed-state"), "{refused}");
    refuse_unclaimed(&[], &snapshot, true).unwrap();
}
