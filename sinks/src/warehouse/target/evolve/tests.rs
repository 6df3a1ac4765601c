use super::*;
use crate::warehouse::target::create::CreateOptions;
use crate::warehouse::target::testing::target;

const BEFORE: [&str; 3] = ["id int!", "name varchar(10)", "qty int!"];

fn policy(behavior: &str) -> Policy {
    Policy::parse("sink[0]", Some(behavior), None, None).expect("a policy")
}

struct Case {
    system: System,
    behavior: &'static str,
    before: &'static [&'static str],
    key: usize,
}

const DORIS: Case = Case { system: System::Doris, behavior: "evolve", before: &BEFORE, key: 1 };
const STARROCKS: Case = Case { system: System::StarRocks, ..DORIS };
const LENIENT: Case = Case { behavior: "lenient", ..DORIS };

impl Case {
    fn plan(&self, after: &[&str], renamed: &[(&str, &str)]) -> Result<Plan, Refused> {
        let before = target(self.system, self.before, self.key);
        let after = target(self.system, after, self.key);
        let pair = |(from, to): &(&str, &str)| ((*from).to_owned(), (*to).to_owned());
        let renamed: Vec<_> = renamed.iter().map(pair).collect();
        let change = TableChange::Altered { before: &before, after: &after, renamed: &renamed };
        plan(self.system, change, &policy(self.behavior))
    }

    /// The clauses of the statements, and then what is left.
    #[track_caller]
    fn check(&self, after: &[&str], renamed: &[(&str, &str)], steps: &[&str], left: &[&str]) {
        let plan = self.plan(after, renamed).expect("a plan");
        assert_eq!(clauses(self.system, &plan), steps);
        let told = plan.left.iter().map(|what| what.replace("dw.emp: ", ""));
        assert_eq!(told.collect::<Vec<_>>(), left);
    }

    #[track_caller]
    fn check_refused(&self, after: &[&str], renamed: &[(&str, &str)], reason: &str) {
        let refused = self.plan(after, renamed).expect_err("a refusal");
        assert_eq!(refused.reason, reason);
    }
}

fn clauses(system: System, plan: &Plan) -> Vec<String> {
    let options = CreateOptions::default();
    let statements = plan.alterations.iter().map(|step| step.statement(system, &options, &[]));
    statements.map(|sql| sql.replace("ALTER TABLE `dw`.`emp` ", "")).collect()
}

#[test]
fn a_table_that_did_not_change_is_left_alone_even_where_changes_stop_the_job() {
    for behavior in ["evolve", "try_evolve", "lenient", "ignore", "exception"] {
        Case { behavior, ..DORIS }.check(&BEFORE, &[], &[], &[]);
    }
}

#[test]
fn columns_come_last_and_nullable_wherever_the_source_put_them() {
    let after = ["id int!", "first date", "name varchar(10)", "qty int!", "last bigint!"];
    for case in [&DORIS, &LENIENT, &STARROCKS] {
        let steps = ["ADD COLUMN `first` DATE NULL", "ADD COLUMN `last` BIGINT NULL"];
        case.check(&after, &[], &steps, &[]);
        let table = case.plan(&after, &[]).expect("a plan").table.expect("a table");
        let shape: Vec<_> = table.columns.iter().map(|c| (&*c.name, c.source)).collect();
        let places = [("id", 0), ("name", 2), ("qty", 3), ("first", 1), ("last", 4)];
        assert_eq!(shape, places.map(|(name, at)| (name, Some(at))));
    }
}

#[test]
fn a_dropped_column_goes_or_stays_and_takes_null() {
    let after = ["id int!", "name varchar(10)"];
    DORIS.check(&after, &[], &["DROP COLUMN `qty`"], &[]);
    let left = ["column `qty` stays, though the source dropped it"];
    LENIENT.check(&after, &[], &["MODIFY COLUMN `qty` INT NULL"], &left);
    let after = ["id int!", "qty int!"];
    LENIENT.check(&after, &[], &[], &["column `name` stays, though the source dropped it"]);
}

#[test]
fn a_renamed_column_keeps_its_values_or_stands_beside_a_new_one() {
    let (after, renamed) = (["id int!", "name varchar(10)", "count int!"], [("qty", "count")]);
    DORIS.check(&after, &renamed, &["RENAME COLUMN `qty` `count`"], &[]);
    STARROCKS.check(&after, &renamed, &["RENAME COLUMN `qty` TO `count`"], &[]);
    let steps = ["MODIFY COLUMN `qty` INT NULL", "ADD COLUMN `count` INT NULL"];
    let left = ["column `qty` stays beside `count`, its name in the source"];
    LENIENT.check(&after, &renamed, &steps, &left);
}

#[test]
fn a_column_may_be_renamed_and_retyped_at_once() {
    let after = ["id int!", "name varchar(10)", "count bigint!"];
    let steps = ["RENAME COLUMN `qty` `count`", "MODIFY COLUMN `count` BIGINT NOT NULL"];
    DORIS.check(&after, &[("qty", "count")], &steps, &[]);
}

