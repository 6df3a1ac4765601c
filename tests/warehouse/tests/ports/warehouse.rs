//! A stand-in with a database `shop` and tables in it, for one test.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use warehouse::System;
use warehouse::cluster::{Call, Cluster, Effect, Event, Fault, Setup, State};
use warehouse::http::{Listen, Server};
use warehouse::table::{Column, KeyModel, Table, Type};

use crate::wire::{Reply, Request};

pub(crate) struct Warehouse {
    pub(crate) cluster: Cluster,
    pub(crate) frontends: Vec<SocketAddr>,
    pub(crate) backends: Vec<SocketAddr>,
    _server: Server,
    _runtime: Runtime,
}

pub(crate) const USER: &str = "root";
/// Every character that is special in a URL or in the header.
pub(crate) const PASSWORD: &str = "p@s:s/w%rd";

pub(crate) fn doris() -> Warehouse {
    Warehouse::start(&Setup { backends: 2, ..setup(System::Doris) })
}

pub(crate) fn starrocks() -> Warehouse {
    Warehouse::start(&Setup { backends: 2, ..setup(System::StarRocks) })
}

pub(crate) fn setup(system: System) -> Setup {
    let (user, password) = (USER.to_owned(), PASSWORD.to_owned());
    Setup { user, password, ..Setup::new(system) }
}

fn table(name: &str) -> Table {
    let column = |name: &str, ty, is_key: bool| Column {
        name: name.to_owned(),
        ty,
        nullable: !is_key,
        is_key,
        default: None,
    };
    Table {
        name: name.to_owned(),
        columns: vec![
            column("id", Type::BigInt, true),
            column("name", Type::Varchar(8), false),
            column("amount", Type::Int, false),
        ],
        model: KeyModel::Unique,
        sequence: None,
        details: warehouse::table::Details::default(),
    }
}

/// A cluster with the tables of the tests.
pub(crate) fn seeded(setup: &Setup) -> Cluster {
    let cluster = Cluster::open(setup).unwrap();
    cluster
        .with(|state| {
            if state.create_database("shop")? {
                state.create_table("shop", table("orders"))?;
                state.create_table("shop", table("items"))?;
            }
            Ok::<_, warehouse::store::StoreError>(())
        })
        .unwrap();
    cluster
}

impl Warehouse {
    pub(crate) fn start(setup: &Setup) -> Self {
        let cluster = seeded(setup);
        let runtime = Runtime::new().unwrap();
        let server = runtime.block_on(Server::start(&cluster, &Listen::default())).unwrap();
        let (frontends, backends) = (server.frontends.clone(), server.backends.clone());
        Self { cluster, frontends, backends, _server: server, _runtime: runtime }
    }

    pub(crate) fn frontend(&self) -> SocketAddr {
        self.frontends[0]
    }

    pub(crate) fn backend(&self) -> SocketAddr {
        self.backends[0]
    }

    /// What a query sees of `shop.orders`: ids, or `id=name` where there is a name.
    pub(crate) fn rows(&self) -> Vec<String> {
        self.rows_of("orders")
    }

    pub(crate) fn rows_of(&self, table: &str) -> Vec<String> {
        let sql = format!("SELECT id, name FROM \"shop.{table}\" ORDER BY id");
        self.cluster
            .update(|state| {
                let mut select = state.store.connection().prepare(&sql).unwrap();
                let rows = select.query_map([], |row| {
                    let (id, name): (i64, Option<String>) = (row.get(0)?, row.get(1)?);
                    Ok(name.map_or(id.to_string(), |name| format!("{id}={name}")))
                });
                rows.unwrap().map(Result::unwrap).collect()
            })
            .unwrap()
    }

    /// What a frontend of Doris answers to SQL over HTTP.
    pub(crate) fn statement(&self, database: &str, sql: &str) -> serde_json::Value {
        let body = serde_json::json!({ "stmt": sql }).to_string();
        let request = Request::post(format!("/api/query/default_cluster/{database}")).body(body);
        request.send(self.frontend()).json()
    }

    pub(crate) fn update<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        self.cluster.update(act).unwrap()
    }

    pub(crate) fn fault(&self, effect: Effect, on: Call) {
        self.update(|state| state.arm(Fault::new(effect, on)));
    }

    pub(crate) fn happen(&self, event: Event) {
        assert!(self.cluster.with(|state| state.happen(&event)).unwrap(), "{event:?}");
    }

    pub(crate) fn state(&self, label: &str) -> &'static str {
        self.update(|state| state.load_state("shop", label).unwrap().0)
    }

    pub(crate) fn eventually(&self, what: &str, holds: impl Fn() -> bool) {
        let begun = Instant::now();
        while !holds() {
            assert!(begun.elapsed() < Duration::from_secs(10), "not in time: {what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// What stands in a load's answer, as most tests ask for it.
#[track_caller]
pub(crate) fn expect(reply: &Reply, members: &[(&str, &str)]) {
    let json = reply.json();
    for (name, value) in members {
        let found = &json[*name];
        let text = found.as_str().map_or_else(|| found.to_string(), str::to_owned);
        assert_eq!(text, *value, "`{name}` in {}", reply.body);
    }
}
