use std::io::Read as _;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};

use super::*;

/// Set for the process that speaks: variables are a process's, and tests share one.
const SPEAKS: &str = "SEACHANGE_TEST_SPEAKS";

/// Ends the process, however the test ends.
struct Speaker(Child);

impl Drop for Speaker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn speaker() {
    if std::env::var_os(SPEAKS).is_none() {
        return;
    }
    status("3 of 5 jobs\nbrought back");
    ready();
    extend(Duration::from_secs(30));
    extend(Duration::MAX);
    stopping();
    beat().await;
}

#[test]
fn systemd_hears_each_word_and_then_the_watchdogs_beats_over_its_socket() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "serve::notify::tests::speaker"])
        .env(SPEAKS, "1")
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "20000")
        .env_remove("WATCHDOG_PID")
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let _speaker = Speaker(child);
    let mut heard = Vec::new();
    for _ in 0..8 {
        let mut message = [0; 256];
        let len = socket.recv(&mut message).unwrap();
        heard.push(String::from_utf8(message[..len].to_vec()).unwrap().trim_end().to_owned());
    }
    assert_eq!(
        heard,
        [
            "STATUS=3 of 5 jobs brought back",
            "READY=1",
            "EXTEND_TIMEOUT_USEC=30000000",
            "EXTEND_TIMEOUT_USEC=4294967295",
            "STOPPING=1",
            "WATCHDOG=1",
            "WATCHDOG=1",
            "WATCHDOG=1",
        ]
    );
}

#[test]
fn where_nobody_listens_nothing_is_said_and_nothing_fails() {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "serve::notify::tests::silent", "--nocapture"])
        .env(SPEAKS, "1")
        .env_remove("NOTIFY_SOCKET")
        .env_remove("WATCHDOG_USEC")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(child.wait().unwrap().success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
}

#[tokio::test]
async fn silent() {
    if std::env::var_os(SPEAKS).is_none() {
        return;
    }
    ready();
    status("x");
    stopping();
    // It never beats: what waits beside it is first.
    tokio::select! { biased;
        () = beat() => unreachable!(),
        () = tokio::task::yield_now() => {}
    }
}
