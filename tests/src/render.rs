//! Rows of the source as the changelog should show them, rendered here a second time and
//! independently: the auditor must not share the engine's mistakes.

use anyhow::{Context, Result, bail};
use mysql_async::prelude::*;
use mysql_async::{Conn, Row};
use serde_json::{Map, Value};

/// What a column's text in the result of a SELECT becomes in `debezium-json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rendering {
    Number,
    Text,
    /// `2022-09-22 10:00:00.123` becomes `2022-09-22T10:00:00.123`.
    DateTime,
}

impl Rendering {
    fn of(data_type: &str) -> Result<Self> {
        Ok(match data_type {
            "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "year" => Self::Number,
            "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "enum"
            | "set" | "decimal" | "date" | "time" => Self::Text,
            "datetime" => Self::DateTime,
            other => bail!("the auditor cannot render type `{other}`"),
        })
    }

    fn apply(self, text: &str) -> Result<Value> {
        Ok(match self {
            Self::Number => serde_json::from_str(text).with_context(|| format!("number {text}"))?,
            Self::Text => Value::from(text),
            Self::DateTime => Value::from(text.replace(' ', "T")),
        })
    }
}

/// A table of the source: its columns in order, and which of them are its primary key.
pub struct Columns {
    table: String,
    names: Vec<String>,
    renderings: Vec<Rendering>,
    pub key: Vec<String>,
}

impl Columns {
    /// Of `table` in `db`, from the server's catalogue.
    pub async fn of(conn: &mut Conn, db: &str, table: &str) -> Result<Self> {
        let rows: Vec<(String, String, String)> = conn
            .exec(
                "SELECT column_name, data_type, column_key FROM information_schema.columns \
                 WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position",
                (db, table),
            )
            .await?;
        let key: Vec<(String,)> = conn
            .exec(
                "SELECT column_name FROM information_schema.key_column_usage \
                 WHERE table_schema = ? AND table_name = ? AND constraint_name = 'PRIMARY' \
                 ORDER BY ordinal_position",
                (db, table),
            )
            .await?;
        let renderings = rows.iter().map(|row| Rendering::of(&row.1)).collect::<Result<_>>()?;
        Ok(Self {
            table: format!("`{db}`.`{table}`"),
            names: rows.into_iter().map(|row| row.0).collect(),
            renderings,
            key: key.into_iter().map(|row| row.0).collect(),
        })
    }

    /// Calls `each` with every row of the table, as the JSON object that a changelog should hold.
    pub async fn for_each_row(
        &self,
        conn: &mut Conn,
        mut each: impl FnMut(Value) -> Result<()>,
    ) -> Result<()> {
        let names: Vec<String> = self.names.iter().map(|name| format!("`{name}`")).collect();
        let query = format!("SELECT {} FROM {}", names.join(", "), self.table);
        let mut result = conn.query_iter(query).await?;
        while let Some(row) = result.next().await? {
            each(self.render(row)?)?;
        }
        Ok(())
    }

    fn render(&self, row: Row) -> Result<Value> {
        let mut object = Map::new();
        for ((name, rendering), cell) in self.names.iter().zip(&self.renderings).zip(row.unwrap()) {
            // The text protocol: a value is bytes or NULL.
            let text: Option<String> = mysql_async::from_value_opt(cell)?;
            let value = text.map_or(Ok(Value::Null), |text| rendering.apply(&text))?;
            object.insert(name.clone(), value);
        }
        Ok(Value::Object(object))
    }
}
