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
    /// Of what was prepared before.
    XaCommit,
    /// Of what was prepared before.
    XaRollback,
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
            () if is(verb, "COMMIT") => Statement::XaCommit,
            () if is(verb, "ROLLBACK") => Statement::XaRollback,
            () => Statement::Other,
        };
    }
    if sql.starts_with("# Dummy event replacing event type") {
        return Statement::Dummy;
    }
    Statement::Other
}

/// The name in `XA START`, `XA COMMIT` and `XA ROLLBACK`, as the server wrote it.
pub(crate) fn xa_name(sql: &str) -> &str {
    sql.split_ascii_whitespace().nth(2).unwrap_or_default()
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
            ("XA COMMIT X'67',X'',1", Statement::XaCommit),
            ("XA ROLLBACK X'67',X'',1", Statement::XaRollback),
            ("COMMIT ALTER 5 ALTER TABLE t ADD c int", Statement::Other),
            ("CREATE TABLE begin (a int)", Statement::Other),
            ("RELEASE SAVEPOINT a", Statement::Savepoint),
            ("", Statement::Other),
        ] {
            assert_eq!(classify(sql), want, "{sql}");
        }
    }

    #[test]
    fn an_xa_statement_names_its_transaction() {
        assert_eq!(xa_name("XA COMMIT X'67',X'',1"), "X'67',X'',1");
        assert_eq!(xa_name("XA COMMIT"), "");
    }
}
