//! A client that we did not write.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::warehouse::{PASSWORD, USER, doris, starrocks};

/// What curl prints, with `body` on its standard input.
pub(crate) fn curl(arguments: &[&str], body: &str) -> String {
    let mut child = Command::new("curl")
        .args(["--silent", "--show-error", "--location-trusted", "--max-time", "20"])
        .args(["--user", &format!("{USER}:{PASSWORD}")])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("curl is installed");
    child.stdin.take().unwrap().write_all(body.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn curl_loads_into_doris_by_way_of_the_frontend() {
    let warehouse = doris();
    let url = format!("http://{}/api/shop/orders/_stream_load", warehouse.frontend());
    let headers = ["-H", "Expect: 100-continue", "-H", "label: a", "-H", "column_separator:,"];
    let arguments = [&headers[..], &["-H", "two_phase_commit: true", "-T", "-", &url]].concat();
    let body: String = (0..50_000).map(|id| format!("{id},x,1\n")).collect();
    let reply = curl(&arguments, &body);
    assert!(reply.contains("\"Status\": \"Success\""), "{reply}");
    let url = format!("http://{}/api/shop/orders/_stream_load_2pc", warehouse.frontend());
    let arguments = ["-X", "PUT", "-H", "label: a", "-H", "txn_operation: commit", &url];
    let reply = curl(&arguments, "");
    assert!(reply.contains("label [a] commit successfully."), "{reply}");
    assert_eq!(warehouse.rows().len(), 50_000);
}

#[test]
fn curl_loads_into_starrocks_in_one_request_and_in_a_transaction() {
    let warehouse = starrocks();
    let headers = ["-H", "Expect: 100-continue", "-H", "column_separator:,"];
    let url = format!("http://{}/api/shop/orders/_stream_load", warehouse.frontend());
    let arguments = [&headers[..], &["-H", "label: a", "-T", "-", &url]].concat();
    let reply = curl(&arguments, "1,x,1\n");
    assert!(reply.contains("\"Status\": \"Success\""), "{reply}");

    let body: String = (2..50_000).map(|id| format!("{id},x,1\n")).collect();
    for (call, method, body) in [
        ("begin", "POST", ""),
        ("load", "PUT", &*body),
        ("prepare", "POST", ""),
        ("commit", "POST", ""),
    ] {
        let url = format!("http://{}/api/transaction/{call}", warehouse.frontend());
        let named = ["-H", "label: b", "-H", "db: shop", "-H", "table: orders", "-X", method];
        let sent = if call == "load" { ["-T", "-"] } else { ["-d", ""] };
        let arguments = [&headers[..], &named, &sent, &[&url]].concat();
        let reply = curl(&arguments, body);
        assert!(reply.contains("\"Status\": \"OK\""), "{call}: {reply}");
    }
    assert_eq!(warehouse.rows().len(), 49_999);
}
