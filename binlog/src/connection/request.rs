//! What the server is asked for, and as whom.

use std::sync::OnceLock;

use model::Gtids;
use mysql_async::Sid;
use mysql_common::packets::binlog_request::BinlogRequest;
use mysql_common::packets::{BinlogDumpFlags, ComRegisterSlave};

use super::{Blocking, Start};
use crate::backoff::random;
use crate::reader::BinlogError;
use crate::server::{FILE_START, Server, SourceOptions};
use crate::wire::Wire;

/// Says that we know events with checksums. It names none of the server's, so that the rotation which
/// opens a dump, before any format description has come, has no checksum either (MySQL and MariaDB
/// source, `rpl_binlog_sender.cc` and `sql_repl.cc`).
const KNOWS_CHECKSUMS: &str = "SET @master_binlog_checksum = 'ALL'";

/// Asks for a dump. Its packets follow.
pub(super) async fn send(
    wire: &mut Wire,
    options: &SourceOptions,
    server: &Server,
    start: &Start,
    blocking: Blocking,
) -> Result<(), BinlogError> {
    let (server_id, uuid) = match blocking {
        Blocking::WaitForMore => (options.server_id, replica_uuid(options.server_id)),
        // Under those of the job's own dump it would end that.
        Blocking::StopAtEnd => {
            (0x4000_0000 | u32::try_from(random() >> 34).unwrap_or(0), random_uuid())
        }
    };
    let request = request(server_id, start, blocking)?;
    for statement in [&*replica_variables(options, server, start, &uuid), KNOWS_CHECKSUMS] {
        wire.run(statement).await.map_err(BinlogError::query("prepare the binlog dump"))?;
    }
    let asked = async {
        wire.command(&ComRegisterSlave::new(server_id)).await?;
        wire.done().await?;
        wire.command(&request.as_cmd()).await
    };
    asked.await.map_err(BinlogError::query("start the binlog dump"))
}

fn request(
    server_id: u32,
    start: &Start,
    blocking: Blocking,
) -> Result<BinlogRequest<'_>, BinlogError> {
    let mut request = BinlogRequest::new(server_id);
    if blocking == Blocking::StopAtEnd {
        request = request.with_flags(BinlogDumpFlags::BINLOG_DUMP_NON_BLOCK);
    }
    let (file, offset) = match start {
        Start::Gtids(Gtids::Mysql(set)) => {
            request = request.with_use_gtid(true).with_sids(sids(set)?);
            (None, FILE_START)
        }
        Start::Gtids(_) | Start::Oldest => (None, FILE_START),
        Start::Head(file) => (Some(file), FILE_START),
        Start::At(at) if u32::try_from(at.offset).is_ok() => (Some(&at.file), at.offset),
        Start::At(at) => (Some(&at.file), FILE_START),
    };
    if let Some(file) = file {
        request = request.with_filename(file.name().as_bytes());
    }
    Ok(request.with_pos(offset))
}

/// A job's, as a replica: one for the life of the process, so that the server ends the dump before when a
/// job connects again; and another for each job, so that jobs of one process do not end each other's.
/// Jobs are told apart by their server ids, as replicas are.
fn replica_uuid(server_id: u32) -> String {
    static PROCESS: OnceLock<[u8; 16]> = OnceLock::new();
    let mut bytes = *PROCESS.get_or_init(random_bytes);
    for (byte, of_job) in bytes.iter_mut().zip(server_id.to_be_bytes()) {
        *byte = of_job;
    }
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}

fn random_uuid() -> String {
    uuid::Builder::from_random_bytes(random_bytes()).into_uuid().to_string()
}

fn random_bytes() -> [u8; 16] {
    let (high, low) = (random().to_be_bytes(), random().to_be_bytes());
    let mut bytes = [0; 16];
    for (byte, random) in bytes.iter_mut().zip(high.into_iter().chain(low)) {
        *byte = random;
    }
    bytes
}

fn replica_variables(
    options: &SourceOptions,
    server: &Server,
    start: &Start,
    uuid: &str,
) -> String {
    let period = options.heartbeat.as_nanos();
    // Servers look for their own spelling of each and ignore the other.
    let mut sql = format!(
        "SET @master_heartbeat_period = {period}, @source_heartbeat_period = {period}, \
         @slave_uuid = '{uuid}', @replica_uuid = '{uuid}'"
    );
    if server.is_mariadb() {
        // 4: the server sends its GTIDs as they are (`MARIA_SLAVE_CAPABILITY_GTID`). Strict: the very
        // transaction that we ask to go on from must be in its log, not only a later number.
        sql.push_str(
            ", @mariadb_slave_capability = 4, @slave_gtid_strict_mode = 1, \
             @slave_gtid_ignore_duplicates = 0",
        );
        if let Start::Gtids(Gtids::Mariadb(last)) = start {
            sql.push_str(&format!(", @slave_connect_state = '{last}'"));
        }
    }
    sql
}

fn sids(set: &model::GtidSet) -> Result<Vec<Sid<'static>>, BinlogError> {
    let one = |(source, intervals): (&model::gtid::GtidSource, &[(u64, u64)])| {
        let mut text = source.to_string();
        for (first, last) in intervals {
            text.push_str(&format!(":{first}-{last}"));
        }
        text.parse::<Sid<'static>>().map_err(|_| BinlogError::Answer {
            what: "cannot put a GTID set into the protocol",
            answer: text.clone(),
        })
    };
    set.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gtid_sets_with_tags_and_holes_fit_the_protocol() {
        let u = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
        let set = format!("{u}:1-5:7,{u}:blue:1-3").parse().unwrap();
        assert_eq!(sids(&set).unwrap().len(), 2);
    }

    #[test]
    fn the_replica_uuid_stays_for_the_life_of_the_process() {
        assert_eq!(replica_uuid(7), replica_uuid(7));
        assert_ne!(replica_uuid(7), replica_uuid(8), "jobs of one process are not one replica");
        assert!(uuid::Uuid::parse_str(&replica_uuid(7)).is_ok());
    }
}
