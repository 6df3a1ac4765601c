use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Map, Value, json};

use super::*;
use crate::value::json::to_text;

/// A document as the server writes it, small containers with offsets of `width` bytes.
fn binary(value: &Value, width: usize) -> Vec<u8> {
    let (kind, mut bytes) = encode(value, width);
    bytes.insert(0, kind);
    bytes
}

fn encode(value: &Value, width: usize) -> (u8, Vec<u8>) {
    let large = u8::from(width == 4);
    match value {
        Value::Null => (kind::LITERAL, vec![0]),
        Value::Bool(true) => (kind::LITERAL, vec![1]),
        Value::Bool(false) => (kind::LITERAL, vec![2]),
        Value::Number(n) => match n.as_i64() {
            Some(n) if i16::try_from(n).is_ok() => (kind::INT16, n.to_le_bytes()[..2].to_vec()),
            Some(n) if i32::try_from(n).is_ok() => (kind::INT32, n.to_le_bytes()[..4].to_vec()),
            Some(n) => (kind::INT64, n.to_le_bytes().to_vec()),
            None => (kind::DOUBLE, n.as_f64().unwrap().to_le_bytes().to_vec()),
        },
        Value::String(text) => {
            let (low, high) = (text.len() % 128, text.len() / 128);
            let byte = |n: usize| u8::try_from(n).unwrap();
            let mut bytes = match high {
                0 => vec![byte(low)],
                _ => vec![byte(low) | 0x80, byte(high)],
            };
            bytes.extend_from_slice(text.as_bytes());
            (kind::STRING, bytes)
        }
        Value::Array(items) => {
            let values: Vec<_> = items.iter().map(|item| encode(item, width)).collect();
            (kind::SMALL_ARRAY + large, container(&[], &values, width))
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(key, _)| order(key.as_bytes()));
            let keys: Vec<_> = members.iter().map(|(key, _)| key.as_bytes()).collect();
            let values: Vec<_> = members.iter().map(|(_, value)| encode(value, width)).collect();
            (kind::SMALL_OBJECT + large, container(&keys, &values, width))
        }
    }
}

fn container(keys: &[&[u8]], values: &[(u8, Vec<u8>)], width: usize) -> Vec<u8> {
    let number = |n: usize| n.to_le_bytes()[..width].to_vec();
    let head = 2 * width + keys.len() * (width + 2) + values.len() * (width + 1);
    let (mut entries, mut data) = (Vec::new(), Vec::new());
    for key in keys {
        entries.extend(number(head + data.len()));
        entries.extend_from_slice(&key.len().to_le_bytes()[..2]);
        data.extend_from_slice(key);
    }
    for (kind, bytes) in values {
        entries.push(*kind);
        if Width(width).inlines(*kind) {
            let mut slot = bytes.clone();
            slot.resize(width, 0xEE);
            entries.extend(slot);
        } else {
            entries.extend(number(head + data.len()));
            data.extend_from_slice(bytes);
        }
    }
    let size = head + data.len();
    [number(values.len()), number(size), entries, data].concat()
}

fn sized_bytes(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![252];
    out.extend_from_slice(&u16::try_from(bytes.len()).unwrap().to_le_bytes());
    out.extend_from_slice(bytes);
    out
}

fn replace(path: &str, value: &Value) -> Vec<u8> {
    [vec![REPLACE], sized_bytes(path.as_bytes()), sized_bytes(&binary(value, 2))].concat()
}

fn insert(path: &str, value: &Value) -> Vec<u8> {
    [vec![INSERT], sized_bytes(path.as_bytes()), sized_bytes(&binary(value, 4))].concat()
}

fn remove(path: &str) -> Vec<u8> {
    [vec![REMOVE], sized_bytes(path.as_bytes())].concat()
}

fn applied(document: &[u8], diffs: &[Vec<u8>]) -> Result<String, Fault> {
    let diffs = diffs.concat();
    let mut out = b"before".to_vec();
    apply(document, &diffs, &mut out)?;
    let document = out.strip_prefix(b"before").unwrap();
    to_text(document)
}

/// The text that `document` becomes, whatever the width of its offsets.
fn check(document: &Value, diffs: &[Vec<u8>], expected: Result<&str, Fault>) {
    for width in [2, 4] {
        let text = applied(&binary(document, width), diffs);
        assert_eq!(text.as_deref(), expected.as_ref().map(|text| *text), "{document} {width}");
    }
}

