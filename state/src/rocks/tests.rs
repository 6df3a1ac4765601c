use std::io::Write;
use std::process::{Command, Stdio};

use model::BarrierKind;
use model::conformance::samples;
use model::conformance::store::{Rest, keeps_its_promises};
use tempfile::TempDir;

use super::*;

const JOB: &str = "retail/orders/emp_sync";

fn sample(id: u64) -> Checkpoint {
    samples::checkpoint(JOB, id, BarrierKind::Checkpoint)
}

async fn open(dir: &TempDir) -> RocksStore {
    RocksStore::open(dir.path(), JOB).await.unwrap()
}

struct OnDisk(TempDir);

#[async_trait]
impl Rest for OnDisk {
    fn job(&self) -> &str {
        JOB
    }

    async fn open(&mut self) -> Result<Arc<dyn CheckpointStore>, StoreError> {
        Ok(Arc::new(RocksStore::open(self.0.path(), JOB).await?))
    }

    async fn damage(&mut self, id: CheckpointId) {
        let job = open_blocking(JobPlace::new(self.0.path(), JOB).unwrap()).unwrap();
        let mut bytes = job.db.get(snap_key(id)).unwrap().unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        job.db.put(snap_key(id), bytes).unwrap();
    }
}

#[tokio::test]
async fn the_store_on_disk_keeps_its_promises() {
    keeps_its_promises(|| OnDisk(TempDir::new().unwrap())).await;
}

#[tokio::test]
async fn a_locked_state_tells_what_is_locked_and_what_to_do() {
    let dir = TempDir::new().unwrap();
    let _first = open(&dir).await;
    let error = RocksStore::open(dir.path(), JOB).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, StoreError::Fenced { .. }), "{text}");
    let locked = dir.path().join("retail/orders/emp_sync.job");
    assert!(text.contains(&locked.display().to_string()), "{text}");
    assert!(text.contains("stop the job there") && text.contains("another `--state`"), "{text}");
    RocksStore::open(dir.path(), "retail/orders/other").await.expect("another job is free");
}

#[tokio::test]
async fn a_handle_that_is_just_going_away_does_not_lock_its_successor_out() {
    let dir = TempDir::new().unwrap();
    let going = open(&dir).await;
    let gone = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        drop(going);
    });
    RocksStore::open(dir.path(), JOB).await.expect("the lock is free within a second");
    gone.join().unwrap();
}

#[tokio::test]
async fn a_name_that_is_no_job_opens_nothing() {
    let dir = TempDir::new().unwrap();
    for bad in ["", "a//b", "/a"] {
        assert!(RocksStore::open(dir.path(), bad).await.is_err(), "{bad}");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_reader_sees_what_a_running_job_puts() {
    let dir = TempDir::new().unwrap();
    let reader = RocksReader::open(dir.path(), JOB).unwrap();
    assert!(reader.list().await.unwrap().is_empty(), "a job that never ran lists nothing");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "and looking makes nothing");

    let store = open(&dir).await;
    let fence = store.acquire().await.unwrap();
    for id in 1..=20 {
        store.put(fence, &sample(id)).await.unwrap();
        assert_eq!(reader.get(CheckpointId(id)).await.unwrap(), sample(id));
        assert_eq!(reader.list().await.unwrap().len(), usize::try_from(id).unwrap());
    }
    let before = names(&dir);
    assert_eq!(reader.list().await.unwrap().len(), 20);
    assert_eq!(names(&dir), before, "looking leaves no file behind");
    store.remove(fence, CheckpointId(1)).await.unwrap();
    let gone = reader.get(CheckpointId(1)).await;
    assert!(matches!(gone, Err(StoreError::Missing { .. })));
    store.put(fence, &sample(31)).await.expect("the job goes on");
}

#[tokio::test]
async fn a_reader_that_looks_while_files_change_sees_whole_lists() {
    let dir = TempDir::new().unwrap();
    let store = Arc::new(open(&dir).await);
    let fence = store.acquire().await.unwrap();
    store.put(fence, &sample(1)).await.unwrap();
    let writer = Arc::clone(&store);
    let writes = async move {
        for id in 2..200 {
            let mut large = sample(id);
            large.sinks.insert("large".into(), noise(id, 100_000));
            writer.put(fence, &large).await.unwrap();
            writer.remove(fence, CheckpointId(id - 1)).await.unwrap();
        }
    };
    let reader = RocksReader::open(dir.path(), JOB).unwrap();
    let reads = async {
        for _ in 0..30 {
            let listed = reader.list().await.unwrap();
            assert!((1..=2).contains(&listed.len()), "{} snapshots", listed.len());
            assert!(listed.iter().all(|entry| entry.content.is_ok()));
        }
    };
    tokio::join!(writes, reads);
}

/// Bytes that do not pack, so that they reach the disk as many as they are.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..len).map(|_| next()).collect()
}