#[test]
fn a_name_in_other_letters_is_the_same_name() {
    let after = ["ID int!", "Name varchar(10)", "qty int!"];
    let renamed = [("id", "ID"), ("name", "Name")];
    for case in [&DORIS, &LENIENT, &STARROCKS] {
        case.check(&after, &renamed, &[], &[]);
    }
}

#[test]
fn names_that_change_hands_are_refused_whatever_the_policy() {
    let case = Case { before: &["id int!", "a int", "b int"], ..DORIS };
    for behavior in ["evolve", "try_evolve", "lenient", "ignore", "exception"] {
        let case = Case { behavior, ..case };
        case.check_refused(
            &["id int!", "b int", "a int"],
            &[("a", "b"), ("b", "a")],
            "column `a` took the name of another column, `b`",
        );
    }
}

#[test]
fn a_name_is_used_again_only_where_the_system_has_let_go_of_it() {
    let (after, renamed) = (["id int!", "n varchar(10)", "name int", "qty int!"], [("name", "n")]);
    let steps = ["RENAME COLUMN `name` `n`", "ADD COLUMN `name` INT NULL"];
    DORIS.check(&after, &renamed, &steps, &[]);
    STARROCKS.check_refused(
        &after,
        &renamed,
        "column `name` became `n`, and a new column has its name, which StarRocks does not add \
         again",
    );
    LENIENT.check_refused(
        &after,
        &renamed,
        "column `name` became `n`, and a new column has its name, which still has its values",
    );
}

#[test]
fn a_type_widens_where_the_system_can_and_is_never_narrowed() {
    let widened = ["id int!", "name varchar(20)", "qty bigint!"];
    let steps = ["MODIFY COLUMN `name` VARCHAR(80) NULL", "MODIFY COLUMN `qty` BIGINT NOT NULL"];
    for case in [&DORIS, &LENIENT, &STARROCKS] {
        case.check(&widened, &[], &steps, &[]);
    }
    let narrowed = ["id int!", "name varchar(5)", "qty tinyint!"];
    let left = [
        "column `name` stays VARCHAR(40), the source's is VARCHAR(20)",
        "column `qty` stays INT, the source's is TINYINT",
    ];
    DORIS.check(&narrowed, &[], &[], &left);
    let (after, told) = (["id int!", "name varchar(10)", "qty date"], "the source's is DATE");
    let converted = "the system does not convert between the two";
    let reason = format!("column `qty` stays INT, {told}: {converted}");
    DORIS.check_refused(&after, &[], &reason);
    LENIENT.check_refused(&after, &[], &reason);
    Case { behavior: "try_evolve", ..DORIS }.check(
        &after,
        &[],
        &["MODIFY COLUMN `qty` INT NULL"],
        &[&reason],
    );
}

#[test]
fn a_column_that_may_be_null_now_takes_null() {
    let after = ["id int!", "name varchar(10)", "qty int"];
    for case in [&DORIS, &LENIENT, &STARROCKS] {
        case.check(&after, &[], &["MODIFY COLUMN `qty` INT NULL"], &[]);
    }
    DORIS.check(&["id int!", "name varchar(10)!", "qty int!"], &[], &[], &[]);
}

#[test]
fn another_key_is_refused_whatever_the_policy() {
    for behavior in ["evolve", "try_evolve", "lenient", "ignore", "exception"] {
        let case = Case { behavior, ..DORIS };
        case.check_refused(
            &["no int!", "name varchar(10)", "qty int!"],
            &[("id", "no")],
            "its key was (id) and is (no), and no system changes a key",
        );
    }
    DORIS.check_refused(
        &["id bigint!", "name varchar(10)", "qty int!"],
        &[],
        "column `id` stays INT, the source's is BIGINT: no system changes a key",
    );
    DORIS.check(
        &["id tinyint!", "name varchar(10)", "qty int!"],
        &[],
        &[],
        &["column `id` stays INT, the source's is TINYINT"],
    );
}

#[test]
fn a_key_that_came_or_went_is_refused() {
    let (with, without) = (target(System::Doris, &BEFORE, 1), target(System::Doris, &BEFORE, 0));
    let refused = |before: &TargetTable, after: &TargetTable| {
        let change = TableChange::Altered { before, after, renamed: &[] };
        plan(System::Doris, change, &policy("lenient")).expect_err("a refusal").to_string()
    };
    assert_eq!(
        refused(&with, &without),
        "dw.emp: the source has no key any more, and the target finds rows by it; drop the \
         target's table and read the source's again (`run --resnapshot`)"
    );
    assert!(refused(&without, &with).contains("has kept every version of a row"));
}

#[test]
fn what_a_table_without_a_key_is_sorted_by_is_not_dropped() {
    let case = Case { before: &["name varchar(10)", "qty int"], key: 0, ..DORIS };
    let told = "column `name` is not dropped: the table is sorted by it";
    case.check_refused(&["qty int"], &[], told);
    Case { behavior: "try_evolve", ..case }.check(&["qty int"], &[], &[], &[told]);
    let left = "column `name` stays, though the source dropped it";
    Case { behavior: "lenient", ..case }.check(&["qty int"], &[], &[], &[left]);
}

