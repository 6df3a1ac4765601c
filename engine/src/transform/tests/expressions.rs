//! What expressions give, and which are refused.

use super::*;
use crate::transform::compile::Scope;
use crate::transform::expr::Row;
use crate::transform::syntax;

/// The type and the value of an expression over the row of [`everything`], or why there is none.
fn result(text: &str) -> String {
    let (table, cells) = everything();
    let scope = Scope { schema: &table, computed: &[], zone: shanghai() };
    let typed = match syntax::filter(text).and_then(|expr| scope.typed(&expr)) {
        Ok(typed) => typed,
        Err(wrong) => return format!("{}: {}", wrong.at, wrong.message),
    };
    let row = Row { cells: &cells, table: &table.name, event: "+I" };
    match typed.node.value(row) {
        Ok(value) if value.is_null() => format!("{} NULL", typed.ty),
        Ok(value) => format!("{} {}", typed.ty, value.to_text(typed.ty)),
        Err(fault) => format!("fault: {}", fault.0),
    }
}

#[track_caller]
fn check(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(result(text), *expected, "{text}");
    }
}

#[test]
fn whole_numbers_are_exact_and_never_wrap() {
    check(&[
        ("id + 1", "BIGINT 8"),
        ("id - 10", "BIGINT -3"),
        ("id / 2", "BIGINT 3"),
        ("-id / 2", "BIGINT -3"),
        ("-id % 4", "BIGINT -3"),
        ("MOD(id, 4)", "BIGINT 3"),
        ("id / 0", "BIGINT NULL"),
        ("qty + 1", "BIGINT NULL"),
        ("big + 1", "DECIMAL(21,0) 18446744073709551616"),
        ("big * big", "DECIMAL(40,0) 340282366920938463426481119284349108225"),
        ("9223372036854775807 + id", "fault: the result of `+` is out of range of BIGINT"),
        ("-9223372036854775808", "BIGINT -9223372036854775808"),
        ("ABS(-9223372036854775808)", "fault: the result of ABS is out of range of BIGINT"),
        ("ROUND(1250, -2)", "INT 1300"),
    ]);
}

#[test]
fn decimals_keep_every_digit() {
    check(&[
        ("price + 0.005", "DECIMAL(12,3) 12.305"),
        ("price * 3", "DECIMAL(11,2) 36.90"),
        ("price / 7", "DECIMAL(14,6) 1.757143"),
        ("price % 5", "DECIMAL(10,2) 2.30"),
        ("price / 0", "DECIMAL(14,6) NULL"),
        ("0.1 + 0.2", "DECIMAL(2,1) 0.3"),
        ("ROUND(price, 1)", "DECIMAL(10,1) 12.3"),
        ("ROUND(-2.5)", "DECIMAL(2,0) -3"),
        ("CEIL(price)", "DECIMAL(9,0) 13"),
        ("FLOOR(-12.3)", "DECIMAL(3,0) -13"),
        ("price * 1e0", "DOUBLE 12.3"),
        ("x / 0", "DOUBLE NULL"),
        ("x * 1e308 * 10", "fault: the result of `*` is out of range of DOUBLE"),
        ("price = 12.3 AND price = '12.300' AND big > price", "TINYINT(1) true"),
    ]);
}

#[test]
fn null_is_a_third_truth_value() {
    check(&[
        ("qty = 1 AND id = 8", "TINYINT(1) false"),
        ("qty = 1 AND id = 7", "TINYINT(1) NULL"),
        ("qty = 1 OR id = 7", "TINYINT(1) true"),
        ("NOT (qty = 1)", "TINYINT(1) NULL"),
        ("qty IS NULL AND id IS NOT NULL", "TINYINT(1) true"),
        ("(qty = 1) IS TRUE", "TINYINT(1) false"),
        ("(qty = 1) IS UNKNOWN", "TINYINT(1) true"),
        ("qty <> 1", "TINYINT(1) NULL"),
        ("id IN (1, 7, NULL)", "TINYINT(1) true"),
        ("id IN (1, NULL)", "TINYINT(1) NULL"),
        ("id NOT IN (1, 2)", "TINYINT(1) true"),
        ("id BETWEEN qty AND 5", "TINYINT(1) false"),
        ("id BETWEEN 7 AND 7", "TINYINT(1) true"),
        ("id BETWEEN qty AND 9", "TINYINT(1) NULL"),
        ("small AND NOT FALSE", "TINYINT(1) true"),
        ("small = TRUE", "TINYINT(1) true"),
    ]);
}

