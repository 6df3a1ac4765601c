//! What a server takes for granted when it reads a definition: its character sets and their
//! defaults, and how it spells types.

pub mod types;

use std::collections::BTreeMap;

use binlog::event::QueryEvent;
use binlog::server::Server;
use model::table::Collation;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use super::SourceError;

/// From here on integers are declared without a width (MySQL 8.0.19 release notes).
const NO_WIDTHS: (u16, u16, u16) = (8, 0, 19);

/// A server's own ways, as far as definitions depend on them.
#[derive(Debug, Clone, Default)]
pub struct Dialect {
    pub mariadb: bool,
    /// Integers are declared with a width, YEAR with its four digits.
    pub widths: bool,
    /// TIMESTAMP without NULL and NOT NULL takes NULL (`explicit_defaults_for_timestamp`).
    pub explicit_timestamps: bool,
    /// By name; the collation that goes without saying, and bytes of a character at most.
    charsets: BTreeMap<String, (String, u32)>,
    /// Its character set, by name.
    collations: BTreeMap<String, String>,
    /// By number.
    numbers: BTreeMap<u16, String>,
    /// Default collations of the databases, as long as no statement changes them.
    databases: BTreeMap<String, String>,
}

impl Dialect {
    /// # Errors
    /// The server does not answer.
    pub async fn read(conn: &mut Conn, server: &Server) -> Result<Self, SourceError> {
        let failed = |e| SourceError::query("read the character sets", e);
        let charsets: Vec<(String, String, u32)> = conn
            .query(
                "SELECT CHARACTER_SET_NAME, DEFAULT_COLLATE_NAME, MAXLEN \
                 FROM information_schema.CHARACTER_SETS",
            )
            .await
            .map_err(failed)?;
        // MariaDB has collations that belong to several character sets, and to none here.
        let collations: Vec<(String, String, u64)> = conn
            .query(
                "SELECT COLLATION_NAME, CHARACTER_SET_NAME, ID FROM information_schema.COLLATIONS \
                 WHERE CHARACTER_SET_NAME IS NOT NULL AND ID IS NOT NULL",
            )
            .await
            .map_err(failed)?;
        let databases: Vec<(String, String)> = conn
            .query("SELECT SCHEMA_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA")
            .await
            .map_err(failed)?;
        let explicit: Option<u8> = conn
            .query_first("SELECT @@GLOBAL.explicit_defaults_for_timestamp")
            .await
            .map_err(failed)?;
        let number =
            |(name, _, id): &(String, String, u64)| Some((u16::try_from(*id).ok()?, name.clone()));
        Ok(Self {
            mariadb: server.is_mariadb(),
            widths: server.is_mariadb() || server.version < NO_WIDTHS,
            explicit_timestamps: explicit == Some(1),
            numbers: collations.iter().filter_map(number).collect(),
            collations: collations.into_iter().map(|(name, of, _)| (name, of)).collect(),
            charsets: charsets.into_iter().map(|(name, d, max)| (name, (d, max))).collect(),
            databases: databases.into_iter().collect(),
        })
    }

    /// A statement changed what a database's tables get by default, or made the database.
    pub fn forget_database(&mut self, db: &str) {
        self.databases.remove(db);
    }

    /// For tables of `db` that do not say.
    pub fn of_database(&self, db: &str) -> Option<Collation> {
        self.collation(self.databases.get(db)?)
    }

    /// What a statement's CHARACTER SET and COLLATE come to; `None` where they are not known.
    pub fn text(
        &self,
        charset: Option<&str>,
        collation: Option<&str>,
        query: &QueryEvent,
    ) -> Option<Collation> {
        if let Some(name) = collation {
            return self.collation(name);
        }
        let charset = self.charset(charset?)?;
        if charset == "utf8mb4"
            && let Some(number) = query.default_collation_for_utf8mb4
        {
            return self.collation(self.numbers.get(&number)?);
        }
        self.collation(&self.charsets.get(charset)?.0)
    }

    /// By name.
    pub fn collation(&self, name: &str) -> Option<Collation> {
        // `utf8` is another name for `utf8mb3`, or the other way round, by the server's age.
        let twin = match name.strip_prefix("utf8mb3_") {
            Some(rest) => format!("utf8_{rest}"),
            None => format!("utf8mb3_{}", name.strip_prefix("utf8_").unwrap_or_default()),
        };
        let found =
            self.collations.get_key_value(name).or_else(|| self.collations.get_key_value(&twin));
        let (name, charset) = found?;
        Some(Collation { charset: charset.as_str().into(), name: name.as_str().into() })
    }

    fn charset<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        let twin = match name {
            "utf8" => "utf8mb3",
            "utf8mb3" => "utf8",
            other => other,
        };
        let known = [name, twin];
        known
            .into_iter()
            .find_map(|n| self.charsets.get_key_value(n))
            .map(|(name, _)| name.as_str())
    }

    /// Bytes that a character takes at most.
    pub fn bytes_per_char(&self, collation: &Collation) -> Option<u32> {
        self.charsets.get(&*collation.charset).map(|(_, most)| *most)
    }
}
