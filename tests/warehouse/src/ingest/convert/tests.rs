use super::*;

#[track_caller]
fn check(system: System, ty: Type, text: &str, expected: Result<Value, Misfit>) {
    let value = convert(ty, text, system, Zone::DEFAULT);
    assert_eq!(value, expected, "{text} as {ty} in {system:?}");
}

fn both(ty: Type, text: &str, expected: &Result<Value, Misfit>) {
    check(System::Doris, ty, text, expected.clone());
    check(System::StarRocks, ty, text, expected.clone());
}

fn text(text: &str) -> Result<Value, Misfit> {
    Ok(Value::Text(text.to_owned()))
}

const BAD: Result<Value, Misfit> = Err(Misfit::Unparsable);

#[test]
fn integers_hold_what_their_width_holds() {
    for (ty, input, value) in [
        (Type::TinyInt, "-128", Some(-128)),
        (Type::TinyInt, "300", None),
        (Type::SmallInt, "32767", Some(32_767)),
        (Type::Int, "2147483648", None),
        (Type::BigInt, "-9223372036854775808", Some(i64::MIN.into())),
        (Type::LargeInt, "170141183460469231731687303715884105727", Some(i128::MAX)),
        (Type::LargeInt, "170141183460469231731687303715884105728", None),
        (Type::Int, "abc", None),
        (Type::Int, "", None),
        (Type::Boolean, "true", Some(1)),
        (Type::Boolean, "0", Some(0)),
        (Type::Boolean, "2", None),
    ] {
        both(ty, input, &value.map(Value::Int).ok_or(Misfit::Unparsable));
    }
}

#[test]
fn decimals_are_exact_rounded_to_the_scale_and_bounded_before_the_point() {
    let longest = Type::Decimal { precision: 38, scale: 10 };
    let short = Type::Decimal { precision: 5, scale: 2 };
    let digits = "1234567890123456789012345678.0123456789";
    for (ty, input, expected) in [
        (longest, digits, text(digits)),
        (short, "1.5", text("1.50")),
        (short, "-0.005", text("-0.01")),
        (short, "-0.004", text("0.00")),
        (short, "0.05", text("0.05")),
        (short, "999.99", text("999.99")),
        (short, "999.995", Err(Misfit::DecimalRange)),
        (short, "1000", Err(Misfit::DecimalRange)),
        (short, "0001.2", text("1.20")),
        (short, "1.2e2", text("120.00")),
        (short, "5e-3", text("0.01")),
        (short, "5e-9", text("0.00")),
        (short, "1e999999", Err(Misfit::DecimalRange)),
        (short, "0e999999", text("0.00")),
        (short, ".", BAD),
        (short, "1,5", BAD),
        (Type::Decimal { precision: 3, scale: 0 }, "99.5", text("100")),
    ] {
        both(ty, input, &expected);
    }
}

/// Row 24 of Doris' checklist.
#[test]
fn lengths_are_bytes() {
    both(Type::Varchar(8), "😀😀", &text("😀😀"));
    both(Type::Varchar(7), "😀😀", &Err(Misfit::TooLong { limit: 7 }));
    let long = "x".repeat(65_534);
    check(System::Doris, Type::String, &long, text(&long));
    check(System::StarRocks, Type::String, &long, Err(Misfit::TooLong { limit: 65_533 }));
}

#[test]
fn times_are_rounded_in_doris_and_cut_in_starrocks() {
    let at = Type::DateTime(3);
    check(System::Doris, at, "2024-12-31 23:59:59.9995", text("2025-01-01 00:00:00.000"));
    check(System::StarRocks, at, "2024-12-31 23:59:59.9995", text("2024-12-31 23:59:59.999"));
    check(System::Doris, Type::DateTime(0), "2024-01-01T10:00:00.4", text("2024-01-01 10:00:00"));
    check(System::Doris, Type::DateTime(6), "2024-01-01", text("2024-01-01 00:00:00.000000"));
    check(System::Doris, Type::DateTime(0), "9999-12-31 23:59:59.9", BAD);
}

#[test]
fn an_offset_is_converted_to_the_zone_of_the_load() {
    let at = Type::DateTime(0);
    check(System::Doris, at, "2024-01-01 00:00:00Z", text("2024-01-01 08:00:00"));
    check(System::Doris, at, "2024-01-01 00:00:00+02:00", text("2024-01-01 06:00:00"));
    let utc = Zone::parse("+00:00").unwrap();
    let value = convert(at, "2024-01-01 00:00:00+02:00", System::Doris, utc);
    assert_eq!(value, text("2023-12-31 22:00:00"));
    let paris = Zone::parse("Europe/Paris").unwrap();
    let value = convert(at, "2024-07-01 00:00:00Z", System::Doris, paris);
    assert_eq!(value, text("2024-07-01 02:00:00"));
    assert_eq!(Zone::parse("Mars"), None);
}

#[test]
fn days_that_are_none_are_refused() {
    for input in ["0000-00-00", "2024-02-30", "2024-13-01", "20240101x", "x", ""] {
        both(Type::Date, input, &BAD);
    }
    both(Type::Date, "0000-01-01", &text("0000-01-01"));
    both(Type::Date, "2024-01-01 12:00:00", &text("2024-01-01"));
    check(System::Doris, Type::Date, "24-01-01", text("2024-01-01"));
    check(System::StarRocks, Type::Date, "24-01-01", BAD);
}

#[test]
fn json_must_parse_and_loses_its_spaces() {
    both(Type::Json, r#"{"b": [1, 2]}"#, &text(r#"{"b":[1,2]}"#));
    both(Type::Json, "{b}", &BAD);
}
