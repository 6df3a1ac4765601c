use proptest::prelude::*;

use super::*;

fn table(name: &str) -> TableName {
    let (db, table) = name.split_once('.').unwrap();
    TableName::new(db, table)
}

#[track_caller]
fn check(routes: &Routes, pairs: &[(&str, &str)]) {
    for (source, target) in pairs {
        assert_eq!(routes.target(&table(source)).to_string(), *target, "{source}");
        assert_eq!(routes.targets(&table(source)), [table(target)], "{source}");
        assert_eq!(routes.check(&table(source)), Ok(()), "{source}");
    }
}

fn named(naming: Naming) -> Routes {
    Routes { naming, ..Routes::default() }
}

fn replaced(pattern: &str, with: &str) -> Naming {
    let pattern = Regex::new(pattern).unwrap();
    let with = Template::of_groups(with, &pattern).unwrap();
    Naming { replace: Some((pattern, with)), ..Naming::default() }
}

fn route(pattern: &str, target: &str) -> Route {
    let source = Regex::new(&format!(r"\A(?:{pattern})\z")).unwrap();
    let target = Template::of_groups(target, &source).unwrap();
    Route { source, target }
}

fn shards(way: MatchWay) -> Routes {
    let number = Regex::new("_[0-9]+").unwrap();
    Routes { shards: Some(Shards { number, max: 100, way }), ..Routes::default() }
}

#[test]
fn without_rules_every_table_keeps_its_name() {
    check(&Routes::default(), &[("shop.orders", "shop.orders")]);
    assert!(Routes::default().is_identity());
    assert!(!named(Naming { prefix: "x".to_owned(), ..Naming::default() }).is_identity());
    assert!(!shards(MatchWay::Suffix).is_identity());
}

#[test]
fn the_rules_of_naming_apply_in_dinkys_order() {
    let mapping = BTreeMap::from([("t_a".to_owned(), "m_a".to_owned())]);
    let naming = Naming {
        mapping,
        prefix: "ods_".to_owned(),
        suffix: "_df".to_owned(),
        case: Case::Upper,
        db_in_front: true,
        db: Some(Template::of_placeholders("dw")),
        ..replaced("ODS_(M)", "x$1")
    };
    // Mapped, then put between prefix and suffix, then in capitals, then replaced; the database's
    // name comes last and stays as it is.
    check(&named(naming), &[("shop.t_a", "dw.shop_xM_A_DF"), ("shop.t_b", "dw.shop_ODS_T_B_DF")]);
}

#[test]
fn names_replace_as_in_dinkys_own_tests() {
    check(&named(replaced("t_(.*?)_", "ods_$1_")), &[("s.t_example_test", "s.ods_example_test")]);
    let mapping = BTreeMap::from([("t_biz_ss".to_owned(), "m_biz_ss".to_owned())]);
    let both = Naming { mapping, ..replaced("^t_(.*?)", "ods_$1") };
    check(
        &named(both),
        &[
            ("s.t_biz_ss", "s.m_biz_ss"),
            ("s.t_biz_bb", "s.ods_biz_bb"),
            ("s.t_product_spu", "s.ods_product_spu"),
        ],
    );
}

#[test]
fn the_database_may_be_made_of_the_sources_names() {
    let db = |text: &str| {
        named(Naming { db: Some(Template::of_placeholders(text)), ..Naming::default() })
    };
    check(&db("ods_#{schemaName}"), &[("shop.t", "ods_shop.t")]);
    check(&db("${schemaName}_x"), &[("shop.t", "shop_x.t")]);
    check(&db("#{schemaName}_#{tableName}"), &[("shop.t", "shop_t.t")]);
}

#[test]
fn the_last_word_speaks_of_the_names_that_the_rules_gave() {
    let naming = Naming {
        prefix: "ods_".to_owned(),
        db: Some(Template::of_placeholders("dw")),
        last_db: Some(Template::of_placeholders("#{schemaName}_x")),
        last_table: Some(Template::of_placeholders("#{tableName}_y")),
        ..Naming::default()
    };
    check(&named(naming), &[("shop.t", "dw_x.ods_t_y")]);
}

#[test]
fn shards_of_databases_and_of_tables_are_one_table() {
    check(
        &shards(MatchWay::Suffix),
        &[
            ("db_1.t_1", "db.t"),
            ("db_2.t_7", "db.t"),
            ("db_1.t_1_2", "db.t_1"),
            ("db.t_100", "db.t"),
            ("db.t_101", "db.t_101"),
            ("db.t_99999999999999999999", "db.t_99999999999999999999"),
            ("db.t", "db.t"),
            ("db._1", "db._1"),
        ],
    );
    check(&shards(MatchWay::Prefix), &[("db.t_1_x_2", "db.t"), ("db.a_1_b_1", "db.a_1_b")]);
}

#[test]
fn shards_are_merged_before_they_are_named() {
    let naming = Naming {
        mapping: BTreeMap::from([("t".to_owned(), "orders".to_owned())]),
        db_in_front: true,
        ..Naming::default()
    };
    let routes = Routes { naming, ..shards(MatchWay::Suffix) };
    check(&routes, &[("shop_1.t_1", "shop.shop_orders"), ("shop_2.t_9", "shop.shop_orders")]);
}

