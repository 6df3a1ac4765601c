use super::*;

fn double(value: f64) -> String {
    ServerDouble(value).to_string()
}

#[test]
fn doubles_print_as_the_server_prints_them() {
    // `SELECT CAST(x AS JSON)` of MySQL 9.7.
    for (value, expect) in [
        (0.0, "0.0"),
        (1.0, "1.0"),
        (-1.5, "-1.5"),
        (1e14, "100000000000000.0"),
        (1e15, "1e15"),
        (1e16, "1e16"),
        (123_456_789_012_345.0, "123456789012345.0"),
        (1_234_567_890_123_456.7, "1234567890123456.8"),
        (0.001, "0.001"),
        (1e-14, "0.00000000000001"),
        (1e-15, "0.000000000000001"),
        (1e-16, "1e-16"),
        (1.5e300, "1.5e300"),
        (2.5e-300, "2.5e-300"),
        // Exactly between two texts of 16 digits.
        (2_222_702_350_095_008.0 + 0.25, "2222702350095008.2"),
        (186_755_506_459_908.0 + 0.125, "186755506459908.12"),
    ] {
        assert_eq!(double(value), expect);
    }
}

#[test]
fn an_empty_document_is_null() {
    assert_eq!(to_text(&[]).unwrap(), "null");
}

#[test]
fn a_document_prints_with_its_keys_in_order_and_its_values_in_place() {
    // {"a": 1, "b": [2.0, "x"]}: keys at 18 and 19; 1 stands inline, the array at 20.
    let array = [2, 0, 0x15, 0, 0x0B, 10, 0, 0x0C, 18, 0];
    let mut bytes = vec![0x00, 2, 0, 0x29, 0, 18, 0, 1, 0, 19, 0, 1, 0, 5, 1, 0, 0x02, 20, 0];
    bytes.extend_from_slice(b"ab");
    bytes.extend_from_slice(&array);
    bytes.extend_from_slice(&2.0f64.to_le_bytes());
    bytes.extend_from_slice(&[1, b'x']);
    bytes[3] = u8::try_from(bytes.len() - 1).unwrap();
    bytes[23] = 20;
    assert_eq!(to_text(&bytes).unwrap(), r#"{"a": 1, "b": [2.0, "x"]}"#);
}

#[test]
fn strings_are_escaped_as_the_server_escapes_them() {
    let mut bytes = vec![0x0C, 11];
    bytes.extend_from_slice(b"\"\\/\n\t\x01\x7f\xe8\x94\xa1a");
    assert_eq!(to_text(&bytes).unwrap(), "\"\\\"\\\\/\\n\\t\\u0001\u{7f}蔡a\"");
}

#[test]
fn a_small_document_that_points_at_itself_many_times_is_refused() {
    // Each level is an array of two entries that both are the next level: 2^100 values in 700
    // bytes.
    let mut bytes = vec![0x02];
    for _ in 0..60 {
        let rest = 10u16;
        bytes.extend_from_slice(&[2, 0, 0, 0xFF, 0x02]);
        bytes.extend_from_slice(&rest.to_le_bytes());
        bytes.push(0x02);
        bytes.extend_from_slice(&rest.to_le_bytes());
    }
    bytes.resize(0xFF00 + 2000, 0);
    let nested = to_text(&bytes);
    assert!(nested.is_err(), "{nested:?}");
}

#[test]
fn nesting_past_the_servers_limit_is_refused() {
    // An array whose only entry is at offset 0: itself.
    let bytes = [0x02, 1, 0, 7, 0, 0x02, 0, 0];
    assert_eq!(to_text(&bytes), Err("binary JSON nested deeper than a server allows"));
}

#[test]
fn opaque_values_print_as_the_server_prints_them() {
    let opaque = |kind: u8, data: &[u8]| {
        let mut bytes = vec![0x0F, kind, u8::try_from(data.len()).unwrap()];
        bytes.extend_from_slice(data);
        to_text(&bytes).unwrap()
    };
    assert_eq!(opaque(246, &[14, 4, 0x81, 0x0D, 0xFB, 0x38, 0xD2, 0x04, 0xD2]), "1234567890.1234");
    let packed = |y: u64, mo: u64, d: u64, h: u64, mi: u64, s: u64, us: u64| {
        ((((y * 13 + mo) << 5 | d) << 17 | h << 12 | mi << 6 | s) << 24 | us).to_le_bytes()
    };
    let at = packed(2015, 1, 15, 23, 24, 25, 120_000);
    assert_eq!(opaque(12, &at), "\"2015-01-15 23:24:25.120000\"");
    assert_eq!(opaque(10, &packed(2015, 1, 15, 0, 0, 0, 0)), "\"2015-01-15\"");
    let time: i64 = -((1 << 12 | 2 << 6 | 3) << 24 | 500_000);
    assert_eq!(opaque(11, &time.to_le_bytes()), "\"-01:02:03.500000\"");
    assert_eq!(opaque(252, b"abcd"), "\"base64:type252:YWJjZA==\"");
}
