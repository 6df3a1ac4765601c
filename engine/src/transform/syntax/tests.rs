use proptest::prelude::*;

use super::*;

/// An expression with every operation in brackets.
fn shown(expr: &Expr) -> String {
    let all = |list: &[Expr]| list.iter().map(shown).collect::<Vec<_>>().join(" ");
    match &expr.kind {
        Kind::Name(name) => name.clone(),
        Kind::Null => "NULL".to_owned(),
        Kind::Bool(truth) => truth.to_string(),
        Kind::Number(number) => number.clone(),
        Kind::Text(text) => format!("'{text}'"),
        Kind::Call(name, arguments) => format!("({name} {})", all(arguments)),
        Kind::Case { operand, whens, otherwise } => {
            let operand = operand.as_deref().map(shown).unwrap_or_default();
            let whens: Vec<_> = whens
                .iter()
                .map(|(when, then)| format!("{}:{}", shown(when), shown(then)))
                .collect();
            let otherwise = otherwise.as_deref().map(shown).unwrap_or_default();
            format!("(CASE {operand} {} {otherwise})", whens.join(" "))
        }
        Kind::Cast(inner, ty) => format!("(CAST {} {}{:?})", shown(inner), ty.name, ty.numbers),
    }
}

#[track_caller]
fn check(text: &str, expected: &str) {
    let found = filter(text).map(|expr| shown(&expr)).unwrap_or_else(|wrong| format!("{wrong:?}"));
    assert_eq!(found, expected, "{text}");
}

#[track_caller]
fn refused(text: &str, at: usize, expected: &str) {
    let wrong = filter(text).map(|expr| shown(&expr)).unwrap_err();
    assert_eq!(wrong, Wrong::new(at, expected), "{text}");
}

#[test]
fn operators_bind_as_in_sql() {
    check("a + b * c - d", "(- (+ a (* b c)) d)");
    check("NOT a = 1 AND b OR c", "(OR (AND (NOT (= a 1)) b) c)");
    check("a BETWEEN 1 AND 2 AND b NOT IN (1, 'x')", "(AND (BETWEEN a 1 2) (NOT (IN b 1 'x')))");
    check("a IS NOT NULL AND b IS TRUE", "(AND (NOT (IS NULL a)) (IS TRUE b))");
    check("a NOT LIKE 'x%' ESCAPE '!'", "(NOT (LIKE a 'x%' '!'))");
    check("- -9223372036854775808 != -a", "(<> (NEGATE -9223372036854775808) (NEGATE a))");
    check("a || '-' || b = 'x'", "(= (|| (|| a '-') b) 'x')");
}

#[test]
fn functions_types_and_cases_have_their_sql_forms() {
    check("case when a then 1 else 2 end", "(CASE  a:1 2)");
    check("CASE a WHEN 1 THEN 'x' END", "(CASE a 1:'x' )");
    check("cast(a AS decimal(10, 2))", "(CAST a DECIMAL[10, 2])");
    check("TRIM(LEADING '0' FROM a)", "(LTRIM a '0')");
    check("trim(a)", "(TRIM a)");
    check("SUBSTRING(a FROM 2 FOR 3)", "(SUBSTR a 2 3)");
    check("substring(a, 2)", "(SUBSTR a 2)");
    check("DATE '2024-01-01' < d", "(< (CAST '2024-01-01' DATE[6]) d)");
    check(r"REGEXP_REPLACE(`order`, '\d+', '')", r"(REGEXP_REPLACE order '\d+' '')");
}

#[test]
fn a_projection_names_columns_and_stars() {
    let all = projection(r"\*, a + 1 AS `b c`, upper(d) d, e").unwrap();
    let names: Vec<_> = all
        .iter()
        .map(|one| match one {
            Projected::All => "*".to_owned(),
            Projected::One { expr, name } => {
                format!("{}={}", name.as_deref().unwrap_or("?"), shown(expr))
            }
        })
        .collect();
    assert_eq!(names, ["*", "b c=(+ a 1)", "d=(UPPER d)", "?=e"]);
    assert_eq!(projection("a, b c d").unwrap_err().at, 7);
}

#[test]
fn a_slip_is_told_with_its_place() {
    refused("a = ", 3, "expected an expression, found the end");
    refused("a = = 1", 4, "expected an expression, found `=`");
    refused("a IS b", 5, "expected `NULL`, `TRUE`, `FALSE` or `UNKNOWN`, found `b`");
    refused("(a", 2, "expected `)`, found the end");
    refused("a b", 2, "expected an operator or the end, found `b`");
    refused("t.a = 1", 0, "`t.…`: columns are named alone, for a transform reads one table");
    let deep = format!("{}a{}", "(".repeat(300), ")".repeat(300));
    assert!(filter(&deep).unwrap_err().message.starts_with("more than 200 operations"));
    let long = format!("a{}", " + a".repeat(300));
    assert!(filter(&long).unwrap_err().message.starts_with("more than 200 operations"));
}

proptest! {
    #[test]
    fn any_text_gives_a_tree_or_an_error_and_no_panic(text in r"[a-cANDORNTIS0-9 '`(),*+<=>|\\.-]{0,60}") {
        let _ = projection(&text);
        if let Err(wrong) = filter(&text) {
            prop_assert!(wrong.at <= text.chars().count());
        }
    }
}
