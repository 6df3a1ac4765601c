//! What a job says of a Doris or StarRocks sink.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use model::{CheckpointMode, TimeZone};

use super::client::{Compression, HTTPS, Identity, MySqlTls, Password, Settings, TlsSettings};
use super::system::System;
use super::target::TypeRules;
use super::target::create::CreateOptions;
use super::target::policy::{BEHAVIOR, EXCLUDE, INCLUDE, Policy};
use crate::SinkContext;
use crate::config::{ConfigError, OptionDoc, Options};

const SQL_PORT: u16 = 9030;

const fn doc(name: &'static str, default: &'static str, doc: &'static str) -> OptionDoc {
    OptionDoc { name, default, required: false, doc }
}

const fn required(name: &'static str, doc: &'static str) -> OptionDoc {
    OptionDoc { name, default: "", required: true, doc }
}

macro_rules! options {
    ($($own:expr),* $(,)?) => {
        &[
            $($own,)*
            required("username", "user of the HTTP and the MySQL port"),
            doc("password", "", "its password"),
            doc("jdbc-url", "", "where SQL is spoken, `jdbc:mysql://HOST:9030`; by default port 9030 of the frontends"),
            doc("label-prefix", "seachange", "what the labels of all loads begin with"),
            doc("enable-2pc", "true", "rows become visible with the checkpoint that holds them; false: as soon as they are loaded, at least once"),
            doc("enable-delete", "true", "deletes are carried over"),
            doc("buffer-flush.max-bytes", "16mb", "a load is sent when its rows are this many bytes"),
            doc("buffer-flush.max-rows", "1000000", "or this many"),
            doc("buffer-flush.interval", "1 s", "with `enable-2pc` false, how long rows may wait for their load"),
            doc("parallel-loads", "3", "loads under way at a time"),
            doc("max-retries", "10", "how often a load or a commit is tried again before the job restarts"),
            doc("connect.timeout-ms", "10000", "how long a connection may take"),
            doc("socket.timeout-ms", "600000", "how long an answer may take"),
            doc("compression", "none", "how loads are compressed: none, gzip or lz4"),
            doc("be-override", "", "backends by the address to reach them at: `HOST:PORT=HOST:PORT,…`, or `HOST:PORT=https://HOST:PORT`"),
            doc("ssl.ca", "", "certificates of the authorities, a PEM file; by default the public ones"),
            doc("ssl.cert", "", "certificate to show the servers, a PEM file; goes with `ssl.key`"),
            doc("ssl.key", "", "its private key, a PEM file"),
            doc("ssl.verify", "true", "false: certificates are not looked at, so that anybody can pose as the server"),
            doc("ssl.mysql-port", "offered", "TLS on the MySQL port: offered (where the server has it), required or off"),
            doc("ssl.plain-redirects", "false", "redirects from https to http are followed, with the password"),
            doc("properties.*", "", "headers of every load"),
            doc("auto.create", "true", "databases and tables that are missing are created"),
            doc("table.create.properties.*", "", "properties of created tables"),
            doc("table.create.num-buckets", "", "buckets of created tables; by default the server chooses"),
            doc("types.json", "json", "what JSON becomes: json or text"),
            doc("types.binary", "base64", "what binary values become: base64 or hex"),
            doc("table.names", "ascii", "which names the server takes: ascii or unicode"),
            doc("timezone", "", "zone in which TIMESTAMP is written; by default `table.local-time-zone`"),
            doc("schema.change.behavior", "lenient", "evolve, try_evolve, lenient, ignore or exception"),
            doc("include.schema.changes", "", "only these kinds of schema changes"),
            doc("exclude.schema.changes", "", "all but these kinds of schema changes"),
        ]
    };
}

pub(crate) const DORIS: &[OptionDoc] = options![
    required("fenodes", "frontends, `HOST:8030,…` or `https://HOST:8050,…`"),
    doc("benodes", "", "backends, `HOST:8040,…`: loads go there without asking a frontend"),
    doc(
        "auto-redirect",
        "true",
        "loads go where a frontend sends them; false: a frontend is asked for its backends, and they are spoken to directly"
    ),
    doc(
        "sequence",
        "true",
        "created tables have a sequence column, by which a repeated load cannot undo a newer row"
    ),
];