fn names(dir: &TempDir) -> std::collections::BTreeSet<std::ffi::OsString> {
    let job = dir.path().join("retail/orders/emp_sync.job");
    std::fs::read_dir(job).unwrap().map(|entry| entry.unwrap().file_name()).collect()
}

fn files(dir: &TempDir, extension: &str) -> Vec<PathBuf> {
    let job = dir.path().join("retail/orders/emp_sync.job");
    let paths = std::fs::read_dir(job).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|e| e == extension)).collect()
}

fn flip_in_files(paths: &[PathBuf], needle: &[u8]) -> usize {
    let mut flipped = 0;
    for path in paths {
        let mut bytes = std::fs::read(path).unwrap();
        let Some(at) = bytes.windows(needle.len()).position(|w| w == needle) else { continue };
        bytes[at] ^= 1;
        std::fs::File::create(path).unwrap().write_all(&bytes).unwrap();
        flipped += 1;
    }
    flipped
}

#[tokio::test]
async fn a_flipped_byte_on_disk_damages_one_snapshot_and_hides_none() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir).await;
    let fence = store.acquire().await.unwrap();
    for id in 1..=3 {
        store.put(fence, &sample(id)).await.unwrap();
    }
    store.job.db.flush().unwrap();
    drop(store);
    assert_eq!(flip_in_files(&files(&dir, "sst"), b"{\"text\":\"token 2\"}"), 1);

    let store = open(&dir).await;
    let listed = store.list().await.unwrap();
    let valid: Vec<_> = listed.iter().map(|e| (e.id.0, e.content.is_ok())).collect();
    assert_eq!(valid, [(3, true), (2, false), (1, true)]);
    assert!(matches!(store.get(CheckpointId(2)).await, Err(StoreError::Damaged { .. })));
    assert_eq!(store.get(CheckpointId(3)).await.unwrap(), sample(3));
}

#[tokio::test]
async fn a_flipped_byte_in_the_log_is_told_and_never_a_step_back() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir).await;
    let fence = store.acquire().await.unwrap();
    for id in 1..=3 {
        store.put(fence, &sample(id)).await.unwrap();
    }
    drop(store);
    assert_eq!(flip_in_files(&files(&dir, "log"), b"{\"text\":\"token 2\"}"), 1);
    let error = RocksStore::open(dir.path(), JOB).await.unwrap_err();
    assert!(matches!(error, StoreError::Io { .. }), "{error:?}");
    assert!(error.to_string().contains("restore it from a copy"), "{error}");
}

#[tokio::test]
async fn a_log_torn_in_its_last_write_opens_without_it() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir).await;
    let fence = store.acquire().await.unwrap();
    for id in 1..=3 {
        store.put(fence, &sample(id)).await.unwrap();
    }
    drop(store);
    let logs = files(&dir, "log");
    let log = logs.iter().max_by_key(|log| std::fs::metadata(log).unwrap().len()).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(log).unwrap();
    file.set_len(file.metadata().unwrap().len() - 10).unwrap();
    let listed = open(&dir).await.list().await.unwrap();
    assert_eq!(listed.iter().map(|entry| entry.id.0).collect::<Vec<_>>(), [2, 1]);
}

#[tokio::test]
async fn jobs_are_listed_by_name_wherever_they_lie() {
    let dir = TempDir::new().unwrap();
    let missing = dir.path().join("not/there");
    assert_eq!(super::jobs(&missing).await.unwrap(), [""; 0]);
    for job in ["emp_sync", "retail/orders", "retail/orders/emp", "../out of it", "订单"] {
        RocksStore::open(dir.path(), job).await.unwrap();
    }
    std::fs::create_dir_all(dir.path().join("no database.job")).unwrap();
    std::fs::write(dir.path().join("notes.job"), "a file").unwrap();
    let found = super::jobs(dir.path()).await.unwrap();
    assert_eq!(found, ["../out of it", "emp_sync", "retail/orders", "retail/orders/emp", "订单"]);
}

async fn drained(spool: &Spool, slot: u32) -> Vec<(u64, Vec<u8>)> {
    let (mut drain, mut all) = (spool.drain(slot), Vec::new());
    loop {
        let batch = drain.next().await.unwrap();
        if batch.is_empty() {
            return all;
        }
        let bytes: usize = batch.iter().map(|(_, change)| change.len()).sum();
        assert!(batch.len() == 1 || bytes <= SPOOL_BATCH_BYTES_MAX, "{bytes} bytes at once");
        all.extend(batch);
    }
}