#[test]
fn differences_are_applied_one_after_the_other() {
    let document = json!({"a": 1, "bb": [10, [20, 70_000], "x"], "": {"k": null}});
    check(&document, &[], Ok(r#"{"": {"k": null}, "a": 1, "bb": [10, [20, 70000], "x"]}"#));
    let replaced = [
        replace("$.a", &json!("one")),
        replace("$.bb[1][last]", &json!({"deep": true})),
        replace("$.bb[1][1].deep", &json!([])),
        replace(r#"$."".k"#, &json!(-1.5)),
    ];
    check(
        &document,
        &replaced,
        Ok(r#"{"": {"k": -1.5}, "a": "one", "bb": [10, [20, {"deep": []}], "x"]}"#),
    );
    let inserted = [
        insert("$.c", &json!(3)),
        insert("$.蔡", &json!("三")),
        insert(r#"$."q\"""#, &json!([1])),
        insert("$.bb[0]", &json!("first")),
        insert("$.bb[99]", &json!("last")),
        insert("$.bb[last]", &json!("before last")),
        insert("$.bb[2][1]", &json!(65_537)),
        insert(r#"$."".a"#, &json!({"b": {}})),
    ];
    check(
        &document,
        &inserted,
        Ok(concat!(
            r#"{"": {"a": {"b": {}}, "k": null}, "a": 1, "c": 3, "#,
            r#""bb": ["first", 10, [20, 65537, 70000], "x", "before last", "last"], "#,
            r#""q\"": [1], "蔡": "三"}"#
        )),
    );
    let removed = [remove("$.a"), remove("$.bb[1][0]"), remove("$.bb[last]"), remove(r#"$."".k"#)];
    check(&document, &removed, Ok(r#"{"": {}, "bb": [10, [70000]]}"#));
}

#[test]
fn a_document_outgrows_offsets_of_two_bytes() {
    let document = json!({"list": ["a"], "tail": [1]});
    let long = "y".repeat(16_000);
    let diffs: Vec<_> = (0..6).map(|_| insert("$.list[0]", &json!(long))).collect();
    let text = applied(&binary(&document, 2), &diffs).unwrap();
    let many = vec![format!("\"{long}\""); 6].join(", ");
    assert_eq!(text, format!("{{\"list\": [{many}, \"a\"], \"tail\": [1]}}"));
}

#[test]
fn differences_that_are_not_of_the_document_are_refused() {
    let document = json!({"a": {"b": 1}, "c": [1]});
    for diff in [
        replace("$.x", &json!(1)),
        replace("$.a.b.c", &json!(1)),
        replace("$.a[0]", &json!(1)),
        replace("$.c[1]", &json!(1)),
        replace("$.c[last-1]", &json!(1)),
        replace("$.c.a", &json!(1)),
        insert("$", &json!(1)),
        insert("$.c.a", &json!(1)),
        insert("$.a[0]", &json!(1)),
        insert("$.a.b[0]", &json!(1)),
        insert("$.x.y", &json!(1)),
        remove("$"),
        remove("$.x"),
        remove("$.c[1]"),
        remove("$.c.a"),
        remove("$.a.b.c"),
    ] {
        check(&document, &[diff], Err(MISSING));
    }
    let twice = insert("$.a.b", &json!(1));
    check(&document, &[twice], Err("a new member that is there already"));
}

#[test]
fn differences_that_cannot_be_read_are_refused() {
    let document = json!({"a": 1});
    let whole = replace("$.a", &json!("text"));
    for len in 1..whole.len() {
        assert!(applied(&binary(&document, 2), &[whole[..len].to_vec()]).is_err(), "{len}");
    }
    let mut unknown = remove("$.a");
    unknown[0] = 3;
    check(&document, &[unknown], Err("a difference of an unknown kind"));
    let long = "k".repeat(65_000);
    check(&document, &[insert("$.a.b[", &json!(1))], Err("a path that cannot be read"));
    check(
        &document,
        &[insert(&format!("$.{long}"), &json!(1)), remove(&format!("$.{long}"))],
        Ok(r#"{"a": 1}"#),
    );
}

#[test]
fn a_document_whose_parts_overlap_is_refused() {
    // An array of two that are one string, and an array whose only element is itself.
    let shared = [0x02, 2, 0, 14, 0, 0x0C, 10, 0, 0x0C, 10, 0, 3, b'a', b'b', b'c'];
    assert_eq!(applied(&shared, &[remove("$[0]")]), Err(TOO_LARGE));
    let itself = [0x02, 1, 0, 7, 0, 0x02, 0, 0];
    assert_eq!(applied(&itself, &[replace("$[0][0][0]", &json!(1))]), Err(TOO_LARGE));
}

#[test]
fn keys_out_of_order_are_refused_where_they_would_be_searched() {
    let mut document = binary(&json!({"a": 1, "b": 2}), 2);
    let a = document.iter().position(|&byte| byte == b'a').unwrap();
    document.swap(a, a + 1);
    assert_eq!(applied(&document, &[remove("$.a")]), Err(UNSORTED));
}

fn documents() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i16>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z\"\\\\\u{1}é]{0,6}".prop_map(Value::from),
    ];
    scalar.prop_recursive(4, 60, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(key(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn key() -> impl Strategy<Value = String> {
    "[ab.\"\\\\\\[é]{0,3}"
}

/// Changes `value` somewhere, and says how.
fn change(value: &mut Value, path: String, dice: &mut impl Iterator<Item = Index>) -> Vec<u8> {
    let mut roll = |sides: usize| dice.next().map_or(0, |index| index.index(sides));
    let new = json!({"n": roll(1000), "list": [roll(1000), "z"]});
    match value {
        Value::Array(items) if items.is_empty() || roll(3) == 0 => {
            let at = roll(items.len() + 1);
            items.insert(at, new.clone());
            insert(&format!("{path}[{at}]"), &new)
        }
        Value::Array(items) => {
            let at = roll(items.len());
            let (what, back) = (roll(3), roll(2) == 0);
            let index =
                if back { format!("last-{}", items.len() - 1 - at) } else { at.to_string() };
            let path = format!("{path}[{index}]");
            if what == 0 {
                items.remove(at);
                return remove(&path);
            }
            below(&mut items[at], path, what, new, dice)
        }
        Value::Object(members) if members.is_empty() || roll(3) == 0 => {
            let key = format!("new {}", roll(1_000_000));
            let path = format!("{path}.{}", json!(key));
            let there = members.insert(key, new.clone()).is_some();
            if there { replace(&path, &new) } else { insert(&path, &new) }
        }
        Value::Object(members) => object(members, path, new, dice),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            unreachable!("only containers are changed")
        }
    }
}

fn object(
    members: &mut Map<String, Value>,
    path: String,
    new: Value,
    dice: &mut impl Iterator<Item = Index>,
) -> Vec<u8> {
    let mut roll = |sides: usize| dice.next().map_or(0, |index| index.index(sides));
    let key = members.keys().nth(roll(members.len())).unwrap().clone();
    let path = format!("{path}.{}", json!(key));
    let what = roll(3);
    if what == 0 {
        members.remove(&key);
        return remove(&path);
    }
    below(&mut members[&key], path, what, new, dice)
}

fn below(
    value: &mut Value,
    path: String,
    what: usize,
    new: Value,
    dice: &mut impl Iterator<Item = Index>,
) -> Vec<u8> {
    if what == 1 || !(value.is_array() || value.is_object()) {
        *value = new;
        return replace(&path, value);
    }
    change(value, path, dice)
}

proptest! {
    #[test]
    fn any_changes_of_any_document_come_out_as_they_were_made(
        inner in documents(),
        wide: bool,
        dice in prop::collection::vec(any::<Index>(), 8..200),
        changes in 1..12usize,
    ) {
        let mut value = json!({"root": inner, "list": [1]});
        let document = binary(&value, if wide { 4 } else { 2 });
        let mut dice = dice.into_iter();
        let diffs: Vec<_> = (0..changes).map(|_| change(&mut value, "$".to_owned(), &mut dice)).collect();
        let text = applied(&document, &diffs).unwrap();
        // The same text as that of the document that was written whole: the same order of keys.
        prop_assert_eq!(text, to_text(&binary(&value, 4)).unwrap());
    }
}