pub(crate) const STARROCKS: &[OptionDoc] =
    options![required("load-url", "frontends, `HOST:8030;…` or `https://HOST:8030;…`"),];

/// The options, read.
#[derive(Debug)]
pub(crate) struct Choices {
    pub settings: Settings,
    pub label_prefix: String,
    pub two_phase: bool,
    pub deletes: bool,
    pub bytes_max: usize,
    pub rows_max: usize,
    pub interval: Duration,
    pub parallel: usize,
    pub auto_create: bool,
    pub sequence: bool,
    pub create: CreateOptions,
    pub rules: TypeRules,
    pub policy: Policy,
    pub time_zone: TimeZone,
}

impl Choices {
    pub(crate) fn parse(
        system: System,
        options: &Options<'_>,
        context: &SinkContext,
    ) -> Result<Self, ConfigError> {
        let given = options.given();
        let sink = &context.sink_name;
        let fe = nodes(options, if system == System::Doris { "fenodes" } else { "load-url" })?;
        let be = match system {
            System::Doris if options.is_given("benodes") => nodes(options, "benodes")?,
            System::Doris | System::StarRocks => Vec::new(),
        };
        let two_phase = options.flag("enable-2pc")? && context.mode == CheckpointMode::ExactlyOnce;
        let settings = Settings {
            sink: sink.clone(),
            sql: sql_nodes(options, &fe)?,
            fe,
            be,
            auto_redirect: system == System::StarRocks || options.flag("auto-redirect")?,
            username: options.text("username")?.to_owned(),
            password: Password::new(options.maybe("password").unwrap_or_default()),
            max_retries: options.number("max-retries", 0, u32::MAX)?,
            connect_timeout: millis(options, "connect.timeout-ms")?,
            socket_timeout: millis(options, "socket.timeout-ms")?,
            be_override: be_override(options)?,
            headers: with_prefix(given, "properties."),
            compression: match options.choice("compression", &["none", "gzip", "lz4"])? {
                "gzip" => Compression::Gzip,
                "lz4" => Compression::Lz4,
                _ => Compression::None,
            },
            tls: tls(options)?,
            waits: context.watcher.waits.clone(),
        };
        let time_zone = match options.maybe("timezone") {
            None => context.time_zone,
            Some(zone) => zone.parse().map_err(|_| {
                options.bad(
                    "timezone",
                    zone,
                    "a zone, for instance Asia/Shanghai or +08:00".to_owned(),
                )
            })?,
        };
        Ok(Self {
            settings,
            label_prefix: options.text("label-prefix")?.to_owned(),
            two_phase,
            deletes: options.flag("enable-delete")?,
            bytes_max: usize::try_from(options.size("buffer-flush.max-bytes")?)
                .unwrap_or(usize::MAX),
            rows_max: options.number("buffer-flush.max-rows", 1, u32::MAX)? as usize,
            interval: options.duration("buffer-flush.interval")?,
            parallel: options.number("parallel-loads", 1, 64)? as usize,
            auto_create: options.flag("auto.create")?,
            sequence: system == System::Doris && options.flag("sequence")?,
            create: CreateOptions::parse(sink, given)?,
            rules: TypeRules::parse(sink, given)?,
            policy: Policy::parse(
                sink,
                options.maybe(BEHAVIOR),
                options.maybe(INCLUDE),
                options.maybe(EXCLUDE),
            )?,
            time_zone,
        })
    }
}