#[test]
fn tables_that_end_in_one_are_told_with_all_their_sources() {
    let sources = ["a_2.t_1", "a_1.t_1", "a_1.u", "b.t_200"].map(table);
    let merges = shards(MatchWay::Suffix).merges(&sources);
    let [merge] = merges.as_slice() else { panic!("{merges:?}") };
    assert_eq!(merge.target, table("a.t"));
    assert_eq!(merge.sources, [table("a_2.t_1"), table("a_1.t_1")]);
    assert_eq!(Routes::default().merges(&sources), []);
}

#[test]
fn a_route_takes_whole_names_and_puts_groups_in() {
    let list = vec![route(r"shop\.(orders)_[0-9]+", "ods.$1"), route(r"shop\.u.*", "ods.all_u")];
    let routes = Routes { list, ..Routes::default() };
    check(
        &routes,
        &[
            ("shop.orders_1", "ods.orders"),
            ("shop.orders_1x", "shop.orders_1x"),
            ("my_shop.orders_1", "my_shop.orders_1"),
            ("shop.users", "ods.all_u"),
        ],
    );
}

#[test]
fn a_symbol_stands_for_the_tables_name_and_groups_mean_nothing_beside_it() {
    let source = Regex::new(r"\Ashop\..*\z").unwrap();
    let target = Template::of_symbol("ods.<>_$1_<>", "<>");
    let routes = Routes { list: vec![Route { source, target }], ..Routes::default() };
    check(&routes, &[("shop.t", "ods.t_$1_t")]);
}

#[test]
fn several_matching_routes_are_several_targets_or_the_first() {
    let list = vec![route(r"a\..*", "x.t"), route(r"a\.t", "y.t"), route(r".*\.t", "x.t")];
    let mut routes = Routes { list, ..Routes::default() };
    assert_eq!(routes.targets(&table("a.t")), [table("x.t"), table("y.t")]);
    let refused = routes.check(&table("a.t")).unwrap_err().to_string();
    assert!(refused.contains("a.t has several targets (x.t, y.t)"), "{refused}");
    assert!(refused.contains("FIRST_MATCH"), "{refused}");
    routes.mode = RouteMode::FirstMatch;
    check(&routes, &[("a.t", "x.t"), ("b.t", "x.t"), ("b.u", "b.u")]);
}

#[test]
fn a_table_that_is_left_without_a_name_is_refused() {
    let refused = named(replaced(".*", "")).check(&table("a.t")).unwrap_err();
    assert!(matches!(refused, RouteError::Nameless { .. }), "{refused}");
}

proptest! {
    #[test]
    fn one_target_is_always_among_all_of_them_and_merges_miss_no_table(
        names in prop::collection::vec("[ab]{1,2}(_[0-9]{1,3})?", 2..8),
        patterns in prop::collection::vec(("[ab]|.{1,3}", "[xy]\\.[tu]"), 0..3),
        first in any::<bool>(),
        merged in any::<bool>(),
    ) {
        let anywhere = |pattern: &str| format!(".*{}.*", regex::escape(pattern));
        let list = patterns.iter().map(|(pattern, target)| route(&anywhere(pattern), target));
        let mut routes = if merged { shards(MatchWay::Suffix) } else { Routes::default() };
        routes.list = list.collect();
        routes.mode = if first { RouteMode::FirstMatch } else { RouteMode::AllMatch };
        let named = |pair: &[String]| TableName::new(&*pair[0], &*pair[1]);
        let mut sources: Vec<_> = names.chunks_exact(2).map(named).collect();
        sources.sort();
        sources.dedup();
        let merges = routes.merges(&sources);
        for source in &sources {
            let targets = routes.targets(source);
            prop_assert_eq!(targets.first(), Some(&routes.target(source)));
            prop_assert_eq!(routes.check(source).is_ok(), targets.len() == 1);
            for other in sources.iter().filter(|other| *other != source) {
                let both = |merge: &&Merge| {
                    merge.sources.contains(source) && merge.sources.contains(other)
                };
                for shared in routes.targets(other).iter().filter(|t| targets.contains(t)) {
                    let told = merges.iter().filter(both).any(|merge| merge.target == *shared);
                    prop_assert!(told, "{} and {} in {:?}", source, other, merges);
                }
            }
        }
    }
}

#[test]
fn replacements_follow_java() {
    let replace = |pattern: &str, with: &str| {
        named(replaced(pattern, with)).target(&table("s.ab1")).table.to_string()
    };
    assert_eq!(replace("(a)(b)", "$2$1"), "ba1");
    assert_eq!(replace("(a)", "$1_x"), "a_xb1");
    assert_eq!(replace("(a)", "$10"), "a0b1");
    assert_eq!(replace("(?P<first>a)", "${first}${first}"), "aab1");
    assert_eq!(replace("a", r"\$\\"), r"$\b1");
    assert_eq!(replace("[ab]", "$0$0"), "aabb1");
    let pattern = Regex::new("(a)").unwrap();
    let refused = |with: &str| Template::of_groups(with, &pattern).unwrap_err().to_string();
    assert_eq!(refused("$2"), "the pattern has no group 2, only 1");
    assert_eq!(refused("${x}"), "the pattern has no group `x`, only 1");
    assert!(refused("a$").contains(r"write `\$`"));
    assert!(refused("a$b").contains(r"write `\$`"));
    assert!(refused("a\\").contains("backslash"));
}
