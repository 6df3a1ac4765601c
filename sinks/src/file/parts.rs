//! The part files of one directory. Blocking; runs off the runtime's threads.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use crc32fast::Hasher;
use model::SinkError;
use model::sink::SinkToken;
use serde::{Deserialize, Serialize};

use super::{Settings, owner};

const READ_BYTES: usize = 1 << 20;
/// Made and removed to see whether the directory allows it.
const DRAFT: &str = ".seachange-draft";

/// What the checkpoint holds: everything up to `length` of part number `part`. Part 0: nothing was
/// written yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Token {
    part: u64,
    length: u64,
    /// CRC-32 of those bytes of the part. A job that went back writes other bytes in their place, and a
    /// snapshot from before it went back means nothing there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    crc: Option<u32>,
}

pub(super) struct Parts {
    settings: Settings,
    current: Option<Part>,
    /// Number of the newest part; 0 before the first.
    newest: u64,
    /// A part appeared since the directory was last made durable.
    new_entry: bool,
    /// True where a marker file stood before this process came.
    was_owned: bool,
    /// Held to the end: no second process writes here.
    _lock: File,
}

struct Part {
    file: File,
    path: PathBuf,
    length: u64,
    /// Of all that was written to it.
    crc: Hasher,
    /// To be appended to; one of another format is only closed.
    same_format: bool,
}

/// The part that a token names, which holds what the token says.
struct Kept {
    path: PathBuf,
    /// Its bytes, at least as many as the token's.
    found: u64,
    /// Of the token's.
    crc: Hasher,
}

/// The directory as a token knows it.
struct Rewound {
    last: Option<Kept>,
    /// Parts after it.
    later: Vec<PathBuf>,
}

impl Settings {
    pub(super) fn definite(&self, what: String) -> SinkError {
        SinkError::Definite { sink: self.sink.clone(), what }
    }

    /// An error of the file system, by whether it can go away by itself.
    pub(super) fn refused(&self, verb: &str, path: &Path, error: io::Error) -> SinkError {
        let what = format!("cannot {verb} `{}`", path.display());
        let stays = matches!(
            error.kind(),
            io::ErrorKind::PermissionDenied
                | io::ErrorKind::ReadOnlyFilesystem
                | io::ErrorKind::NotADirectory
                | io::ErrorKind::IsADirectory
                | io::ErrorKind::AlreadyExists
        );
        if stays {
            return self.definite(format!("{what}: {error}"));
        }
        SinkError::Transient { sink: self.sink.clone(), what, source: Some(error) }
    }
}

impl Parts {
    /// Takes the directory for the sink of `settings`.
    pub(super) fn claim(settings: &Settings) -> Result<Self, SinkError> {
        let lock = owner::lock(settings)?;
        let found = owner::read(settings)?;
        if let Some(found) = &found {
            owner::check(settings, found)?;
        }
        Ok(Self {
            settings: settings.clone(),
            current: None,
            newest: 0,
            new_entry: false,
            was_owned: found.is_some(),
            _lock: lock,
        })
    }

    /// For a fresh start: moves the parts of an earlier one into a directory of their own. Nothing
    /// is deleted.
    pub(super) fn set_aside(&mut self) -> Result<(), SinkError> {
        self.current = None;
        self.newest = 0;
        let parts = self.list()?;
        if !parts.is_empty() {
            let aside = self.superseded()?;
            fs::create_dir(&aside).map_err(|e| self.settings.refused("create", &aside, e))?;
            tracing::warn!(
                sink = self.settings.sink,
                parts = parts.len(),
                to = %aside.display(),
                "a fresh start: earlier part files are moved aside"
            );
            for from in parts.values() {
                let Some(name) = from.file_name() else { continue };
                let moved = fs::rename(from, aside.join(name));
                moved.map_err(|error| self.settings.refused("move", from, error))?;
            }
            self.sync_directory(&aside)?;
        }
        self.own()
    }

    /// Refuses what [`Parts::rewind`] to the token, or without one [`Parts::set_aside`], would refuse.
    pub(super) fn check(&self, token: Option<&SinkToken>) -> Result<(), SinkError> {
        match token {
            Some(token) => {
                if let Some(kept) = self.rewound(self.token(token)?)?.last {
                    let opened = OpenOptions::new().append(true).open(&kept.path);
                    opened.map_err(|error| self.settings.refused("cut", &kept.path, error))?;
                }
            }
            None => drop(self.list()?),
        }
        // What takes a new name lets others go.
        let draft = self.settings.directory.join(DRAFT);
        let made = File::create(&draft).and_then(|_| fs::remove_file(&draft));
        made.map_err(|error| self.settings.refused("create", &draft, error))
    }

