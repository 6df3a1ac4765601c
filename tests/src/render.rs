//! Rows of the source as the changelog should show them, rendered here a second time and
//! independently: the auditor must not share the engine's mistakes.

use anyhow::{Context, Result, bail};
use mysql_async::prelude::*;
use mysql_async::{Conn, Row};
use serde_json::{Map, Value, json};

/// What a column's text in the result of a SELECT (text protocol) becomes in each format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rendering {
    Integer,
    Float,
    Double,
    Decimal,
    Bit,
    /// BIT(1).
    Truth,
    Text,
    /// Text with escapes of its own.
    Json,
    Date,
    DateTime,
    Timestamp,
    Bytes,
    Geometry,
    Vector,
}

impl Rendering {
    /// By `DATA_TYPE` and `COLUMN_TYPE` of the server's catalogue.
    pub fn of(data_type: &str, column_type: &str) -> Result<Self> {
        Ok(match data_type {
            "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "year" => Self::Integer,
            "float" => Self::Float,
            "double" => Self::Double,
            "decimal" => Self::Decimal,
            "bit" if column_type == "bit(1)" => Self::Truth,
            "bit" => Self::Bit,
            "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "enum"
            | "set" | "time" | "uuid" | "inet4" | "inet6" => Self::Text,
            "json" => Self::Json,
            "date" => Self::Date,
            "datetime" => Self::DateTime,
            "timestamp" => Self::Timestamp,
            "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => Self::Bytes,
            "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring"
            | "multipolygon" | "geometrycollection" | "geomcollection" => Self::Geometry,
            "vector" => Self::Vector,
            other => bail!("the auditor cannot render type `{other}`"),
        })
    }

    /// What to select for [`Rendering::json`]. A FLOAT by itself is printed with six digits, and a
    /// DOUBLE(m, d) with `d` behind the point; a product with all that matter.
    pub fn expression(self, column: &str) -> String {
        let whole = matches!(self, Self::Float | Self::Double);
        if whole { format!("{column} * 1e0") } else { column.to_owned() }
    }

    /// The value in `debezium-json`.
    pub fn json(self, bytes: &[u8]) -> Result<Value> {
        let text = || std::str::from_utf8(bytes).context("text that is not UTF-8");
        Ok(match self {
            Self::Integer => match text()?.parse::<u64>() {
                Ok(number) => Value::from(number),
                Err(_) => Value::from(text()?.parse::<i64>()?),
            },
            // The shortest digits that read back as this float, as a double.
            Self::Float => json!(text()?.parse::<f32>()?.to_string().parse::<f64>()?),
            Self::Double => json!(text()?.parse::<f64>()?),
            Self::Decimal => Value::from(without_zeros(text()?)),
            Self::Truth => Value::from(bytes == [1]),
            Self::Text | Self::Json => Value::from(text()?),
            Self::Date | Self::DateTime | Self::Timestamp if no_calendar_has(text()?) => {
                Value::Null
            }
            Self::Date => Value::from(text()?),
            Self::DateTime => Value::from(text()?.replace(' ', "T")),
            Self::Timestamp => Value::from(text()?.replace(' ', "T") + "Z"),
            Self::Bit | Self::Bytes => Value::from(base64(bytes)),
            Self::Geometry => {
                let (srid, wkb) = bytes.split_first_chunk().context("a geometry without SRID")?;
                json!({ "srid": u32::from_le_bytes(*srid), "wkb": base64(wkb) })
            }
            Self::Vector => {
                let (floats, rest) = bytes.as_chunks::<4>();
                anyhow::ensure!(rest.is_empty(), "a vector of {} bytes", bytes.len());
                let shortest = |f: &[u8; 4]| f32::from_le_bytes(*f).to_string().parse::<f64>();
                json!(floats.iter().map(shortest).collect::<Result<Vec<_>, _>>()?)
            }
        })
    }

    /// The value in `changelog`, of what the column itself is printed as.
    pub fn changelog(self, bytes: &[u8]) -> Result<String> {
        if matches!(self, Self::Bit | Self::Truth | Self::Bytes | Self::Geometry | Self::Vector) {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
            return Ok(format!("0x{digits}"));
        }
        let text = std::str::from_utf8(bytes).context("text that is not UTF-8")?;
        if matches!(self, Self::Float | Self::Double | Self::Decimal) {
            return Ok(without_zeros(text).to_owned());
        }
        Ok(text.chars().map(|c| on_its_line(c, self == Self::Json)).collect())
    }
}

/// A number without the zeros that ZEROFILL puts in front.
fn without_zeros(text: &str) -> &str {
    let short = text.trim_start_matches('0');
    if short == text {
        return text;
    }
    let kept = if short.starts_with(|c: char| c.is_ascii_digit()) { 0 } else { 1 };
    text.get(text.len() - short.len() - kept..).unwrap_or(text)
}

/// True where month or day are zero.
fn no_calendar_has(date: &str) -> bool {
    date.get(5..7) == Some("00") || date.get(8..10) == Some("00")
}

fn on_its_line(c: char, own_escapes: bool) -> String {
    match c {
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\t' => "\\t".to_owned(),
        '\0' => "\\0".to_owned(),
        '\\' if !own_escapes => "\\\\".to_owned(),
        '\x01'..'\x20' | '\x7f' => format!("\\x{:02x}", u32::from(c)),
        plain => plain.to_string(),
    }
}

/// RFC 4648, padded.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letter = |bits: u32| LETTERS.get(bits as usize & 63).map_or('?', |&b| char::from(b));
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        text.extend([letter(bits >> 18), letter(bits >> 12)]);
        text.push(if group.len() > 1 { letter(bits >> 6) } else { '=' });
        text.push(if group.len() > 2 { letter(bits) } else { '=' });
    }
    text
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
                "SELECT column_name, data_type, column_type FROM information_schema.columns \
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
        let renderings =
            rows.iter().map(|row| Rendering::of(&row.1, &row.2)).collect::<Result<_>>()?;
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
        let selected: Vec<String> = self
            .names
            .iter()
            .zip(&self.renderings)
            .map(|(name, rendering)| rendering.expression(&format!("`{name}`")))
            .collect();
        let query = format!("SELECT {} FROM {}", selected.join(", "), self.table);
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
            let text: Option<Vec<u8>> = mysql_async::from_value_opt(cell)?;
            let value = text.map_or(Ok(Value::Null), |text| rendering.json(&text))?;
            object.insert(name.clone(), value);
        }
        Ok(Value::Object(object))
    }
}
