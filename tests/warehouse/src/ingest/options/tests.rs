use super::*;

fn parse(system: System, headers: &[(&str, &str)]) -> Result<Options, Refusal> {
    Options::parse(system, &headers.iter().copied().collect())
}

#[track_caller]
fn refused(system: System, headers: &[(&str, &str)], words: &str) {
    let refusal = parse(system, headers).expect_err("a refusal");
    assert_eq!(refusal.to_string(), words, "{headers:?}");
}

use System::{Doris, StarRocks};

#[test]
fn what_is_malformed_is_refused_in_the_servers_words() {
    refused(Doris, &[("format", "xml")], "[INTERNAL_ERROR]unknown data format, format=xml");
    refused(StarRocks, &[("format", "orc")], "[INTERNAL_ERROR]unknown data format, format=orc");
    for system in [Doris, StarRocks] {
        let words = "[INVALID_ARGUMENT]Invalid strict mode format. Must be bool type";
        refused(system, &[("strict_mode", "yes")], words);
    }
    let words = "[INVALID_ARGUMENT]enclose must be single-char, actually is ''";
    refused(Doris, &[("enclose", "''")], words);
    let words = "[INVALID_ARGUMENT]Invalid csv load skip_header format";
    refused(StarRocks, &[("skip_header", "x")], words);
    refused(Doris, &[("merge_type", "x")], "[INVALID_ARGUMENT]Invalid merge type x");
    let words = "[INVALID_ARGUMENT]Excepted DELETE ON clause when merge type is MERGE.";
    refused(Doris, &[("merge_type", "merge")], words);
    let words = "[INVALID_ARGUMENT]Not support DELETE ON clause when merge type is not MERGE.";
    refused(Doris, &[("delete", "a=1")], words);
    for (system, name, value, words) in [
        (Doris, "exec_mem_limit", "much", "Invalid mem limit format"),
        (StarRocks, "load_mem_limit", "-1", "load_mem_limit must be equal or greater than 0"),
        (StarRocks, "exec_mem_limit", "0", "exec_mem_limit must be greater than 0"),
        (
            StarRocks,
            "log_rejected_record_num",
            "-2",
            "log_rejected_record_num must be equal or greater than -1",
        ),
        (StarRocks, "load_dop", "many", "Invalid load_dop format"),
    ] {
        refused(system, &[(name, value)], &format!("[INVALID_ARGUMENT]{words}"));
    }
}

#[test]
fn what_the_stand_in_does_not_have_may_be_declined() {
    assert!(parse(Doris, &[("partial_columns", "false"), ("num_as_string", "False")]).is_ok());
    let words = "[NOT_IMPLEMENTED_ERROR]the stand-in does not have the header `partial_update`";
    refused(StarRocks, &[("partial_update", "true")], words);
}

/// Row 32 of StarRocks' checklist.
#[test]
fn two_names_for_the_compression_are_one_too_many() {
    let both = [("compression", "gzip"), ("content-encoding", "gzip")];
    let words = "[INVALID_ARGUMENT]\
                 Only one of http header content-encoding and compression can be set";
    refused(StarRocks, &both, words);
    for (headers, expected) in [
        ([("compression", "lz4_frame")], Compression::Lz4),
        ([("Content-Encoding", "zstd")], Compression::Zstd),
        ([("format", "gzip")], Compression::Gzip),
    ] {
        assert_eq!(parse(StarRocks, &headers).unwrap().compression, Some(expected));
    }
}

#[test]
fn what_the_stand_in_does_not_have_is_refused_and_not_passed_over() {
    let words = "[NOT_IMPLEMENTED_ERROR]the stand-in does not have the header `where`";
    refused(Doris, &[("Where", "a > 1")], words);
    let words =
        "[NOT_IMPLEMENTED_ERROR]the stand-in does not have the header `enable_merge_commit`";
    refused(StarRocks, &[("enable_merge_commit", "true")], words);
    let words = "[NOT_IMPLEMENTED_ERROR]the stand-in does not have the format `parquet`";
    refused(Doris, &[("format", "parquet")], words);
}

/// Row 27 of Doris' checklist.
#[test]
fn json_is_read_by_line_where_nothing_says_otherwise() {
    let lines = Shape::Lines(b"\n".to_vec());
    for (system, headers, shape) in [
        (Doris, &[][..], lines.clone()),
        (Doris, &[("read_json_by_line", "true")], lines),
        (Doris, &[("read_json_by_line", "false")], Shape::Documents),
        (Doris, &[("strip_outer_array", "false")], Shape::Documents),
        (Doris, &[("strip_outer_array", "true")], Shape::Array(Keys::Named)),
        (
            Doris,
            &[("strip_outer_array", "true"), ("fuzzy_parse", "true")],
            Shape::Array(Keys::OfTheFirst),
        ),
        (StarRocks, &[], Shape::Documents),
        (StarRocks, &[("read_json_by_line", "true")], Shape::Documents),
        (StarRocks, &[("strip_outer_array", "true")], Shape::Array(Keys::Named)),
    ] {
        let headers = headers.iter().copied().chain([("format", "JSON")]).collect();
        let options = Options::parse(system, &headers).unwrap();
        assert_eq!(options.format, Format::Json(shape), "{headers:?} in {system:?}");
    }
}

#[test]
fn each_server_has_its_own_name_for_the_line_delimiter() {
    for (system, name, other) in
        [(Doris, "line_delimiter", "row_delimiter"), (StarRocks, "row_delimiter", "line_delimiter")]
    {
        let options = parse(system, &[(name, "\\x02"), (other, "|")]).unwrap();
        let Format::Csv(dialect) = options.format else { panic!("CSV is the default") };
        assert_eq!(dialect.line_delimiter, b"\x02");
    }
}

#[test]
fn separators_are_bytes_in_hexadecimal_or_themselves() {
    for (text, bytes) in [
        ("\\x01", Some(&b"\x01"[..])),
        ("\\x01\\x02", Some(b"\x01\x02")),
        ("\\\\x0D0A", Some(b"\r\n")),
        ("\\t", Some(b"\t")),
        (",", Some(b",")),
        ("|+|", Some(b"|+|")),
        ("x1", Some(b"x1")),
        ("\\x1", None),
        ("", None),
    ] {
        assert_eq!(csv::separator(text).ok().as_deref(), bytes, "{text}");
    }
}

#[test]
fn a_ratio_that_is_no_number_is_zero() {
    for (text, ratio) in [("0.5", 0.5), ("0.5x", 0.5), ("x", 0.0), ("", 0.0), ("1", 1.0)] {
        let options = parse(Doris, &[("max_filter_ratio", text)]).unwrap();
        assert!((options.max_filter_ratio - ratio).abs() < f64::EPSILON, "{text}");
    }
}

#[test]
fn columns_are_taken_apart_outside_brackets_and_quotes() {
    let options = parse(StarRocks, &[("columns", "id, `name`,t=f(id, 'a,b'), __op='delete'")]);
    let columns = options.unwrap().columns.unwrap();
    let parts: Vec<_> =
        columns.iter().map(|part| (part.name.as_str(), part.expression.as_deref())).collect();
    assert_eq!(
        parts,
        [("id", None), ("name", None), ("t", Some("f(id, 'a,b')")), ("__op", Some("'delete'"))]
    );
}
