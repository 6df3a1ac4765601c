//! Settings of a job's database. A daemon has one per job, so each is kept small: at rest a few
//! hundred KiB, at work below [`WRITE_BUFFERS_BYTES_MAX`] and the cache.

use std::path::Path;

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DB, DBCompressionType, DBRecoveryMode,
    LogLevel, Options,
};

pub(super) const SPOOL: &str = "spool";
pub(super) const HELD: &str = "held";

const MIB: usize = 1024 * 1024;
/// Checkpoints are a few KiB; large ones go to disk one by one.
const SNAPSHOT_BUFFER_BYTES: usize = MIB;
const SPOOL_BUFFER_BYTES: usize = 4 * MIB;
const WRITE_BUFFERS_BYTES_MAX: usize = 12 * MIB;
/// Checkpoints are read once, the spool once and in order: a cache would only take memory.
const BLOCK_CACHE_BYTES: usize = MIB;
const OPEN_FILES_MAX: i32 = 64;

pub(super) fn open(dir: &Path) -> Result<DB, rocksdb::Error> {
    let mut options = database();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    let cache = Cache::new_lru_cache(BLOCK_CACHE_BYTES)?;
    let families = [
        ColumnFamilyDescriptor::new(rocksdb::DEFAULT_COLUMN_FAMILY_NAME, snapshots(&cache)),
        ColumnFamilyDescriptor::new(SPOOL, spool_with(&cache)),
        ColumnFamilyDescriptor::new(HELD, spool_with(&cache)),
    ];
    DB::open_cf_descriptors(&options, dir, families)
}

/// Opens for reading what is there at this moment, whoever else has it open. The rest stays shut.
pub(super) fn open_read_only(dir: &Path) -> Result<DB, rocksdb::Error> {
    let families = [rocksdb::DEFAULT_COLUMN_FAMILY_NAME];
    DB::open_cf_for_read_only(&database(), dir, families, false)
}

/// The same, with the held rows.
pub(super) fn open_held_read_only(dir: &Path) -> Result<DB, rocksdb::Error> {
    let families = [rocksdb::DEFAULT_COLUMN_FAMILY_NAME, HELD];
    DB::open_cf_for_read_only(&database(), dir, families, false)
}

/// For a spool that is made anew.
pub(super) fn spool() -> Result<Options, rocksdb::Error> {
    Ok(spool_with(&Cache::new_lru_cache(BLOCK_CACHE_BYTES)?))
}

/// For the records of a daemon.
pub(crate) fn registry() -> Options {
    let mut options = database();
    options.create_if_missing(true);
    options.set_compression_type(DBCompressionType::Lz4);
    options
}

fn database() -> Options {
    let mut options = Options::default();
    options.set_db_write_buffer_size(WRITE_BUFFERS_BYTES_MAX);
    options.set_max_open_files(OPEN_FILES_MAX);
    options.set_max_file_opening_threads(1);
    options.set_max_background_jobs(2);
    options.set_skip_stats_update_on_db_open(true);
    options.set_stats_dump_period_sec(0);
    options.set_log_level(LogLevel::Warn);
    options.set_keep_log_file_num(2);
    options.set_max_log_file_size(MIB);
    // Strict: damage inside the log is an error, not the end of it.
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options
}

fn snapshots(cache: &Cache) -> Options {
    let mut options = Options::default();
    options.set_write_buffer_size(SNAPSHOT_BUFFER_BYTES);
    // Packed already; and a damaged byte in a plain block hits one snapshot, not its neighbours.
    options.set_compression_type(DBCompressionType::None);
    options.set_block_based_table_factory(&blocks(cache));
    options
}

fn spool_with(cache: &Cache) -> Options {
    let mut options = Options::default();
    options.set_write_buffer_size(SPOOL_BUFFER_BYTES);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_block_based_table_factory(&blocks(cache));
    options
}

fn blocks(cache: &Cache) -> BlockBasedOptions {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(cache);
    blocks
}
