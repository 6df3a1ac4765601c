//! The MySQL port: the catalogue, changes of tables, and what a run left behind.

use std::time::Duration;

use model::TableName;
use warehouse::cluster::Event;

use super::stand::{Stand, definite, transient};
use crate::warehouse::client::{Outcome, Password};
use crate::warehouse::system::System;
use crate::warehouse::target::alteration::{Alteration, Change};
use crate::warehouse::target::create::CreateOptions;
use crate::warehouse::target::{KeyModel, TargetColumn, TargetTable, TargetType};

fn name() -> TableName {
    TableName::new("shop", "orders")
}

fn column(name: &str, ty: TargetType) -> TargetColumn {
    TargetColumn { name: name.into(), ty, nullable: true, is_key: false, source: None }
}

fn options() -> CreateOptions {
    let one = ("replication_num".to_owned(), "1".to_owned());
    CreateOptions { properties: [one].into(), ..CreateOptions::default() }
}

async fn columns(stand: &Stand) -> Vec<String> {
    let table = stand.client().table(&name()).await.unwrap().unwrap();
    let shown = |column: &crate::warehouse::target::compare::ExistingColumn| {
        format!("{} {}", column.name, column.column_type.to_ascii_lowercase())
    };
    table.columns.iter().map(shown).collect()
}

async fn alter(stand: &Stand, change: Change) -> Result<(), crate::warehouse::client::ClientError> {
    stand.client().alter(&Alteration::new(&name(), change), &options()).await.map(drop)
}

/// What takes a job in both systems.
fn wider() -> Change {
    Change::Modify(column("amount", TargetType::BigInt))
}

fn slow_jobs(stand: &Stand) {
    stand.update(|state| {
        state.jobs.pace.pending = Duration::from_millis(30);
        state.jobs.pace.running = Duration::from_millis(30);
    });
}

#[tokio::test]
async fn a_table_that_was_made_is_read_back_as_it_was_made() {
    for system in System::ALL {
        let stand = Stand::start(system).await;
        let client = stand.client();
        client.execute("CREATE DATABASE IF NOT EXISTS `web`").await.unwrap();
        assert!(client.databases().await.unwrap().contains(&"web".to_owned()));
        let made = TableName::new("web", "it's");
        let made = if system == System::Doris { TableName::new("web", "hits") } else { made };
        assert_eq!(client.table(&made).await.unwrap(), None);
        let key = |name| TargetColumn {
            nullable: false,
            is_key: true,
            ..column(name, TargetType::BigInt)
        };
        let table = TargetTable {
            name: made.clone(),
            columns: vec![
                key("site"),
                key("id"),
                column("note", TargetType::Varchar { bytes: 40 }),
            ],
            model: KeyModel::Unique,
            sequence: system == System::Doris,
        };
        let create = Alteration::new(&made, Change::Create(Box::new(table.clone())));
        for _ in 0..2 {
            client.alter(&create, &options()).await.unwrap();
        }
        let existing = client.table(&made).await.unwrap().unwrap();
        assert_eq!(existing.model, Some(KeyModel::Unique));
        assert_eq!(existing.has_sequence, table.sequence);
        let keys: Vec<_> = existing.columns.iter().filter(|c| c.is_key).map(|c| &*c.name).collect();
        assert_eq!(keys, ["site", "id"]);
        assert!(!existing.columns[0].nullable && existing.columns[2].nullable);
        assert!(crate::warehouse::target::compare::compare(system, &table, &existing).is_empty());
        let drop = Alteration::new(&made, Change::Drop);
        for _ in 0..2 {
            client.alter(&drop, &options()).await.unwrap();
        }
        assert_eq!(client.table(&made).await.unwrap(), None);
    }
}

#[tokio::test]
async fn columns_are_added_renamed_and_dropped_and_once_more_is_no_error() {
    for system in System::ALL {
        let stand = Stand::start(system).await;
        for _ in 0..2 {
            alter(&stand, Change::AddColumn(column("note", TargetType::Int))).await.unwrap();
        }
        assert_eq!(columns(&stand).await.last().unwrap().split(' ').next(), Some("note"));
        let rename = Change::RenameColumn { from: "note".into(), to: "remark".into() };
        for _ in 0..2 {
            alter(&stand, rename.clone()).await.unwrap();
        }
        for _ in 0..2 {
            alter(&stand, Change::DropColumn("remark".into())).await.unwrap();
        }
        assert_eq!(columns(&stand).await.len(), 3);
    }
}

