//! The statements that make up transactions, told from those that mean something.

/// What a query event's statement is to the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Statement {
    Begin,
    Commit,
    Rollback,
    RollbackTo,
    /// `SAVEPOINT` and `RELEASE SAVEPOINT`: no rows hang on them.
    Savepoint,
    XaStart,
    XaEnd,
    /// `XA COMMIT` and `XA ROLLBACK` of what was prepared before.
    XaVerdict,
    /// A server's stand-in for an event that it thinks we cannot read.
    Dummy,
    Other,
}

/// Tells what the server wrote (MySQL source, `Query_log_event::starts_group` and `ends_group`).
/// The server spells these itself, so nothing but case is allowed for.
pub(crate) fn classify(sql: &str) -> Statement {
    let mut words = sql.split_ascii_whitespace();
    let mut word = || words.next().unwrap_or_default();
    let first = word();
    let is = |word: &str, wanted: &str| word.eq_ignore_ascii_case(wanted);
    if is(first, "BEGIN") {
        return Statement::Begin;
    }
    if is(first, "COMMIT") {
        // `COMMIT ALTER …` is MariaDB's second half of an ALTER.
        return if is(word(), "ALTER") { Statement::Other } else { Statement::Commit };
    }
    if is(first, "ROLLBACK") {
        let next = word();
        return if is(next, "ALTER") {
            Statement::Other
        } else if is(next, "TO") {
            Statement::RollbackTo
        } else {
            Statement::Rollback
        };
    }
    if is(first, "SAVEPOINT") || (is(first, "RELEASE") && is(word(), "SAVEPOINT")) {
        return Statement::Savepoint;
    }
    if is(first, "XA") {
        let verb = word();
        return match () {
            () if is(verb, "START") || is(verb, "BEGIN") => Statement::XaStart,
            () if is(verb, "END") => Statement::XaEnd,
            () if is(verb, "COMMIT") || is(verb, "ROLLBACK") => Statement::XaVerdict,
            () => Statement::Other,
        };
    }
    if sql.starts_with("# Dummy event replacing event type") {
        return Statement::Dummy;
    }
    Statement::Other
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transaction_statements_are_told_from_others() {
        for (sql, want) in [
            ("BEGIN", Statement::Begin),
            ("COMMIT", Statement::Commit),
            ("ROLLBACK", Statement::Rollback),
            ("ROLLBACK TO `a`", Statement::RollbackTo),
            ("SAVEPOINT `a`", Statement::Savepoint),
            ("XA START X'67',X'',1", Statement::XaStart),
            ("XA END X'67',X'',1", Statement::XaEnd),
            ("XA COMMIT X'67',X'',1", Statement::XaVerdict),
            ("XA ROLLBACK X'67',X'',1", Statement::XaVerdict),
            ("COMMIT ALTER 5 ALTER TABLE t ADD c int", Statement::Other),
            ("CREATE TABLE begin (a int)", Statement::Other),
            ("RELEASE SAVEPOINT a", Statement::Savepoint),
            ("", Statement::Other),
        ] {
            assert_eq!(classify(sql), want, "{sql}");
        }
    }
}