/// `http://a:8030;b:8030` and the like.
fn nodes(options: &Options<'_>, option: &str) -> Result<Vec<String>, ConfigError> {
    let text = options.text(option)?;
    let nodes: Vec<String> = text
        .split([',', ';'])
        .map(|node| node.trim().trim_start_matches("http://").trim_end_matches('/').to_owned())
        .filter(|node| !node.is_empty())
        .collect();
    let fits = |node: &String| {
        let address = node.strip_prefix(HTTPS).unwrap_or(node).rsplit_once(':');
        let is_host = |host: &str| !host.is_empty() && !host.contains('/');
        address.is_some_and(|(host, port)| is_host(host) && port.parse::<u16>().is_ok())
    };
    if nodes.is_empty() || !nodes.iter().all(fits) {
        let expected = "a list of HOST:PORT, for instance fe1:8030,fe2:8030 or https://fe1:8050";
        return Err(options.bad(option, text, expected.to_owned()));
    }
    Ok(nodes)
}

/// From `jdbc:mysql://a:9030,b:9030/db?x=y`, else the frontends with the usual port.
fn sql_nodes(options: &Options<'_>, fe: &[String]) -> Result<Vec<String>, ConfigError> {
    let Some(url) = options.maybe("jdbc-url") else {
        let hosts = fe.iter().map(|node| node.strip_prefix(HTTPS).unwrap_or(node));
        let hosts = hosts.filter_map(|node| node.rsplit_once(':'));
        return Ok(hosts.map(|(host, _)| format!("{host}:{SQL_PORT}")).collect());
    };
    let rest = url.trim().trim_start_matches("jdbc:").trim_start_matches("mysql://");
    let hosts = rest.split(['/', '?']).next().unwrap_or_default();
    let port = |node: &str| match node.rsplit_once(':') {
        None if !node.is_empty() => Some(format!("{node}:{SQL_PORT}")),
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
            Some(node.to_owned())
        }
        _ => None,
    };
    hosts.split(',').map(|node| port(node.trim())).collect::<Option<Vec<_>>>().ok_or_else(|| {
        options.bad("jdbc-url", url, "a URL like jdbc:mysql://fe1:9030,fe2:9030".to_owned())
    })
}

fn tls(options: &Options<'_>) -> Result<TlsSettings, ConfigError> {
    let path = |option| options.maybe(option).map(|path| PathBuf::from(path.trim()));
    let identity = match (path("ssl.cert"), path("ssl.key")) {
        (None, None) => None,
        (Some(chain), Some(key)) => Some(Identity { chain, key }),
        (Some(_), None) => {
            return Err(options.bad("ssl.key", "", "the key of `ssl.cert`".to_owned()));
        }
        (None, Some(_)) => {
            return Err(options.bad("ssl.cert", "", "the certificate of `ssl.key`".to_owned()));
        }
    };
    let mysql = match options.choice("ssl.mysql-port", &["offered", "required", "off"])? {
        "required" => MySqlTls::Required,
        "off" => MySqlTls::Off,
        _ if options.is_given("ssl.mysql-port") => MySqlTls::Offered,
        _ => options.maybe("jdbc-url").and_then(by_jdbc).unwrap_or_default(),
    };
    let (verify, plain_redirects) =
        (options.flag("ssl.verify")?, options.flag("ssl.plain-redirects")?);
    Ok(TlsSettings { ca: path("ssl.ca"), identity, verify, mysql, plain_redirects })
}

/// What a URL of JDBC says of TLS.
fn by_jdbc(url: &str) -> Option<MySqlTls> {
    let (_, properties) = url.split_once('?')?;
    let properties: BTreeMap<String, String> = properties
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.to_ascii_lowercase(), value.to_ascii_lowercase()))
        .collect();
    let is = |key: &str, value: &str| properties.get(key).is_some_and(|given| given == value);
    match properties.get("sslmode").map(String::as_str) {
        Some("disabled") => Some(MySqlTls::Off),
        Some("required" | "verify_ca" | "verify_identity") => Some(MySqlTls::Required),
        Some(_) => None,
        None if is("usessl", "false") => Some(MySqlTls::Off),
        None if is("usessl", "true") && is("requiressl", "true") => Some(MySqlTls::Required),
        None => None,
    }
}

fn millis(options: &Options<'_>, option: &str) -> Result<Duration, ConfigError> {
    Ok(Duration::from_millis(options.number(option, 1, u32::MAX)?.into()))
}