    /// Sets the directory back to what the token says. Everything is checked before anything is cut.
    pub(super) fn rewind(&mut self, token: &SinkToken) -> Result<(), SinkError> {
        let token = self.token(token)?;
        self.current = None;
        let Rewound { last, later } = self.rewound(token)?;
        for path in later.iter().rev() {
            let removed = fs::remove_file(path);
            removed.map_err(|error| self.settings.refused("remove", path, error))?;
        }
        if let Some(kept) = last {
            self.current = Some(self.reopen(kept, token.length)?);
        }
        self.newest = token.part;
        self.own()
    }

    fn token(&self, token: &SinkToken) -> Result<Token, SinkError> {
        serde_json::from_slice(token).map_err(|error| {
            self.settings.definite(format!("the checkpoint's token is damaged: {error}"))
        })
    }

    /// What going back to the token comes to, where it is possible.
    fn rewound(&self, token: Token) -> Result<Rewound, SinkError> {
        let parts = self.list()?;
        let last = self.check_kept(&parts, token)?;
        let later: Vec<_> = parts.range(token.part + 1..).map(|(_, path)| path.clone()).collect();
        let cut = last.as_ref().is_some_and(|kept| kept.found > token.length);
        if !self.was_owned && (cut || !later.is_empty()) {
            let directory = self.settings.directory.display();
            return Err(self.settings.definite(format!(
                "directory `{directory}` holds more than the checkpoint knows of, and no \
                 `.seachange-job` says that this job wrote it: move those files away"
            )));
        }
        Ok(Rewound { last, later })
    }

    /// The token's part and its length, which has to be there whole.
    fn check_kept(
        &self,
        parts: &BTreeMap<u64, PathBuf>,
        token: Token,
    ) -> Result<Option<Kept>, SinkError> {
        if token.part == 0 {
            return Ok(None);
        }
        let expected = token.length;
        let Some(path) = parts.get(&token.part) else {
            let path = self.path(token.part);
            return Err(self.settings.definite(format!(
                "part file `{}` is missing: the checkpoint needs {expected} bytes of it, found \
                 none",
                path.display()
            )));
        };
        let found = fs::metadata(path).map_err(|e| self.settings.refused("look at", path, e))?;
        let found = found.len();
        if found < expected {
            return Err(self.settings.definite(format!(
                "part file `{}` lost data: the checkpoint needs {expected} bytes of it, found \
                 {found}",
                path.display()
            )));
        }
        let crc = crc_of(path, expected).map_err(|e| self.settings.refused("read", path, e))?;
        if token.crc.is_some_and(|known| known != crc.clone().finalize()) {
            return Err(self.settings.definite(format!(
                "part file `{}` is another than the checkpoint knows: its first {expected} bytes were \
                 written anew since, by a run that had gone back further, or changed. Take a newer \
                 snapshot, or start over (`--from none`)",
                path.display()
            )));
        }
        Ok(Some(Kept { path: path.clone(), found, crc }))
    }

    fn reopen(&self, kept: Kept, length: u64) -> Result<Part, SinkError> {
        let Kept { path, found: _, crc } = kept;
        let same_format = path.extension().is_some_and(|e| e == self.settings.extension);
        let opened = OpenOptions::new().append(true).open(&path).and_then(|file| {
            file.set_len(length)?;
            file.sync_all()?;
            Ok(file)
        });
        let file = opened.map_err(|error| self.settings.refused("cut", &path, error))?;
        Ok(Part { file, path, length, crc, same_format })
    }

    /// Appends whole records, each ending in a line end, over as many parts as it takes.
    pub(super) fn append(&mut self, records: &[u8]) -> Result<(), SinkError> {
        let mut rest = records;
        while !rest.is_empty() {
            let settings = &self.settings;
            let part = match &mut self.current {
                Some(part) => part,
                None => {
                    self.newest += 1;
                    self.new_entry = true;
                    let path = part_path(settings, self.newest);
                    let file = OpenOptions::new().append(true).create_new(true).open(&path);
                    let file = file.map_err(|error| settings.refused("create", &path, error))?;
                    let crc = Hasher::new();
                    self.current.insert(Part { file, path, length: 0, crc, same_format: true })
                }
            };
            let taken = part.takes(rest, settings.roll_bytes);
            let (now, later) = rest.split_at_checked(taken).unwrap_or((rest, &[]));
            if now.is_empty() {
                self.close_part()?;
                continue;
            }
            let written = part.file.write_all(now);
            written.map_err(|error| settings.refused("write", &part.path, error))?;
            part.length += now.len() as u64;
            part.crc.update(now);
            rest = later;
        }
        Ok(())
    }

