//! The command-line client of a distribution: a second client, which knows nothing of our libraries.

use std::process::Stdio;

use tokio::process::Command;

use super::*;

/// What the client prints for statements, tab by tab.
async fn asked(port: &Port, sql: &str) -> String {
    let done = Command::new("mariadb")
        .args(["--host=127.0.0.1", "--user=root", "--batch", "--database=shop", "--ssl=0"])
        .arg(format!("--password={PASSWORD}"))
        .arg(format!("--port={}", port.server.frontends[0].port()))
        .arg(format!("--execute={sql}"))
        .stdin(Stdio::null())
        .output()
        .await
        .expect("the command-line client `mariadb` (package mariadb-client) is on this machine");
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{sql}: {err}");
    out.into_owned()
}

#[tokio::test]
async fn the_command_line_client_makes_tables_and_reads_them() {
    for system in [System::Doris, System::StarRocks] {
        let mut port = Port::with_orders(system).await;
        port.load(&[("columns", "id,name,paid")], "1\tgrößer\t5.5\n2\t\\N\t\\N\n");
        let printed =
            asked(&port, "SELECT id, name, paid FROM orders ORDER BY id; SHOW TABLES").await;
        let expected =
            "id\tname\tpaid\n1\tgrößer\t5.5000000000\n2\tNULL\tNULL\nTables_in_shop\norders\n";
        assert_eq!(printed, expected);
        asked(&port, "ALTER TABLE orders ADD COLUMN note INT; TRUNCATE TABLE orders").await;
        assert_eq!(asked(&port, "SELECT count(*) AS n FROM shop.orders").await, "n\n0\n");
    }
}