#[tokio::test]
async fn a_change_of_a_type_is_waited_for_until_the_catalogue_shows_it() {
    for system in System::ALL {
        let stand = Stand::start(system).await;
        slow_jobs(&stand);
        alter(&stand, wider()).await.unwrap();
        assert!(columns(&stand).await[2].starts_with("amount bigint"));
        alter(&stand, wider()).await.unwrap();
    }
}

#[tokio::test]
async fn a_change_that_is_refused_because_another_is_under_way_waits_for_it() {
    for system in System::ALL {
        let stand = Stand::start(system).await;
        slow_jobs(&stand);
        let modify = alter(&stand, wider());
        let add = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            alter(&stand, Change::AddColumn(column("note", TargetType::Int))).await
        };
        let (modified, added) = tokio::join!(modify, add);
        modified.unwrap();
        added.unwrap();
        assert_eq!(columns(&stand).await.len(), 4);
    }
}

#[tokio::test]
async fn a_change_waits_for_older_transactions_as_long_as_it_may() {
    for system in System::ALL {
        let stand = Stand::start(system).await;
        slow_jobs(&stand);
        let client = stand.client();
        let staged = client.stage(&stand.load("a", &["1=x"])).await.unwrap();
        let modify = alter(&stand, wider());
        let commit = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            assert!(columns(&stand).await[2].starts_with("amount int"));
            client.commit(&staged).await.unwrap()
        };
        let (modified, outcome) = tokio::join!(modify, commit);
        modified.unwrap();
        assert_eq!(outcome, Outcome::Visible);
        assert_eq!(stand.rows(), ["1=x"]);
    }
}

#[tokio::test]
async fn a_cancelled_change_is_told_with_the_reason_of_the_server() {
    for system in System::ALL {
        let stand = Stand::start(system).await;
        stand.update(|state| state.jobs.pace.running = Duration::from_secs(60));
        let client = stand.client();
        let modify = alter(&stand, wider());
        let cancel = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            client.execute("CANCEL ALTER TABLE COLUMN FROM `shop`.`orders`").await.unwrap();
        };
        let (modified, ()) = tokio::join!(modify, cancel);
        let what = definite(modified);
        assert!(what.contains("cancelled `ALTER TABLE"), "{what}");
        // One that was cancelled before does not count.
        slow_jobs(&stand);
        alter(&stand, wider()).await.unwrap();
    }
}

#[tokio::test]
async fn a_statement_that_is_refused_is_told_at_once() {
    for system in System::ALL {
        let stand = Stand::start(system).await;
        let what = definite(alter(&stand, Change::DropColumn("id".into())).await);
        assert!(what.contains("DROP COLUMN `id`"), "{what}");
        let mut settings = stand.settings();
        settings.password = Password::new("s3cret-Wrong");
        let what = definite(stand.client_with(settings).databases().await);
        assert!(what.contains("Access denied") && !what.contains("s3cret"), "{what}");
        let mut settings = stand.settings();
        settings.sql = vec!["127.0.0.1:9".to_owned()];
        let what = transient(stand.client_with(settings).databases().await);
        assert!(what.contains("127.0.0.1:9") && what.contains("MySQL port"), "{what}");
    }
}

#[tokio::test]
async fn unfinished_loads_are_found_by_their_prefix_and_can_be_aborted() {
    for system in System::ALL {
        let stand = Stand::start(system).await;
        let client = stand.client();
        assert!(client.unfinished("shop", "t_").await.unwrap().is_empty());
        assert!(client.unfinished("no_such", "t_").await.unwrap().is_empty());
        let left = client.stage(&stand.load("a", &["1=x"])).await.unwrap();
        let done = client.stage(&stand.load("b", &["2=y"])).await.unwrap();
        client.commit(&done).await.unwrap();
        assert!(client.unfinished("shop", "tx").await.unwrap().is_empty());
        let found = client.unfinished("shop", "t_").await.unwrap();
        let [found] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((&found.label, found.txn), (&left.label, left.txn));
        assert!(client.abort(found).await.unwrap());
        assert!(client.unfinished("shop", "t_").await.unwrap().is_empty());
        stand.happen(Event::SkipSeconds(1));
        assert_eq!(stand.rows(), ["2=y"]);
    }
}

#[tokio::test]
async fn a_change_whose_job_a_run_left_behind_is_waited_for_and_not_begun_again() {
    for system in System::ALL {
        let stand = Stand::start(system).await;
        slow_jobs(&stand);
        let change = Alteration::new(&name(), wider());
        stand.client().execute(&change.statement(system, &options(), &[])).await.unwrap();
        stand.client().alter(&change, &options()).await.unwrap();
        assert!(columns(&stand).await[2].starts_with("amount bigint"));
        let jobs = stand.update(|state| state.jobs.of("shop").count());
        assert_eq!(jobs, 1);
    }
}