fn be_override(options: &Options<'_>) -> Result<BTreeMap<String, String>, ConfigError> {
    let Some(text) = options.maybe("be-override") else { return Ok(BTreeMap::new()) };
    let pair = |pair: &str| {
        let (from, to) = pair.split_once('=')?;
        Some((from.trim().to_owned(), to.trim().to_owned()))
    };
    text.split(',')
        .map(pair)
        .collect::<Option<_>>()
        .ok_or_else(|| options.bad("be-override", text, "a list of HOST:PORT=HOST:PORT".to_owned()))
}

fn with_prefix(given: &BTreeMap<String, String>, prefix: &str) -> BTreeMap<String, String> {
    let stripped = given.iter().filter_map(|(key, value)| Some((key.strip_prefix(prefix)?, value)));
    stripped.map(|(key, value)| (key.to_owned(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::context;

    fn choices(system: System, given: &[(&str, &str)]) -> Result<Choices, ConfigError> {
        let known = if system == System::Doris { DORIS } else { STARROCKS };
        let all = given.iter().chain(&[("username", "loader")]);
        let given = all.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let options = Options::new(system.connector(), &given, known, "sink[0]")?;
        Choices::parse(system, &options, &context())
    }

    #[test]
    fn frontends_are_reached_as_they_are_written_and_their_mysql_port_beside() {
        let given = [("fenodes", "https://fe1:8050/, http://fe2:8030,fe3:8030")];
        let settings = choices(System::Doris, &given).unwrap().settings;
        assert_eq!(settings.fe, ["https://fe1:8050", "fe2:8030", "fe3:8030"]);
        assert_eq!(settings.sql, ["fe1:9030", "fe2:9030", "fe3:9030"]);
        assert!(settings.auto_redirect && settings.tls == TlsSettings::default());
        for bad in ["https://fe1", "https://", "https://fe1:8050/api", "ftp://fe1:8050"] {
            let refused = choices(System::StarRocks, &[("load-url", bad)]).unwrap_err();
            assert!(refused.to_string().contains("`load-url`"), "{bad}: {refused}");
        }
    }

    #[test]
    fn tls_is_read_with_all_that_belongs_to_it() {
        let given = [
            ("fenodes", "https://fe1:8050"),
            ("ssl.ca", "/etc/ca.pem"),
            ("ssl.cert", "own.pem"),
            ("ssl.key", "own.key"),
            ("ssl.verify", "false"),
            ("ssl.mysql-port", "required"),
            ("ssl.plain-redirects", "true"),
            ("auto-redirect", "false"),
            ("jdbc-url", "jdbc:mysql://fe1:9030?useSSL=false"),
        ];
        let settings = choices(System::Doris, &given).unwrap().settings;
        assert!(!settings.auto_redirect);
        let expected = TlsSettings {
            ca: Some("/etc/ca.pem".into()),
            identity: Some(Identity { chain: "own.pem".into(), key: "own.key".into() }),
            verify: false,
            mysql: MySqlTls::Required,
            plain_redirects: true,
        };
        assert_eq!(settings.tls, expected);
        let half = choices(System::Doris, &given[..3]).unwrap_err().to_string();
        assert!(half.contains("`ssl.key`") && half.contains("`ssl.cert`"), "{half}");
    }

    #[test]
    fn a_url_of_jdbc_says_whether_the_mysql_port_is_spoken_to_over_tls() {
        let says = |properties: &str| by_jdbc(&format!("jdbc:mysql://fe:9030{properties}"));
        for (properties, expected) in [
            ("", None),
            ("/db?useUnicode=true", None),
            ("?useSSL=false", Some(MySqlTls::Off)),
            ("?useSSL=true", None),
            ("?useSSL=true&requireSSL=true", Some(MySqlTls::Required)),
            ("?sslMode=DISABLED", Some(MySqlTls::Off)),
            ("/?useSSL=false&sslMode=VERIFY_CA", Some(MySqlTls::Required)),
            ("?sslMode=PREFERRED", None),
        ] {
            assert_eq!(says(properties), expected, "{properties}");
        }
    }
}
