//! What clients ask a server about itself.

use std::collections::BTreeMap;

use crate::System;

/// As the handshake says it: the MySQL that both servers pass for.
pub(super) const SERVER_VERSION: &str = "8.0.33";

/// The variables of a session, by name.
pub(super) fn defaults(system: System) -> BTreeMap<String, String> {
    let comment = match system {
        System::Doris => "Doris version doris-3.1.0 (a stand-in)",
        System::StarRocks => "StarRocks version 3.5.0 (a stand-in)",
    };
    let zone = "Asia/Shanghai";
    [
        ("version", SERVER_VERSION),
        ("version_comment", comment),
        ("autocommit", "1"),
        ("auto_increment_increment", "1"),
        ("character_set_client", "utf8mb4"),
        ("character_set_connection", "utf8mb4"),
        ("character_set_results", "utf8mb4"),
        ("character_set_server", "utf8mb4"),
        ("character_set_database", "utf8mb4"),
        ("collation_connection", "utf8mb4_0900_bin"),
        ("collation_database", "utf8mb4_0900_bin"),
        ("collation_server", "utf8mb4_0900_bin"),
        ("init_connect", ""),
        ("interactive_timeout", "3600"),
        ("license", "Apache License, Version 2.0"),
        ("lower_case_table_names", "0"),
        ("max_allowed_packet", "16777216"),
        ("net_buffer_length", "16384"),
        ("net_write_timeout", "600"),
        ("performance_schema", "0"),
        ("query_cache_size", "1048576"),
        ("query_cache_type", "0"),
        ("query_timeout", "900"),
        ("socket", ""),
        ("sql_mode", "ONLY_FULL_GROUP_BY"),
        ("system_time_zone", zone),
        ("time_zone", zone),
        ("transaction_isolation", "READ-COMMITTED"),
        ("transaction_read_only", "0"),
        ("tx_isolation", "READ-COMMITTED"),
        ("tx_read_only", "0"),
        ("wait_timeout", "28800"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect()
}