    /// Makes everything appended durable and says what that is.
    pub(super) fn sync(&mut self) -> Result<SinkToken, SinkError> {
        let (length, crc) = match &self.current {
            Some(part) => {
                let synced = part.file.sync_data();
                synced.map_err(|e| self.settings.refused("sync", &part.path, e))?;
                (part.length, Some(part.crc.clone().finalize()))
            }
            None => (0, None),
        };
        if self.new_entry {
            self.sync_directory(&self.settings.directory)?;
            self.new_entry = false;
        }
        let token = Token { part: self.newest, length, crc };
        serde_json::to_vec(&token).map_err(|error| self.settings.definite(error.to_string()))
    }

    fn close_part(&mut self) -> Result<(), SinkError> {
        if let Some(part) = self.current.take() {
            let synced = part.file.sync_data();
            synced.map_err(|error| self.settings.refused("sync", &part.path, error))?;
        }
        Ok(())
    }

    /// Writes the marker where it is missing, and makes the directory as it is durable.
    fn own(&mut self) -> Result<(), SinkError> {
        if !self.was_owned {
            owner::write(&self.settings)?;
            self.was_owned = true;
        }
        self.sync_directory(&self.settings.directory)
    }

    fn sync_directory(&self, directory: &Path) -> Result<(), SinkError> {
        let synced = File::open(directory).and_then(|directory| directory.sync_all());
        synced.map_err(|error| self.settings.refused("sync", directory, error))
    }

    fn path(&self, number: u64) -> PathBuf {
        part_path(&self.settings, number)
    }

    /// The parts there are, by number.
    fn list(&self) -> Result<BTreeMap<u64, PathBuf>, SinkError> {
        let mut parts = BTreeMap::new();
        for name in self.names()? {
            let Some(number) = part_number(&name) else { continue };
            let path = self.settings.directory.join(&name);
            if let Some(twin) = parts.insert(number, path) {
                return Err(self.settings.definite(format!(
                    "two files are part {number}: `{}` and `{name}`",
                    twin.display()
                )));
            }
        }
        Ok(parts)
    }

    /// A directory for superseded parts that does not exist yet.
    fn superseded(&self) -> Result<PathBuf, SinkError> {
        let names = self.names()?;
        let numbers =
            names.iter().filter_map(|name| name.strip_prefix("superseded-")?.parse().ok());
        let number = numbers.max().unwrap_or(0_u64).saturating_add(1);
        Ok(self.settings.directory.join(format!("superseded-{number}")))
    }

    /// Names in the directory; ours are all UTF-8.
    fn names(&self) -> Result<Vec<String>, SinkError> {
        let directory = &self.settings.directory;
        let names = fs::read_dir(directory).and_then(|entries| {
            entries.map(|entry| entry.map(|e| e.file_name().into_string().ok())).collect()
        });
        let names: Vec<Option<String>> =
            names.map_err(|error| self.settings.refused("list", directory, error))?;
        Ok(names.into_iter().flatten().collect())
    }
}

impl Part {
    /// How many bytes of `records` still go into this part: whole records as long as they fit, and
    /// into an empty part at least one.
    fn takes(&self, records: &[u8], roll_bytes: u64) -> usize {
        if !self.same_format {
            return 0;
        }
        let room = usize::try_from(roll_bytes.saturating_sub(self.length)).unwrap_or(usize::MAX);
        let Some(fitting) = records.get(..room) else { return records.len() };
        let line_end = |byte: &u8| *byte == b'\n';
        match fitting.iter().rposition(line_end) {
            Some(end) => end + 1,
            None if self.length > 0 => 0,
            None => records.iter().position(line_end).map_or(records.len(), |end| end + 1),
        }
    }
}

/// Of the first `length` bytes.
fn crc_of(path: &Path, length: u64) -> io::Result<Hasher> {
    let mut bytes = BufReader::with_capacity(READ_BYTES, File::open(path)?).take(length);
    let mut crc = Hasher::new();
    loop {
        let read = bytes.fill_buf()?;
        if read.is_empty() {
            return Ok(crc);
        }
        crc.update(read);
        let read = read.len();
        bytes.consume(read);
    }
}

fn part_path(settings: &Settings, number: u64) -> PathBuf {
    settings.directory.join(format!("part-{number:08}.{}", settings.extension))
}

/// The number in `part-00000001.jsonl`, of any format.
fn part_number(name: &str) -> Option<u64> {
    let (digits, extension) = name.strip_prefix("part-")?.split_once('.')?;
    let known = crate::format::Format::ALL.iter().any(|format| format.extension() == extension);
    let numeric = digits.len() >= 8 && digits.bytes().all(|byte| byte.is_ascii_digit());
    // The greatest number has no next.
    let number = digits.parse().ok().filter(|number| (1..u64::MAX).contains(number));
    number.filter(|_| known && numeric)
}
