use proptest::prelude::*;

use super::*;

const U: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";

fn set(text: &str) -> GtidSet {
    text.parse().unwrap()
}

#[test]
fn a_set_prints_as_the_server_prints_it() {
    let text = format!("{U}:1-5:7,{U}:blue:1-3");
    assert_eq!(set(&text).to_string(), text);
    assert_eq!(set(&format!("{U}:1-5:7:blue:1-3")).to_string(), text);
    assert_eq!(set(&format!("{U}:7:1-3:4-5 ,\n")).to_string(), format!("{U}:1-5:7"));
}

#[test]
fn holes_stay_holes() {
    let mut s = set(&format!("{U}:1-5:9"));
    s.insert(&Gtid::new(Uuid::parse_str(U).unwrap(), "", 7));
    assert_eq!(s.to_string(), format!("{U}:1-5:7:9"));
    assert!(!s.contains(&Gtid::new(Uuid::parse_str(U).unwrap(), "", 6)));
}

#[test]
fn a_tag_is_another_source() {
    assert!(!set(&format!("{U}:1-5")).is_superset(&set(&format!("{U}:x:1"))));
}

#[test]
fn nonsense_is_refused_with_its_text() {
    for bad in ["x", U, &format!("{U}:0"), &format!("{U}:1-x"), &format!("{U}:")] {
        assert!(bad.parse::<GtidSet>().is_err(), "{bad}");
    }
    for bad in ["0-1", "0-1-2-3", "a-1-2"] {
        assert!(bad.parse::<MariaGtid>().is_err(), "{bad}");
    }
}

#[test]
fn mariadb_positions_compare_by_domain_and_sequence_whoever_the_server_is() {
    let a: MariaGtids = "0-1-100,2-1-5".parse().unwrap();
    let b: MariaGtids = "0-2-101,2-1-5".parse().unwrap();
    assert!(b.is_superset(&a) && !a.is_superset(&b));
}

fn naive(members: &[u64]) -> (GtidSet, std::collections::BTreeSet<u64>) {
    let mut s = GtidSet::default();
    for &m in members {
        s.insert(&Gtid::new(Uuid::parse_str(U).unwrap(), "", m));
    }
    (s, members.iter().copied().collect())
}

proptest! {
    #[test]
    fn the_algebra_is_that_of_sets(a in prop::collection::vec(1u64..40, 0..30),
                                   b in prop::collection::vec(1u64..40, 0..30)) {
        let ((sa, na), (sb, nb)) = (naive(&a), naive(&b));
        prop_assert_eq!(sa.is_superset(&sb), na.is_superset(&nb));
        let mut union = sa.clone();
        union.union(&sb);
        let both: Vec<u64> = na.union(&nb).copied().collect();
        prop_assert_eq!(&union, &naive(&both).0);
        let rest: Vec<u64> = na.difference(&nb).copied().collect();
        prop_assert_eq!(sa.minus(&sb), naive(&rest).0);
        prop_assert_eq!(union.to_string().parse::<GtidSet>().unwrap(), union);
    }
}
