//! The six tables: how each is created, and how a number becomes one of its keys.

use rand::Rng;
use rand::rngs::StdRng;

use super::{ROWS, Spelling};
use crate::server::Kind;

/// Keys are numbered from 0; the rows of the start take every third up to `3 * ROWS`, the rest is
/// free for inserts, between them and beyond the greatest.
pub(super) const KEYS_MAX: u64 = ROWS * 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// Signed, also below zero.
    Int,
    /// Unsigned, on both sides of 2^63 and up to the last value.
    BigUnsigned,
    /// Two columns, and one tenant that owns most rows.
    Composite,
    /// Text in a collation that takes several spellings for one key.
    CaseInsensitive,
    /// Text by code point.
    Binary,
    /// A moment, shared by many rows, and a number.
    DateTime,
}

impl Table {
    pub const ALL: [Self; 6] = [
        Self::Int,
        Self::BigUnsigned,
        Self::Composite,
        Self::CaseInsensitive,
        Self::Binary,
        Self::DateTime,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Int => "t_int",
            Self::BigUnsigned => "t_bigu",
            Self::Composite => "t_comp",
            Self::CaseInsensitive => "t_ci",
            Self::Binary => "t_bin",
            Self::DateTime => "t_dt",
        }
    }

    pub fn key(self) -> &'static [&'static str] {
        match self {
            Self::Int | Self::BigUnsigned => &["id"],
            Self::Composite => &["tenant", "id"],
            Self::CaseInsensitive | Self::Binary => &["k"],
            Self::DateTime => &["at", "n"],
        }
    }

    pub(super) fn create(self, kind: Kind) -> String {
        // Collations that pad with spaces and ones that do not, each where the server knows them.
        let (ci, bin) = match kind {
            Kind::MySql9Gtid => {
                ("utf8mb4 COLLATE utf8mb4_0900_ai_ci", "utf8mb4 COLLATE utf8mb4_bin")
            }
            Kind::MySql9NoGtid => {
                ("utf8mb4 COLLATE utf8mb4_general_ci", "utf8mb4 COLLATE utf8mb4_0900_bin")
            }
            Kind::MySql56 | Kind::MySql56Gtid => {
                ("utf8 COLLATE utf8_general_ci", "utf8mb4 COLLATE utf8mb4_bin")
            }
            Kind::MariaDb => ("utf8mb4 COLLATE utf8mb4_unicode_ci", "utf8mb3 COLLATE utf8mb3_bin"),
        };
        let key = match self {
            Self::Int => "id INT NOT NULL, PRIMARY KEY (id)".to_owned(),
            Self::BigUnsigned => "id BIGINT UNSIGNED NOT NULL, PRIMARY KEY (id)".to_owned(),
            Self::Composite => {
                "tenant INT NOT NULL, id BIGINT NOT NULL, PRIMARY KEY (tenant, id)".to_owned()
            }
            Self::CaseInsensitive => {
                format!("k VARCHAR(60) CHARACTER SET {ci} NOT NULL, PRIMARY KEY (k)")
            }
            Self::Binary => format!("k VARCHAR(60) CHARACTER SET {bin} NOT NULL, PRIMARY KEY (k)"),
            Self::DateTime => {
                "at DATETIME(3) NOT NULL, n INT NOT NULL, PRIMARY KEY (at, n)".to_owned()
            }
        };
        format!(
            "CREATE TABLE {} ({key}, v INT, s VARCHAR(200), d DECIMAL(20,6), at6 DATETIME(6)) \
             ENGINE=InnoDB DEFAULT CHARSET=utf8mb4",
            self.name()
        )
    }

    /// The SQL literals of key `number`, one for each key column.
    pub(super) fn key_values(
        self,
        rng: &mut StdRng,
        number: u64,
        spelling: Spelling,
    ) -> Vec<String> {
        match self {
            Self::Int => vec![(i128::from(number) - 20_000).to_string()],
            Self::BigUnsigned if number.is_multiple_of(2) => {
                vec![((1u64 << 63) - 50_000 + number).to_string()]
            }
            Self::BigUnsigned => vec![(u64::MAX - number + 1).to_string()],
            Self::Composite => {
                let tenant = if number.is_multiple_of(5) { 2 + number % 23 } else { 1 };
                vec![tenant.to_string(), (number * 1_000_003).to_string()]
            }
            Self::CaseInsensitive => {
                let varied = spelling == Spelling::Varied;
                let word = match (varied, rng.random_range(0..4)) {
                    (true, 0) => "CAFÉ",
                    (true, 1) => "cafe",
                    (true, 2) => "Café",
                    _ => "café",
                };
                vec![format!("'{}-{word}'", number * 7_919 % KEYS_MAX)]
            }
            Self::Binary => {
                let blank = spelling == Spelling::Varied && rng.random_bool(0.03);
                let initial = if number.is_multiple_of(2) { 'ä' } else { 'Z' };
                vec![format!("'{initial}{number}{}'", if blank { " " } else { "" })]
            }
            Self::DateTime => {
                let ms = number / 40 * 250;
                let (s, ms) = (ms / 1_000, ms % 1_000);
                let (m, s) = (s / 60, s % 60);
                vec![format!("'2024-02-29 {:02}:{:02}:{s:02}.{ms:03}'", m / 60, m % 60), {
                    (number % 40).to_string()
                }]
            }
        }
    }

    /// A whole row in brackets.
    pub(super) fn row(self, rng: &mut StdRng, number: u64, spelling: Spelling) -> String {
        let key = self.key_values(rng, number, spelling).join(",");
        let Values { v, s, d, at6 } = values(rng);
        format!("({key},{v},{s},{d},{at6})")
    }
}

/// SQL literals of the columns beside the key.
pub(super) struct Values {
    pub(super) v: String,
    pub(super) s: String,
    pub(super) d: String,
    pub(super) at6: String,
}

pub(super) fn values(rng: &mut StdRng) -> Values {
    const WORDS: [&str; 8] =
        ["", "plain", "é", "漢字", "😀", "a ''quote''", "back\\\\slash", "tab\tnewline\n"];
    let null = |rng: &mut StdRng, text: String| {
        if rng.random_bool(0.05) { "NULL".to_owned() } else { text }
    };
    let v = rng.random_range(-1_000_000..1_000_000).to_string();
    let words: Vec<&str> = (0..rng.random_range(0..5))
        .map(|_| WORDS.get(rng.random_range(0..WORDS.len())).copied().unwrap_or(""))
        .collect();
    let s = format!("'{} {}'", words.join("/"), rng.random_range(0..1_000_000));
    let whole = 1u64 << rng.random_range(1..46);
    let d = format!(
        "{}{}.{:06}",
        if rng.random_bool(0.5) { "-" } else { "" },
        rng.random_range(0..whole),
        rng.random_range(0..1_000_000)
    );
    let at6 = format!(
        "'{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:06}'",
        rng.random_range(1000..9999),
        rng.random_range(1..=12),
        rng.random_range(1..=28),
        rng.random_range(0..24),
        rng.random_range(0..60),
        rng.random_range(0..60),
        rng.random_range(0..1_000_000)
    );
    Values { v: null(rng, v), s: null(rng, s), d: null(rng, d), at6: null(rng, at6) }
}

/// `k1 = … AND k2 = …`
pub(super) fn condition(table: Table, key: &[String]) -> String {
    let parts: Vec<String> =
        table.key().iter().zip(key).map(|(column, value)| format!("{column} = {value}")).collect();
    format!("({})", parts.join(" AND "))
}
