//! Whose a directory is. One job's sink owns it for good (a marker file names it), and one process
//! at a time writes to it (a lock that the system drops with the process).

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::thread::sleep;
use std::time::Duration;

use model::SinkError;
use serde::{Deserialize, Serialize};

use super::Settings;

const MARKER: &str = ".seachange-job";
const MARKER_DRAFT: &str = ".seachange-job.new";
const LOCK: &str = ".seachange-lock";

/// A job that was just stopped may still be ending its last write.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(3);
const LOCK_RETRY: Duration = Duration::from_millis(50);

/// What the marker file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Owner {
    pub(super) job: String,
    pub(super) sink: String,
}

/// Creates the directory and takes the lock, held as long as the file returned.
pub(super) fn lock(settings: &Settings) -> Result<File, SinkError> {
    let directory = &settings.directory;
    fs::create_dir_all(directory).map_err(|error| settings.refused("create", directory, error))?;
    let path = directory.join(LOCK);
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|error| settings.refused("open", &path, error))?;
    let mut waited = Duration::ZERO;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if waited < LOCK_WAIT_MAX => sleep(LOCK_RETRY),
            Err(TryLockError::WouldBlock) => {
                let shown = directory.display();
                return Err(settings.definite(format!(
                    "another process writes to directory `{shown}` (it holds `{LOCK}`)"
                )));
            }
            Err(TryLockError::Error(error)) => return Err(settings.refused("lock", &path, error)),
        }
        waited += LOCK_RETRY;
    }
}

/// The owner that the marker names; `None` where there is no marker.
pub(super) fn read(settings: &Settings) -> Result<Option<Owner>, SinkError> {
    let path = settings.directory.join(MARKER);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(settings.refused("read", &path, error)),
    };
    let owner = serde_json::from_slice(&bytes).map_err(|error| {
        let shown = path.display();
        settings
            .definite(format!("`{shown}`, which names the directory's owner, is damaged: {error}"))
    })?;
    Ok(Some(owner))
}

/// Names `settings.job` as the owner, whole or not at all.
pub(super) fn write(settings: &Settings) -> Result<(), SinkError> {
    let owner = Owner { job: settings.job.clone(), sink: settings.sink.clone() };
    let draft = settings.directory.join(MARKER_DRAFT);
    let written = serde_json::to_vec(&owner).map_err(io::Error::from).and_then(|text| {
        let mut file = File::create(&draft)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&draft, settings.directory.join(MARKER))
    });
    written.map_err(|error| settings.refused("write", &draft, error))
}

/// Refuses a directory that another job or another sink of this job owns.
pub(super) fn check(settings: &Settings, owner: &Owner) -> Result<(), SinkError> {
    if owner.job == settings.job && owner.sink == settings.sink {
        return Ok(());
    }
    let (directory, Owner { job, sink }) = (settings.directory.display(), owner);
    Err(settings.definite(format!(
        "directory `{directory}` belongs to `{sink}` of job `{job}`: give this one another \
         `sink.path`, or remove `{MARKER}` from the directory if that job is gone"
    )))
}
