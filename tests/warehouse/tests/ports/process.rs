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
}

impl Process {
    /// On the ports of an earlier one, if there was one.
    fn start(system: &str, data: &Path, ports: Option<(u16, u16)>) -> Self {
        let (frontend, backend) = ports.unwrap_or_default();
        let mut child = Command::new(env!("CARGO_BIN_EXE_warehouse"))
            .args(["--system", system, "--user", USER, "--password", PASSWORD, "--data"])
            .arg(data)
            .args(["--fe-port", &frontend.to_string(), "--be-port", &backend.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut ready).unwrap();
        let (frontend, backend) = ready
            .strip_prefix("ready fe=")
            .and_then(|rest| rest.trim_end().split_once(" be="))
            .unwrap_or_else(|| panic!("{ready}"));
        let (frontend, backend) = (frontend.parse().unwrap(), backend.parse().unwrap());
        Self { child, frontend, backend }
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
