//! When a key at which both sides differ is a difference, and when only the target's lag. Pure.
//!
//! A round reads the row in the source, notes a position P of the binlog, waits until the job has
//! *committed* everything up to P, reads the target, and reads the source again. What the target shows
//! then is the source's state at some moment since the first read, or the job has lost something. So a
//! target that shows any of the states that the source was seen in during the round agrees.
//!
//! One that shows none of them may show a state that came and went unseen. Therefore the row must have
//! stood still in every look at the source of [`CONFIRMATIONS`] rounds on end, with the same row in the
//! target each time; and from the second round on the source is looked at again and again while the
//! round waits. A row that never stands still is *changing*, not different.
//!
//! Where no checkpoint comes, nothing is on its way: the job does not run, and a difference is one as of
//! its newest checkpoint. Whether the source has gone on since is for the caller to tell.

/// Rounds in a row in which nothing moved and the target was different.
pub const CONFIRMATIONS: u32 = 2;
/// Rounds until a row counts as changing.
pub const ROUNDS_MAX: u32 = 6;

/// A row, told from any other of its key by 128 bits that no row can be made for: the hashes' keys are
/// drawn anew in every run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest(pub u64, pub u64);

/// The rows of one key in the source, sorted: none, one, or several where tables are merged.
pub type Held = Vec<Digest>;

/// What the target can have by the time that it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cover {
    /// Everything that the source held when the round began.
    Committed,
    /// What the newest checkpoint holds; none has come since.
    Stalled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Agrees,
    Differs,
    /// Another round.
    Again,
}

/// One key in doubt.
#[derive(Debug, Default)]
pub struct Case {
    /// The source's states of this round, each as often as it changed.
    seen: Vec<Held>,
    /// What stood still and differed in the rounds before, and in how many.
    suspicion: Option<(Held, Option<Digest>, u32)>,
}

impl Case {
    /// A round begins with this in the source.
    pub fn begin(&mut self, source: Held) {
        self.seen.clear();
        self.seen.push(source);
    }

    /// A further look at the source.
    pub fn look(&mut self, source: Held) {
        if self.seen.last() != Some(&source) {
            self.seen.push(source);
        }
    }

    /// The round ends with this in the target, and then this in the source.
    pub fn judge(&mut self, target: Option<Digest>, source: Held, cover: Cover) -> Verdict {
        self.look(source);
        if self.seen.iter().any(|held| is_of(target, held)) {
            return Verdict::Agrees;
        }
        if cover == Cover::Stalled {
            return Verdict::Differs;
        }
        let [held] = self.seen.as_slice() else {
            self.suspicion = None;
            return Verdict::Again;
        };
        let rounds = match &self.suspicion {
            Some((before, shown, rounds)) if before == held && *shown == target => rounds + 1,
            _ => 1,
        };
        if rounds >= CONFIRMATIONS {
            return Verdict::Differs;
        }
        self.suspicion = Some((held.clone(), target, rounds));
        Verdict::Again
    }
}

/// Of rows that several tables have under one key the target holds any.
fn is_of(target: Option<Digest>, source: &Held) -> bool {
    match target {
        None => source.is_empty(),
        Some(row) => source.contains(&row),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Digest = Digest(1, 1);
    const B: Digest = Digest(2, 2);
    const C: Digest = Digest(3, 3);

    /// Rounds of what the source showed first, in between and last, and the target.
    fn verdicts(rounds: &[(&[&[Digest]], Option<Digest>)], cover: Cover) -> Vec<Verdict> {
        let mut case = Case::default();
        let round = |(source, target): &(&[&[Digest]], Option<Digest>)| {
            let [first, between @ .., last] = source else { panic!("two looks at least") };
            case.begin(first.to_vec());
            between.iter().for_each(|held| case.look(held.to_vec()));
            case.judge(*target, last.to_vec(), cover)
        };
        rounds.iter().map(round).collect()
    }

    fn committed(rounds: &[(&[&[Digest]], Option<Digest>)]) -> Vec<Verdict> {
        verdicts(rounds, Cover::Committed)
    }

    #[test]
    fn lag_that_a_checkpoint_has_made_good_is_no_difference() {
        assert_eq!(committed(&[(&[&[A], &[A]], Some(A))]), [Verdict::Agrees]);
        assert_eq!(committed(&[(&[&[], &[]], None)]), [Verdict::Agrees]);
    }

    #[test]
    fn a_row_that_stands_still_and_differs_twice_differs() {
        for target in [Some(B), None] {
            let round: (&[&[Digest]], _) = (&[&[A], &[A]], target);
            assert_eq!(committed(&[round, round]), [Verdict::Again, Verdict::Differs]);
        }
        let only_target: (&[&[Digest]], _) = (&[&[], &[]], Some(A));
        assert_eq!(committed(&[only_target, only_target]), [Verdict::Again, Verdict::Differs]);
    }

    #[test]
    fn a_target_that_shows_any_state_of_the_round_agrees() {
        for target in [A, B, C] {
            assert_eq!(committed(&[(&[&[A], &[B], &[C]], Some(target))]), [Verdict::Agrees]);
        }
        assert_eq!(committed(&[(&[&[A], &[]], None)]), [Verdict::Agrees]);
    }

    #[test]
    fn a_state_of_an_earlier_round_does_not_agree() {
        let stale = committed(&[(&[&[A], &[B]], Some(C)), (&[&[B], &[B]], Some(A))]);
        assert_eq!(stale, [Verdict::Again, Verdict::Again]);
    }

    #[test]
    fn a_row_that_moves_is_never_a_difference() {
        let moving: (&[&[Digest]], _) = (&[&[A], &[B], &[A]], Some(C));
        let all = committed(&[moving; ROUNDS_MAX as usize]);
        assert!(all.iter().all(|verdict| *verdict == Verdict::Again), "{all:?}");
    }

    #[test]
    fn a_row_that_is_back_where_it_was_is_given_away_by_a_look_in_between() {
        let still: (&[&[Digest]], _) = (&[&[A], &[A]], Some(B));
        let toggles: (&[&[Digest]], _) = (&[&[A], &[B], &[A]], Some(B));
        assert_eq!(committed(&[still, toggles]), [Verdict::Again, Verdict::Agrees]);
    }

    #[test]
    fn another_difference_than_before_begins_anew() {
        let one: (&[&[Digest]], _) = (&[&[A], &[A]], Some(B));
        let other: (&[&[Digest]], _) = (&[&[A], &[A]], Some(C));
        let expected = [Verdict::Again, Verdict::Again, Verdict::Differs];
        assert_eq!(committed(&[one, other, other]), expected);
    }

    #[test]
    fn of_a_job_that_stands_still_a_difference_is_one_at_once() {
        let stalled = |source, target| verdicts(&[(source, target)], Cover::Stalled);
        assert_eq!(stalled(&[&[A], &[A]], Some(B)), [Verdict::Differs]);
        assert_eq!(stalled(&[&[A], &[A]], Some(A)), [Verdict::Agrees]);
    }

    #[test]
    fn of_a_key_that_several_tables_have_any_row_will_do() {
        assert_eq!(committed(&[(&[&[A, B], &[A, B]], Some(B))]), [Verdict::Agrees]);
        let round: (&[&[Digest]], _) = (&[&[A, B], &[A, B]], Some(C));
        assert_eq!(committed(&[round, round]), [Verdict::Again, Verdict::Differs]);
    }
}
