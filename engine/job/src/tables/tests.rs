use super::*;

fn tables(include: &str) -> TablePatterns {
    TablePatterns::new(None, Some(include), None).unwrap()
}

fn follows(patterns: &TablePatterns, name: &str) -> bool {
    let (db, table) = name.split_once('.').unwrap();
    patterns.matches(&TableName::new(db, table))
}

#[track_caller]
fn check(patterns: &TablePatterns, yes: &[&str], no: &[&str]) {
    for name in yes {
        assert!(follows(patterns, name), "{name} is to be followed");
    }
    for name in no {
        assert!(!follows(patterns, name), "{name} is not to be followed");
    }
}

#[test]
fn a_pattern_matches_the_whole_name_and_nothing_around_it() {
    check(
        &tables(r"emp_1\.employees_[0-9]+"),
        &["emp_1.employees_1", "emp_1.employees_20"],
        &[
            "emp_1.employees_",
            "emp_1.employees_1x",
            "emp_10.employees_1",
            "my_emp_1.employees_1",
            "emp_1x.employees_1",
            "emp_1.my_employees_1",
            "EMP_1.employees_1",
            "emp_1.employees_1\n",
        ],
    );
}

#[test]
fn an_alternative_is_anchored_at_both_ends_too() {
    check(&tables(r"a\.x|b\.y"), &["a.x", "b.y"], &["a.xx", "bb.y", "a.x|b.y"]);
}

#[test]
fn patterns_are_trimmed_and_commas_within_brackets_belong_to_them() {
    check(
        &tables(r" a\.x ,  b\.t_\d{1,2},c\.[p,q] , "),
        &["a.x", "b.t_7", "b.t_77", "c.q"],
        &["b.t_777", "c.r"],
    );
}

#[test]
fn the_database_may_be_a_regex() {
    check(&tables(r"shop_[0-9]+\.orders"), &["shop_1.orders", "shop_22.orders"], &["shop_.orders"]);
}

#[test]
fn javas_shorthand_classes_stay_ascii() {
    check(&tables(r"a\.\w+"), &["a.t_1"], &["a.表"]);
    check(&tables(r"a\.[\d表]+"), &["a.1表"], &["a.٣"]);
    check(&tables(r"a\.\W"), &["a.表"], &["a.t"]);
}

#[test]
fn system_schemas_are_never_followed() {
    let no = ["mysql.user", "information_schema.tables", "performance_schema.x", "sys.y", "SYS.y"];
    check(&tables(r".*\..*"), &["mysql2.user", "a.b"], &no);
    let named = TablePatterns::new(Some("mysql, a"), None, None).unwrap();
    check(&named, &["a.t"], &["mysql.user"]);
}

#[test]
fn databases_are_literal_names_and_restrict_the_patterns() {
    let all = TablePatterns::new(Some(" a.b , c ,"), None, None).unwrap();
    check(&all, &["c.t"], &["aXb.t", "cc.t"]);
    assert!(all.matches(&TableName::new("a.b", "t")));
    let both = TablePatterns::new(Some("a"), Some(r"[ab]\.t"), None).unwrap();
    check(&both, &["a.t"], &["b.t", "a.u"]);
}

#[test]
fn excluded_tables_are_left_out() {
    let some = TablePatterns::new(Some("a"), None, Some(r"a\.tmp_.*, a\.log")).unwrap();
    check(&some, &["a.t", "a.logs"], &["a.tmp_1", "a.log"]);
}

#[test]
fn the_hint_names_databases_only_where_that_is_certain() {
    let hint = |include: &str| tables(include).databases_hint();
    let names = |names: &[&str]| Some(names.iter().map(ToString::to_string).collect::<Vec<_>>());
    assert_eq!(hint(r"emp_1\.employees_[0-9]+"), names(&["emp_1"]));
    assert_eq!(hint(r"b\.x,a\.y,b\.z"), names(&["a", "b"]));
    assert_eq!(hint(r"a\.x|b\.y"), names(&["a", "b"]));
    assert_eq!(hint(r"a\-b\.(x|y)"), names(&["a-b"]));
    for unsure in
        [r"a.x", r"a[0-9]\.x", r"a?\.x", r"a\.?x", r"a\.x|.*", r"(?i)a\.x", r"a\d\.x", r".*"]
    {
        assert_eq!(hint(unsure), None, "{unsure}");
    }
    let databases = TablePatterns::new(Some("a,b"), Some(r".*\.t"), None).unwrap();
    assert_eq!(databases.databases_hint(), names(&["a", "b"]));
}

#[test]
fn what_cannot_be_expressed_is_refused_with_its_place() {
    let check = |include: &str, at: usize, reason: &str| {
        let error = TablePatterns::new(None, Some(include), None).unwrap_err();
        assert!(error.reason.contains(reason), "{include}: {error}");
        assert_eq!(error.at, at, "{include}: {error}");
    };
    check(r"a\.(?!tmp).*", 3, "look-ahead");
    check(r"é\.(?<=x)y", 3, "look-behind");
    check(r"a\.(x)\1", 6, "back-reference");
    check(r"a\.x++", 5, "possessive");
    check(r"a\.(?>x)", 3, "atomic");
    check(r"a\.\Qx\E", 3, r"\Q");
    check(r"a\.x\", 4, "backslash");
    check(r"é\.x[", 4, "unclosed");
    check(r"a\.(x", 3, "unclosed");
    check(r"a\.x)|(b\.y", 4, "unopened");
    check(r"(?x)a\.x #", 0, "unclosed");
    let second = TablePatterns::new(None, Some(r"a\.x, b\.(?=y)"), None).unwrap_err();
    assert_eq!((second.pattern.as_str(), second.start), (r"b\.(?=y)", 6));
}
