//! A stand-in with a database `shop`, and a client of it, for one test.

use std::net::SocketAddr;
use std::time::Duration;

use warehouse::cluster::{Call, Cluster, Effect, Event, Fault, Setup, State};
use warehouse::http::{Listen, Server};
use warehouse::table::{Column, KeyModel, Table, Type};

use crate::warehouse::client::{
    Client, ClientError, Compression, DELETE_SIGN, Label, Load, OP, Password, Settings, TlsSettings,
};
use crate::warehouse::system::System;
use model::TableName;

pub(super) struct Stand {
    system: System,
    pub(super) cluster: Cluster,
    pub(super) frontends: Vec<SocketAddr>,
    pub(super) backends: Vec<SocketAddr>,
    sql: Vec<SocketAddr>,
    _server: Server,
    _sql: warehouse::sql::Server,
}

/// Every character that is special in a URL or in the header.
const PASSWORD: &str = "p@s:s/w%rd";

impl Stand {
    pub(super) async fn start(system: System) -> Self {
        let stand_in = match system {
            System::Doris => warehouse::System::Doris,
            System::StarRocks => warehouse::System::StarRocks,
        };
        let mut setup = Setup::new(stand_in);
        (setup.password, setup.backends, setup.followers) = (PASSWORD.to_owned(), 2, 1);
        let cluster = Cluster::open(&setup).unwrap();
        let made = cluster.with(|state| {
            state.create_database("shop")?;
            state.create_table("shop", orders())
        });
        made.unwrap();
        let server = Server::start(&cluster, &Listen::default()).await.unwrap();
        let listen = warehouse::sql::Listen::default();
        let sql = warehouse::sql::Server::start(&cluster, &listen).await.unwrap();
        let ports = sql.frontends.clone();
        let (frontends, backends) = (server.frontends.clone(), server.backends.clone());
        Self { system, cluster, frontends, backends, sql: ports, _server: server, _sql: sql }
    }

    pub(super) fn settings(&self) -> Settings {
        Settings {
            sink: "sink[0]".to_owned(),
            fe: self.frontends.iter().map(ToString::to_string).collect(),
            be: Vec::new(),
            auto_redirect: true,
            sql: self.sql.iter().map(ToString::to_string).collect(),
            username: "root".to_owned(),
            password: Password::new(PASSWORD),
            max_retries: 3,
            connect_timeout: Duration::from_secs(5),
            socket_timeout: Duration::from_secs(10),
            be_override: std::collections::BTreeMap::new(),
            headers: std::collections::BTreeMap::new(),
            compression: Compression::None,
            tls: TlsSettings::default(),
            waits: crate::Waits::default(),
        }
    }

    pub(super) fn client(&self) -> Client {
        self.client_with(self.settings())
    }

    pub(super) fn client_with(&self, settings: Settings) -> Client {
        Client::new(self.system, settings).unwrap().impatient()
    }

    /// Ids, or `id=name`; `-id` deletes.
    pub(super) fn load(&self, label: &str, rows: &[&str]) -> Load {
        let sign = match self.system {
            System::Doris => DELETE_SIGN,
            System::StarRocks => OP,
        };
        let objects: Vec<String> = rows
            .iter()
            .map(|row| {
                let (row, delete) = row.strip_prefix('-').map_or((*row, 0), |row| (row, 1));
                let (id, name) = row.split_once('=').unwrap_or((row, "x"));
                format!(r#"{{"id":{id},"name":"{name}","{sign}":{delete}}}"#)
            })
            .collect();
        let body = match self.system {
            System::Doris => objects.join("\n"),
            System::StarRocks => format!("[{}]", objects.join(",")),
        };
        let table = TableName::new("shop", "orders");
        Load {
            label: Label::new("t_", &table, label, 1, 0),
            table,
            columns: ["id", "name", sign].map(Into::into).into(),
            body: body.into(),
            rows: u64::try_from(rows.len()).unwrap(),
        }
    }

    /// What a query sees of `shop.orders`, `id=name`.
    pub(super) fn rows(&self) -> Vec<String> {
        self.update(|state| {
            let sql = "SELECT id || '=' || name FROM \"shop.orders\" ORDER BY id";
            let mut select = state.store.connection().prepare(sql).unwrap();
            let rows = select.query_map([], |row| row.get(0));
            rows.unwrap().map(Result::unwrap).collect()
        })
    }

    pub(super) fn update<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        self.cluster.update(act).unwrap()
    }

    pub(super) fn fault(&self, effect: Effect, on: Call) {
        self.faults(effect, on, 1);
    }

    pub(super) fn faults(&self, effect: Effect, on: Call, times: u32) {
        self.update(|state| state.arm(Fault { times, ..Fault::new(effect, on) }));
    }

    pub(super) fn happen(&self, event: Event) {
        assert!(self.update(|state| state.happen(&event)).unwrap(), "{event:?}");
    }

    pub(super) fn state(&self, load: &Load) -> &'static str {
        self.update(|state| state.load_state("shop", load.label.as_str()).unwrap().0)
    }

    /// How many transactions there are, whatever became of them.
    pub(super) fn transactions(&self) -> usize {
        self.update(|state| state.database("shop").unwrap().book.ledger().iter().count())
    }
}

fn orders() -> Table {
    let column = |name: &str, ty, is_key: bool| Column {
        name: name.to_owned(),
        ty,
        nullable: !is_key,
        is_key,
        default: None,
    };
    let columns = vec![
        column("id", Type::BigInt, true),
        column("name", Type::Varchar(8), false),
        column("amount", Type::Int, false),
    ];
    Table {
        name: "orders".to_owned(),
        columns,
        model: KeyModel::Unique,
        sequence: None,
        details: Default::default(),
    }
}

#[track_caller]
pub(super) fn definite<T: std::fmt::Debug>(result: Result<T, ClientError>) -> String {
    match result {
        Err(ClientError::Definite { what, .. }) => what,
        other => panic!("not a definite error: {other:?}"),
    }
}

#[track_caller]
pub(super) fn transient<T: std::fmt::Debug>(result: Result<T, ClientError>) -> String {
    match result {
        Err(ClientError::Transient { what, .. }) => what,
        other => panic!("not a transient error: {other:?}"),
    }
}