#[test]
fn a_rename_that_the_system_cannot_make_drops_nothing() {
    let case = Case { before: &["name varchar(10)", "qty int"], key: 0, ..DORIS };
    let (after, renamed) = (["n varchar(10)", "qty int"], [("name", "n")]);
    let told = "column `name` is not renamed to `n`: the table is sorted by it";
    case.check_refused(&after, &renamed, told);
    Case { behavior: "try_evolve", ..case }.check(&after, &renamed, &[], &[told]);
}

#[test]
fn a_job_that_ignores_changes_says_what_it_does_not_load() {
    let case = Case { behavior: "ignore", before: &["id int!", "a int", "b int"], ..DORIS };
    let left = [
        "column `a` is not renamed, `c` is not loaded",
        "column `b` stays, though the source dropped it",
        "column `d` is not added, and not loaded",
    ];
    case.check(&["id int!", "c int", "d int"], &[("a", "c")], &[], &left);
    let left = "column `a` stays INT, the source's is BIGINT";
    case.check(&["id int!", "a bigint", "b int"], &[], &[], &[left]);
}

#[test]
fn a_column_that_must_have_a_value_cannot_be_left_without_one() {
    let case = Case { behavior: "ignore", ..DORIS };
    let reason = "column `qty` is NOT NULL, and the source has no value for it";
    case.check_refused(&["id int!", "name varchar(10)"], &[], reason);
    let reason = "column `qty` is NOT NULL, and may be NULL in the source";
    case.check_refused(&["id int!", "name varchar(10)", "qty int"], &[], reason);
}

#[test]
fn every_change_stops_a_job_that_says_so() {
    let case = Case { behavior: "exception", ..DORIS };
    let all = ["id int!", "name varchar(10)", "qty int!"];
    let more = [&all[..], &["more int"]].concat();
    case.check_refused(&more, &[], "add.column of column `more` in the source stops the job");
    case.check_refused(&all[..2], &[], "drop.column of column `qty` in the source stops the job");
    let renamed = ["id int!", "name varchar(10)", "n int!"];
    let reason = "rename.column of column `qty` in the source stops the job";
    case.check_refused(&renamed, &[("qty", "n")], reason);
    let wider = ["id int!", "name varchar(10)", "qty bigint!"];
    let reason = "alter.column.type of column `qty` in the source stops the job";
    case.check_refused(&wider, &[], reason);
}

#[test]
fn only_a_job_that_tries_goes_on_when_a_step_fails() {
    for (behavior, on_failure) in
        [("try_evolve", OnFailure::GoOn), ("evolve", OnFailure::Stop), ("lenient", OnFailure::Stop)]
    {
        let more = [&BEFORE[..], &["more int"]].concat();
        let plan = Case { behavior, ..DORIS }.plan(&more, &[]).expect("a plan");
        assert_eq!(plan.alterations[0].on_failure, on_failure, "{behavior}");
    }
}

#[test]
fn a_column_that_stayed_is_fed_again_when_it_comes_back() {
    let lenient = policy("lenient");
    let before = target(System::Doris, &["id int!", "a int"], 1);
    let without = target(System::Doris, &["id int!"], 1);
    let change = TableChange::Altered { before: &before, after: &without, renamed: &[] };
    let kept = plan(System::Doris, change, &lenient).expect("a plan").table.expect("a table");
    assert_eq!(kept.find("a").expect("kept").source, None);
    let again = TableChange::Altered { before: &kept, after: &before, renamed: &[] };
    let plan = plan(System::Doris, again, &lenient).expect("a plan");
    assert_eq!((plan.alterations, plan.left, plan.table), (vec![], vec![], Some(before)));
}

#[test]
fn tables_are_made_and_removed_as_the_policy_says() {
    let emp = target(System::Doris, &BEFORE, 1);
    for (behavior, created, dropped, truncated) in [
        ("evolve", true, true, true),
        ("try_evolve", true, true, true),
        ("lenient", true, false, false),
        ("ignore", true, false, false),
    ] {
        let check = |change, done: bool, remains: bool| {
            let plan = plan(System::Doris, change, &policy(behavior)).expect("a plan");
            assert_eq!(plan.alterations.len(), usize::from(done), "{behavior} {change:?}");
            assert_eq!(plan.left.len(), usize::from(!done), "{behavior} {change:?}");
            assert_eq!(plan.table.is_some(), remains, "{behavior} {change:?}");
        };
        check(TableChange::Created(&emp), created, created);
        check(TableChange::Dropped(&emp), dropped, !dropped);
        check(TableChange::Truncated(&emp), truncated, true);
    }
    let refused = plan(System::Doris, TableChange::Truncated(&emp), &policy("exception"));
    assert_eq!(
        refused.expect_err("a refusal").to_string(),
        "dw.emp: truncate.table of the table in the source stops the job; make the change in the \
         target by hand, or choose another `schema.change.behavior`"
    );
}