#[tokio::test]
async fn held_back_changes_come_in_order_and_in_bounded_batches() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir).await;
    let spool = store.spool();
    let change = |seq: u64| (seq * 300, noise(seq + 1, 300_000));
    for first in [0_u64, 25] {
        spool.append(7, (first..first + 25).map(change).collect()).await.unwrap();
        spool.append(8, vec![(first, b"other".to_vec())]).await.unwrap();
    }
    spool.append(7, vec![(u64::MAX, noise(99, 9_000_000))]).await.unwrap();
    let mut expect: Vec<_> = (0..50).map(change).collect();
    expect.push((u64::MAX, noise(99, 9_000_000)));
    assert!(drained(&spool, 7).await == expect, "all, in order, through flushes to disk");
    assert_eq!(drained(&spool, 8).await.len(), 2);
    assert!(drained(&spool, 9).await.is_empty());
}

#[tokio::test]
async fn a_cleared_slot_is_empty_and_starts_over_while_others_stay() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir).await;
    let spool = store.spool();
    for slot in [6, 7, 8] {
        spool.append(slot, vec![(0, b"a".to_vec()), (u64::MAX, b"z".to_vec())]).await.unwrap();
    }
    spool.clear(7).await.unwrap();
    assert!(drained(&spool, 7).await.is_empty());
    assert_eq!((drained(&spool, 6).await.len(), drained(&spool, 8).await.len()), (2, 2));
    spool.append(7, vec![(0, b"b".to_vec())]).await.unwrap();
    assert_eq!(drained(&spool, 7).await, [(0, b"b".to_vec())]);
}

#[tokio::test]
async fn a_sequence_that_does_not_grow_is_refused() {
    let dir = TempDir::new().unwrap();
    let spool = open(&dir).await.spool();
    spool.append(1, vec![(5, b"a".to_vec())]).await.unwrap();
    for bad in [vec![(5, vec![])], vec![(4, vec![])], vec![(6, vec![]), (6, vec![])]] {
        assert!(spool.append(1, bad).await.is_err());
    }
    spool.append(2, vec![(1, vec![])]).await.expect("another slot has its own sequence");
    assert_eq!(drained(&spool, 1).await, [(5, b"a".to_vec())]);
}

#[tokio::test]
async fn the_spool_is_empty_whenever_a_job_opens() {
    let dir = TempDir::new().unwrap();
    for flushed in [false, true, true] {
        let store = open(&dir).await;
        let spool = store.spool();
        assert!(drained(&spool, 1).await.is_empty());
        spool.append(1, vec![(0, b"a".to_vec())]).await.unwrap();
        if flushed {
            store.job.db.flush_cf(store.job.db.cf_handle(options::SPOOL).unwrap()).unwrap();
        }
        let fence = store.acquire().await.unwrap();
        store.put(fence, &sample(fence.0)).await.unwrap();
    }
    let left = open(&dir).await.list().await.unwrap();
    assert_eq!(left.len(), 3, "and the checkpoints beside it stay");
}

/// Set for the process that the tests below start: the state it is to work on.
const CHILD_DIR: &str = "SEACHANGE_TEST_STATE";

/// Not a test by itself: runs in the other process, puts a snapshot, says so, and stays.
#[tokio::test]
async fn other_process() {
    let Ok(dir) = std::env::var(CHILD_DIR) else { return };
    let store = RocksStore::open(Path::new(&dir), JOB).await.unwrap();
    let fence = store.acquire().await.unwrap();
    for line in std::io::stdin().lines() {
        let id = line.unwrap().parse().unwrap();
        store.put(fence, &sample(id)).await.unwrap();
        println!("\nput");
    }
}

struct Child(std::process::Child, std::io::BufReader<std::process::ChildStdout>);

impl Child {
    fn start(dir: &TempDir) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", "rocks::tests::other_process"])
            .env(CHILD_DIR, dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = std::io::BufReader::new(child.stdout.take().unwrap());
        Self(child, out)
    }

    fn put(&mut self, id: u64) {
        writeln!(self.0.stdin.as_ref().unwrap(), "{id}").unwrap();
        let mut line = String::new();
        while line.trim() != "put" {
            line.clear();
            assert!(std::io::BufRead::read_line(&mut self.1, &mut line).unwrap() > 0, "it died");
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _either = self.0.kill();
        let _either = self.0.wait();
    }
}

#[tokio::test]
async fn another_process_is_seen_while_it_runs_and_leaves_everything_when_killed() {
    let dir = TempDir::new().unwrap();
    let mut child = Child::start(&dir);
    child.put(1);
    let reader = RocksReader::open(dir.path(), JOB).unwrap();
    assert_eq!(reader.list().await.unwrap().len(), 1);
    let refused = RocksStore::open(dir.path(), JOB).await;
    assert!(matches!(refused, Err(StoreError::Fenced { .. })), "{refused:?}");
    child.put(2);
    assert_eq!(reader.list().await.unwrap().len(), 2, "new puts are seen");
    child.put(3);
    drop(child);
    let store = open(&dir).await;
    assert_eq!(store.list().await.unwrap().len(), 3, "a kill loses nothing that was put");
    assert_eq!(store.get(CheckpointId(3)).await.unwrap(), sample(3));
}
