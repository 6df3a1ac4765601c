//! The binary: what it prints, and what is left of it when it is killed.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use warehouse::System;
use warehouse::cluster::Place;

use crate::starrocks_transactions;
use crate::warehouse::{PASSWORD, USER, expect, seeded, setup};
use crate::wire::Request;

struct Process {
    child: Child,
    frontend: SocketAddr,
    backend: SocketAddr,
    /// The MySQL port.
    sql: SocketAddr,
}

impl Process {
    /// On the ports of an earlier one, if there was one.
    fn start(system: &str, data: &Path, ports: Option<(u16, u16)>) -> Self {
        let (frontend, backend) = ports.unwrap_or_default();
        let mut child = Command::new(env!("CARGO_BIN_EXE_warehouse"))
            .args(["--system", system, "--user", USER, "--password", PASSWORD, "--data"])
            .arg(data)
            .args(["--fe-port", &frontend.to_string(), "--be-port", &backend.to_string()])
            .args(["--query-port", "0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut ready).unwrap();
        let address = |name: &str| {
            let word = ready.split_whitespace().find_map(|word| word.strip_prefix(name));
            word.unwrap_or_else(|| panic!("{ready}")).parse().unwrap()
        };
        let (frontend, backend, sql) = (address("fe="), address("be="), address("sql="));
        Self { child, frontend, backend, sql }
    }

    fn ports(&self) -> (u16, u16) {
        (self.frontend.port(), self.backend.port())
    }

    fn state(&self, label: &str) -> String {
        let reply = Request::get(format!("/api/shop/get_load_state?label={label}"));
        let json = reply.send(self.frontend).json();
        let found = if json["data"].is_string() { &json["data"] } else { &json["state"] };
        found.as_str().unwrap().to_owned()
    }

    /// What the command-line client prints.
    fn ask(&self, sql: &str) -> String {
        let done = Command::new("mariadb")
            .args(["--host=127.0.0.1", "--batch", "--skip-column-names", "--ssl=0"])
            .args([format!("--port={}", self.sql.port()), format!("--user={USER}")])
            .args([format!("--password={PASSWORD}"), format!("--execute={sql}")])
            .output()
            .expect(
                "the command-line client `mariadb` (package mariadb-client) is on this machine",
            );
        let err = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{sql}: {err}");
        String::from_utf8(done.stdout).unwrap()
    }

    fn signal(&mut self, name: &str) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// A directory with the tables of the tests in it.
fn directory(system: System) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let place = Place::Directory(directory.path().to_owned());
    drop(seeded(&::warehouse::cluster::Setup { place, ..setup(system) }));
    directory
}

fn rows(system: System, directory: &Path) -> Vec<i64> {
    let place = Place::Directory(directory.to_owned());
    let cluster = seeded(&::warehouse::cluster::Setup { place, ..setup(system) });
    cluster
        .update(|state| {
            let connection = state.store.connection();
            let mut select =
                connection.prepare("SELECT id FROM \"shop.orders\" ORDER BY 1").unwrap();
            let ids = select.query_map([], |row| row.get(0)).unwrap();
            ids.collect::<Result<_, _>>().unwrap()
        })
        .unwrap()
}

#[test]
fn doris_killed_keeps_what_was_complete_and_loses_what_was_gathering() {
    let directory = directory(System::Doris);
    let mut process = Process::start("doris", directory.path(), None);
    let visible = Request::load("visible", "1,x,1\n").follow(process.frontend);
    expect(&visible, &[("Status", "Success")]);
    let waiting = Request::load("waiting", "2,y,2\n").header("two_phase_commit", "true");
    let txn = waiting.follow(process.frontend).json()["TxnId"].to_string();
    let hold = r#"{"next": {"effect": "publish_timeout", "on": "load", "millis": 3600000}}"#;
    assert_eq!(Request::post("/_fault").body(hold).send(process.frontend).status, 200);
    let committed = Request::load("committed", "3,z,3\n").follow(process.frontend);
    expect(&committed, &[("Status", "Publish Timeout")]);
    let _gathering = Request::load("gathering", "4,u,4\n").start(process.backend).unwrap();
    while process.state("gathering") != "PREPARE" {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let ports = process.ports();
    process.signal("-KILL");

    let mut process = Process::start("doris", directory.path(), Some(ports));
    assert_eq!(process.ports(), ports);
    let states = ["visible", "waiting", "committed", "gathering"].map(|label| process.state(label));
    assert_eq!(states, ["VISIBLE", "PRECOMMITTED", "VISIBLE", "UNKNOWN"]);
    let again = Request::load("visible", "1,x,1\n").follow(process.frontend);
    expect(&again, &[("Status", "Label Already Exists"), ("ExistingJobStatus", "FINISHED")]);
    let commit = Request::put("/api/shop/_stream_load_2pc").header("txn_operation", "commit");
    expect(&commit.header("txn_id", &txn).follow(process.frontend), &[("status", "Success")]);
    process.signal("-KILL");
    assert_eq!(rows(System::Doris, directory.path()), [1, 2, 3]);
}

#[test]
fn starrocks_killed_keeps_what_was_prepared() {
    let directory = directory(System::StarRocks);
    let mut process = Process::start("starrocks", directory.path(), None);
    let call = |process: &Process, name: &str, body: &str| {
        let reply = starrocks_transactions::request(name, "a", body).follow(process.frontend);
        expect(&reply, &[("Status", "OK")]);
    };
    for (name, body) in [("begin", ""), ("load", "1,x,1\n"), ("prepare", "")] {
        call(&process, name, body);
    }
    let ports = process.ports();
    process.signal("-KILL");
    let mut process = Process::start("starrocks", directory.path(), Some(ports));
    assert_eq!(process.state("a"), "PREPARED");
    call(&process, "commit", "");
    process.signal("-KILL");
    assert_eq!(rows(System::StarRocks, directory.path()), [1]);
}

#[test]
fn a_table_is_made_and_changed_over_sql_loaded_over_http_and_read_over_sql() {
    for (system, kind) in [("doris", "UNIQUE"), ("starrocks", "PRIMARY")] {
        let directory = tempfile::tempdir().unwrap();
        let mut process = Process::start(system, directory.path(), None);
        process.ask(&format!(
            "CREATE DATABASE shop; CREATE TABLE shop.orders (id INT NOT NULL, name VARCHAR(8)) {kind} \
             KEY(id) DISTRIBUTED BY HASH(id) BUCKETS 1 PROPERTIES ('replication_num'='1')"
        ));
        let load = |process: &Process, label: &str, body: &str| {
            let reply = Request::load(label, body).follow(process.frontend);
            expect(&reply, &[("Status", "Success")]);
        };
        load(&process, "first", "1,x\n");
        process.ask("ALTER TABLE shop.orders ADD COLUMN note INT DEFAULT '7'");
        load(&process, "second", "2,y,8\n");
        let (all, rows) = ("SELECT * FROM shop.orders ORDER BY id", "1\tx\t7\n2\ty\t8\n");
        assert_eq!(process.ask(all), rows, "{system}");
        process.signal("-KILL");
        let process = Process::start(system, directory.path(), None);
        assert_eq!(process.ask(all), rows, "{system}, after a kill");
        let created = process.ask("SHOW CREATE TABLE shop.orders");
        assert!(created.contains("DISTRIBUTED BY HASH(`id`) BUCKETS 1"), "{created}");
    }
}

#[test]
fn sigterm_ends_it_well_and_a_directory_has_one_owner() {
    let directory = directory(System::Doris);
    let mut process = Process::start("doris", directory.path(), None);
    let second = Command::new(env!("CARGO_BIN_EXE_warehouse"))
        .args(["--system", "doris", "--fe-port", "0", "--be-port", "0", "--data"])
        .arg(directory.path())
        .output()
        .unwrap();
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(!second.status.success() && said.contains("is in use by another process"), "{said}");
    assert_eq!(process.signal("-TERM"), Some(0));
    let mut rest = String::new();
    process.child.stdout.take().unwrap().read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "", "more than one line on stdout");
}

#[test]
fn its_help_has_an_example() {
    let help = Command::new(env!("CARGO_BIN_EXE_warehouse")).arg("--help").output().unwrap();
    let text = String::from_utf8(help.stdout).unwrap();
    assert!(text.contains("warehouse --system doris --memory"), "{text}");
    assert!(text.contains("POST /_fault"), "{text}");
}