#[test]
fn texts_count_characters() {
    check(&[
        ("TRIM(name)", "VARCHAR(20) Ab蔡"),
        ("UPPER(TRIM(name)) || '-' || id", "VARCHAR(72) AB蔡-7"),
        ("CONCAT('a', qty)", "VARCHAR(12) NULL"),
        ("CHAR_LENGTH(name)", "BIGINT 5"),
        ("SUBSTR(name, 2, 2)", "VARCHAR(2) Ab"),
        ("SUBSTR(name, -2)", "VARCHAR(20) 蔡 "),
        ("SUBSTRING('abc' FROM 2)", "VARCHAR(3) bc"),
        ("SUBSTR('abc', 0)", "VARCHAR(3) "),
        ("TRIM(LEADING 'x' FROM 'xxaxx')", "VARCHAR(5) axx"),
        ("REPLACE('banana', 'an', 'AN')", "LONGTEXT bANANa"),
        (r"REGEXP_REPLACE('a12b3', '([0-9]+)', '<$1>')", "LONGTEXT a<12>b<3>"),
        ("'50%' LIKE '50\\%' AND 'abc' LIKE 'a_%' AND 'a' NOT LIKE 'A'", "TINYINT(1) true"),
        ("'a%b' LIKE 'a!%_' ESCAPE '!'", "TINYINT(1) true"),
        ("'aaaaaaaaaaaaaab' LIKE '%a%a%a%a%c'", "TINYINT(1) false"),
        ("CAST(price AS STRING)", "VARCHAR(13) 12.30"),
        ("CAST(name AS VARCHAR(3))", "VARCHAR(3)  Ab"),
        ("CAST(x AS CHAR(3))", "VARCHAR(3) 1.5"),
    ]);
}

#[test]
fn a_choice_has_one_type() {
    check(&[
        ("CASE WHEN id > 5 THEN 'big' ELSE 'no' END", "VARCHAR(3) big"),
        ("CASE id WHEN 1 THEN 1 WHEN 7 THEN 2.5 END", "DECIMAL(11,1) 2.5"),
        ("CASE qty WHEN 1 THEN 1 END", "INT NULL"),
        ("IF(qty = 1, 1, 9223372036854775807)", "BIGINT 9223372036854775807"),
        ("COALESCE(qty, price, 0)", "DECIMAL(12,2) 12.30"),
        ("IFNULL(qty, 3)", "INT 3"),
        ("NULLIF(id, 7)", "INT NULL"),
        ("NULLIF(id, 8)", "INT 7"),
        ("COALESCE(d, dt)", "DATETIME(3) 2024-02-29 00:00:00.000"),
        ("IF(TRUE, 1, 'a')", "12: this is VARCHAR(1), and before it is INT: write a CAST"),
    ]);
}

#[test]
fn times_are_those_of_the_jobs_zone() {
    check(&[
        ("DATE_FORMAT(dt, 'yyyy-MM-dd HH:mm:ss.SSS')", "VARCHAR(34) 2024-02-29 23:30:05.123"),
        ("DATE_FORMAT(ts, 'yyMMdd''T''hh a')", "VARCHAR(22) 240301T07 AM"),
        ("DATE_FORMAT(zero, 'yyyy')", "VARCHAR(4) NULL"),
        ("CAST(ts AS STRING)", "VARCHAR(19) 2024-03-01 07:30:05"),
        ("CAST(ts AS DATE)", "DATE 2024-03-01"),
        ("CAST(dt AS TIMESTAMP(1))", "DATETIME(1) 2024-02-29 23:30:05.1"),
        ("d = '2024-02-29' AND dt > d AND ts > dt", "TINYINT(1) true"),
        ("ts >= '2024-03-01 07:30:05'", "TINYINT(1) true"),
        ("tm > '10:00:00'", "TINYINT(1) true"),
        ("d < DATE '2024-03-01'", "TINYINT(1) true"),
        ("TO_DATE('2024-02-30')", "DATE NULL"),
        ("TO_DATE('29/02/2024', 'dd/MM/yyyy')", "DATE 2024-02-29"),
        (
            "TO_TIMESTAMP('20240229 0102', 'yyyyMMdd HHmm')",
            "DATETIME(6) 2024-02-29 01:02:00.000000",
        ),
        ("TIMESTAMPDIFF(MONTH, '2024-01-31', d)", "BIGINT 0"),
        ("TIMESTAMP_DIFF(DAY, d, '2024-02-28')", "BIGINT -1"),
        ("YEAR(d) * 100 + MONTH(d)", "BIGINT 202402"),
    ]);
}

