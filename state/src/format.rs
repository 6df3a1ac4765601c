//! The stored bytes of a checkpoint, the same in every store and in every file a user copies away.
//!
//! They are to be readable for years, by people too: a checked frame ([`frame`]) around sections of
//! JSON ([`content`]), compressed where that pays. How the format grows:
//!
//! * A field that an older reader may do without is simply added, with a serde default.
//! * A section that an older reader may do without is flagged optional.
//! * Anything an older reader must not overlook comes with a new [`FORMAT`], and [`NEEDED`] becomes
//!   the first release that reads it: the older reader refuses and tells the user which to take.
//!
//! Every released version leaves a fixture in `fixtures/` that a test reads for ever.

mod content;
mod frame;

use model::{Checkpoint, StoreError};

pub use frame::{Outline, SectionOutline};

use frame::FrameError;

/// The format this version writes, and the newest it reads.
pub const FORMAT: u32 = 1;

/// The first release that reads [`FORMAT`].
pub const NEEDED: &str = "0.1.0";

/// Where bytes come from, for the errors about them.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The store or the file, as the user names it.
    pub store: &'a str,
    pub job: &'a str,
    pub id: &'a str,
}

/// A checkpoint that must not be written, for it could not be read again. A bug of ours.
#[derive(Debug, thiserror::Error)]
#[error("snapshot {id} of job `{job}` cannot be encoded: {what}")]
pub struct EncodeError {
    pub job: String,
    pub id: String,
    pub what: String,
}

/// The bytes to store. The same checkpoint gives the same bytes.
///
/// # Errors
/// Where [`decode`] would refuse the result: two states of one table, a key column that is not
/// there, ranges out of order.
pub fn encode(checkpoint: &Checkpoint) -> Result<Vec<u8>, EncodeError> {
    let refused = |what: String| EncodeError {
        job: checkpoint.job.clone(),
        id: checkpoint.id.to_string(),
        what,
    };
    let sections = content::sections(checkpoint).map_err(refused)?;
    frame::write(&sections).map_err(|error| refused(error.to_string()))
}

/// Reads what [`encode`] wrote, in this version or an earlier one. Strict: any byte that is not as
/// it was written is an error. Memory is bounded by a constant times the input.
///
/// # Errors
/// [`StoreError::Damaged`] for torn, changed or foreign bytes; [`StoreError::Newer`] for an intact
/// snapshot of a later format.
pub fn decode(bytes: &[u8], place: Place<'_>) -> Result<Checkpoint, StoreError> {
    let sections = frame::read(bytes).map_err(|error| at(place, error))?;
    content::checkpoint(&sections).map_err(|what| at(place, FrameError::Damaged(what)))
}

/// Who wrote the bytes, and what their sections take: for `inspect`. Checks the frame as [`decode`]
/// does, the content not at all.
///
/// # Errors
/// As [`decode`].
pub fn outline(bytes: &[u8], place: Place<'_>) -> Result<Outline, StoreError> {
    frame::outline(bytes).map_err(|error| at(place, error))
}

fn at(place: Place<'_>, error: FrameError) -> StoreError {
    match error {
        FrameError::Damaged(what) => StoreError::Damaged {
            store: place.store.to_owned(),
            job: place.job.to_owned(),
            id: place.id.to_owned(),
            what,
        },
        FrameError::Newer { found, needed } => StoreError::Newer {
            job: place.job.to_owned(),
            id: place.id.to_owned(),
            found,
            known: FORMAT,
            needed,
        },
    }
}

#[cfg(test)]
mod size;
#[cfg(test)]
mod tests;
