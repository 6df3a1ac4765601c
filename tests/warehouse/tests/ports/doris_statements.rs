//! Doris: SQL over HTTP.

use crate::warehouse::{USER, doris, expect};
use crate::wire::Request;

#[test]
fn a_query_over_http_is_answered_with_its_columns_and_rows() {
    let warehouse = doris();
    expect(
        &Request::load("a", "1,x,7\n2,y,\\N\n").send(warehouse.backend()),
        &[("Status", "Success")],
    );
    let reply = warehouse.statement("shop", "SELECT id, name, amount FROM orders ORDER BY id");
    assert_eq!((&reply["msg"], &reply["code"]), (&"success".into(), &0.into()));
    let data = &reply["data"];
    assert_eq!(data["type"], "result_set");
    assert_eq!(data["meta"][0], serde_json::json!({ "name": "id", "type": "BIGINT" }));
    assert_eq!(data["data"], serde_json::json!([[1, "x", 7], [2, "y", null]]));
    let limited = Request::post("/api/query/internal/shop")
        .body(r#"{"stmt": "SELECT id FROM orders", "limit": 1}"#)
        .send(warehouse.frontend());
    assert_eq!(limited.json()["data"]["data"].as_array().unwrap().len(), 1);
}

#[test]
fn tables_are_made_and_changed_over_http() {
    let warehouse = doris();
    for (database, sql) in [
        ("information_schema", "CREATE DATABASE IF NOT EXISTS `web`"),
        (
            "web",
            "CREATE TABLE IF NOT EXISTS `web`.`hits`(`id` BIGINT, `n` DECIMALV3(10,2)) UNIQUE KEY(`id`) \
             DISTRIBUTED BY HASH(`id`) BUCKETS AUTO PROPERTIES('replication_num'='1')",
        ),
        ("web", "ALTER TABLE `web`.`hits` ADD COLUMN `note` VARCHAR(10) DEFAULT 'x' COMMENT 'who'"),
        ("web", "ALTER TABLE `web`.`hits` MODIFY COLUMN `note` COMMENT 'why'"),
        ("web", "ALTER TABLE `web`.`hits` MODIFY COMMENT \"visits\""),
    ] {
        let reply = warehouse.statement(database, sql);
        assert_eq!(
            (&reply["code"], &reply["data"]["type"]),
            (&0.into(), &"exec_status".into()),
            "{reply}"
        );
    }
    let asked = "SELECT COLUMN_NAME FROM information_schema.`COLUMNS` WHERE TABLE_SCHEMA = 'web' AND \
                 TABLE_NAME = 'hits' AND COLUMN_NAME = 'note'";
    assert_eq!(warehouse.statement("web", asked)["data"]["data"], serde_json::json!([["note"]]));
    let schema = Request::get("/api/web/hits/_schema").send(warehouse.frontend()).json();
    let columns = &schema["data"]["properties"];
    assert_eq!(
        (&columns[1]["type"], &columns[1]["precision"]),
        (&"DECIMAL64".into(), &"10".into())
    );
    assert_eq!(columns[2]["comment"], "why");
    let made = warehouse.statement("web", "SHOW CREATE TABLE hits")["data"]["data"].to_string();
    assert!(made.contains("COMMENT 'visits'"), "{made}");
    let shown = warehouse.statement("web", "SHOW FULL COLUMNS FROM `web`.`hits`");
    assert_eq!(shown["data"]["data"][2][5], "x", "the default, where connectors look for it");
}

#[test]
fn what_is_refused_over_http_comes_with_http_200_and_a_code() {
    let warehouse = doris();
    for (database, sql, words) in [
        ("shop", "ALTER TABLE orders ADD COLUMN name INT", "Failed to execute sql: "),
        ("nowhere", "SELECT 1", "Unknown database 'nowhere'"),
        ("shop", "SELEC 1", "mismatched input 'SELEC'"),
        ("shop", "SET a = 1", "Unsupported statement type"),
    ] {
        let reply = warehouse.statement(database, sql);
        assert_eq!((&reply["msg"], &reply["code"]), (&"Error".into(), &1.into()), "{reply}");
        assert!(reply["data"].as_str().unwrap().contains(words), "{reply}");
    }
    let bad = |body: &str| Request::post("/api/query/default_cluster/shop").body(body);
    expect(&bad("{}").send(warehouse.frontend()), &[("msg", "Bad Request"), ("code", "403")]);
    expect(&bad("stmt").send(warehouse.frontend()), &[("msg", "Internal Error"), ("code", "500")]);
    let wrong = bad(r#"{"stmt": "SELECT 1"}"#).user(USER, "wrong").send(warehouse.frontend());
    expect(&wrong, &[("msg", "Unauthorized"), ("code", "401")]);
}

#[test]
fn whether_a_change_of_columns_can_be_light_is_told_before_it_is_made() {
    let warehouse = doris();
    let ask = |table: &str, drops: bool, column: &str| {
        let body = serde_json::json!({ "isDropColumn": drops, "columnName": column }).to_string();
        let path = format!("/api/enable_light_schema_change/shop/{table}");
        let reply = Request::new("GET", path).body(body).send(warehouse.frontend()).json();
        (reply["code"].as_i64().unwrap(), reply["data"].to_string())
    };
    assert_eq!(ask("orders", false, "note").0, 0);
    assert_eq!(ask("orders", true, "name").0, 0);
    let (code, why) = ask("orders", true, "id");
    assert!(code == 1 && why.contains("Column id is primary key"), "{why}");
    assert_eq!(ask("nothing", false, "note").0, 1);
    let slow = "CREATE TABLE shop.slow (id INT) UNIQUE KEY(id) DISTRIBUTED BY HASH(id) BUCKETS 1 \
                PROPERTIES('replication_num'='1', 'light_schema_change'='false')";
    assert_eq!(warehouse.statement("shop", slow)["code"], 0);
    let (code, why) = ask("slow", false, "note");
    assert!(code == 1 && why.contains("disable light schema change"), "{why}");
}