#[test]
fn casts_say_what_they_cannot_hold() {
    check(&[
        ("CAST('12.9' AS INT)", "INT 12"),
        ("CAST(' -3 ' AS BIGINT)", "BIGINT -3"),
        ("CAST('x' AS INT)", "INT NULL"),
        ("CAST(300 AS TINYINT)", "fault: the result of CAST is out of range of TINYINT"),
        ("CAST('1e99999999999' AS INT)", "fault: the result of CAST is out of range of INT"),
        ("CAST(big AS DECIMAL(20, 0))", "DECIMAL(20,0) 18446744073709551615"),
        ("CAST(12.345 AS DECIMAL(4, 2))", "DECIMAL(4,2) 12.35"),
        ("CAST(123 AS DECIMAL(2))", "fault: the result of CAST is out of range of DECIMAL(2,0)"),
        ("CAST('yes' AS BOOLEAN)", "TINYINT(1) NULL"),
        ("CAST('TRUE' AS BOOLEAN)", "TINYINT(1) true"),
        ("CAST(x AS BOOLEAN)", "TINYINT(1) true"),
        ("CAST(NULL AS DATE)", "DATE NULL"),
        ("CAST('2024-02-29T10:00' AS TIMESTAMP(0))", "DATETIME 2024-02-29 10:00:00"),
    ]);
}

#[test]
fn mistakes_are_found_before_a_row_is() {
    check(&[
        (
            "nam = 1",
            "0: there is no column `nam`; there are `id`, `name`, `price`, `qty`, `big`, `small`, `d`, `dt`, `ts`, `tm`, `x`, `b`, `zero`",
        ),
        ("1 + UPPER(id) ", "4: + takes numbers, and this is VARCHAR(33): write a CAST"),
        ("name = id", "0: = has nothing to compare in VARCHAR(20), INT: write a CAST"),
        ("d > 'soon'", "4: this is compared with a time, and is none: write `2022-09-22 10:00:00`"),
        ("ABS(1, 2)", "0: ABS takes 1 arguments, and has 2"),
        ("b = 'x'", "0: = has nothing to compare in bytes or geometry, VARCHAR(1): write a CAST"),
        ("CAST(b AS STRING)", "5: bytes or geometry cannot be cast to LONGTEXT"),
        ("CAST(d AS INT)", "5: DATE cannot be cast to INT"),
        (
            "CAST(id AS DECIMAL(70))",
            "11: DECIMAL has 1 to 65 digits, at most 30 of them behind the point",
        ),
        ("DATE_FORMAT(d, '%Y')", "15: the letters are those of Java, for instance `yyyy-MM-dd`"),
        (
            "REGEXP_REPLACE(name, '(?=x)', '')",
            "21: pattern `(?=x)`, at its character 1: look-ahead and look-behind are not supported",
        ),
    ]);
    assert!(result("FOO(1)").starts_with("0: there is no function FOO; there are ABS, CEIL, "));
    for unsteady in ["UUID()", "now()", "LOCALTIMESTAMP", "CURRENT_DATE"] {
        assert!(result(unsteady).contains("gives another value each time"), "{unsteady}");
    }
    check(&[("b IS NULL", "TINYINT(1) false")]);
    check(&[("__schema_name__ || '.' || __table_name__", "VARCHAR(129) shop.items")]);
}
