//! What the reader makes of events, without a connection.

use model::{Column, ColumnType, Gtids, TableName, TableSchema};

use super::*;
use crate::server::FILE_START;

/// Wants every table, and takes what the binlog says of it for its schema.
#[derive(Default)]
struct Everything {
    asked: Vec<String>,
}

impl Tables for Everything {
    fn plan(&mut self, map: &TableMap, _: Settled) -> Result<Option<Arc<TablePlan>>, BinlogError> {
        self.asked.push(map.table.to_string());
        let column = Column {
            name: "id".into(),
            ty: ColumnType::Int { bytes: 4, unsigned: false },
            declared: "int".into(),
            nullable: false,
            generated: false,
            invisible: false,
        };
        let schema = Arc::new(TableSchema {
            name: TableName::new(&*map.db, &*map.table),
            columns: vec![column],
            key: vec![0],
            key_index: "PRIMARY".into(),
            collation: None,
            indexes: vec![],
        });
        TablePlan::new(map, &schema)
            .map(|plan| Some(Arc::new(plan)))
            .map_err(|e| BinlogError::Table(Box::new(e)))
    }
}

fn is_send<T: Send>(_: T) {}

/// Holds by compiling: the engine moves a reader, and its pending `next`, between threads.
#[expect(dead_code, reason = "what it promises is checked by the compiler")]
fn a_reader_can_live_in_a_task(mut reader: Reader) {
    is_send(reader.next(&mut Everything::default()));
    is_send(reader);
}

fn reader() -> Reader {
    let variables = [("version", "9.7.0"), ("server_id", "1"), ("server_uuid", "u")];
    let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let server = Server::from_variables(variables.map(own).into_iter().collect()).unwrap();
    let binlog = model::BinlogPosition { file: "b.000001".parse().unwrap(), offset: FILE_START };
    let position = Position { gtids: Gtids::None, binlog, in_transaction: None };
    Reader {
        format: FormatDescription::initial(server.flavor),
        tracker: Tracker::new(position, None),
        tables: HashMap::new(),
        holding: Holding::default(),
        link: Link::Down { retry_at: Instant::now() },
        backoff: Backoff::default(),
        down_since: None,
        watch: LinkWatch::default(),
        unreadable: 0,
        server_changed: false,
        options: SourceOptions::default(),
        server,
    }
}

fn incoming(event_type: u8, body: &[u8]) -> Incoming {
    let event_size = u32::try_from(crate::packet::HEADER_LEN + body.len()).unwrap();
    let header = EventHeader { timestamp: 1, event_type, event_size, ..Default::default() };
    let raw = RawEvent::from_parts(header, Bytes::copy_from_slice(body)).unwrap();
    Incoming { raw, inner: false }
}

/// A table of one INT column.
fn table_map(id: u8, name: &str) -> Incoming {
    let mut body = vec![id, 0, 0, 0, 0, 0, 1, 0, 1, b'd', 0];
    body.push(u8::try_from(name.len()).unwrap());
    body.extend_from_slice(name.as_bytes());
    body.extend_from_slice(&[0, 1, 3, 0, 0]);
    incoming(kind::TABLE_MAP, &body)
}

fn insert(id: [u8; 6], value: u8) -> Incoming {
    let mut body = id.to_vec();
    body.extend_from_slice(&[1, 0, 2, 0, 1, 0xff, 0, value, 0, 0, 0]);
    incoming(kind::WRITE_ROWS, &body)
}

fn query(sql: &str) -> Incoming {
    let mut body = vec![0; 13];
    body.push(0);
    body.extend_from_slice(sql.as_bytes());
    incoming(kind::QUERY, &body)
}

fn format_description() -> Incoming {
    let mut body = vec![4, 0];
    body.extend_from_slice(&[0; 50]);
    body.extend_from_slice(&[0, 0, 0, 0, 19]);
    body.extend_from_slice(&[8; 42]);
    body.push(0);
    incoming(kind::FORMAT_DESCRIPTION, &body)
}

/// The table that rows came of, where they came.
fn take(
    reader: &mut Reader,
    event: Incoming,
    tables: &mut Everything,
) -> Result<Option<String>, BinlogError> {
    let delivered = reader.take(event, tables)?;
    Ok(delivered.and_then(|delivered| {
        let StreamEvent::Rows(rows) = delivered.event else { return None };
        Some(rows.plan.schema().name.to_string())
    }))
}

const SEVEN: [u8; 6] = [7, 0, 0, 0, 0, 0];

#[test]
fn after_a_new_file_begins_a_table_number_means_nothing_until_it_is_named_again() {
    let (mut reader, mut tables) = (reader(), Everything::default());
    for event in [query("BEGIN"), table_map(7, "a")] {
        take(&mut reader, event, &mut tables).unwrap();
    }
    let rows = take(&mut reader, insert(SEVEN, 1), &mut tables).unwrap();
    assert_eq!(rows.as_deref(), Some("d.a"));
    for event in [query("COMMIT"), format_description(), query("BEGIN")] {
        take(&mut reader, event, &mut tables).unwrap();
    }
    let error = take(&mut reader, insert(SEVEN, 2), &mut tables).unwrap_err().to_string();
    assert!(error.contains("no table map has named (number 7)"), "{error}");
    take(&mut reader, table_map(7, "b"), &mut tables).unwrap();
    let rows = take(&mut reader, insert(SEVEN, 3), &mut tables).unwrap();
    assert_eq!(rows.as_deref(), Some("d.b"));
}

#[test]
fn a_table_number_given_to_another_table_is_that_tables_from_there_on() {
    let (mut reader, mut tables) = (reader(), Everything::default());
    let mut seen = Vec::new();
    let events =
        [query("BEGIN"), table_map(7, "a"), insert(SEVEN, 1), table_map(7, "b"), insert(SEVEN, 2)];
    for event in events {
        seen.extend(take(&mut reader, event, &mut tables).unwrap());
    }
    assert_eq!(seen, ["d.a", "d.b"]);
    take(&mut reader, table_map(7, "b"), &mut tables).unwrap();
    assert_eq!(tables.asked, ["a", "b"], "a map as before is not asked for again");
}

#[test]
fn rows_of_no_table_only_end_their_statement() {
    let (mut reader, mut tables) = (reader(), Everything::default());
    take(&mut reader, query("BEGIN"), &mut tables).unwrap();
    let dummy = incoming(kind::WRITE_ROWS, &[0xff, 0xff, 0xff, 0, 0, 0, 1, 0, 2, 0, 0]);
    assert_eq!(take(&mut reader, dummy, &mut tables).unwrap(), None);
}

#[test]
fn rows_of_the_first_version_ever_stop_the_stream() {
    // PRE_GA_WRITE_ROWS_EVENT, of servers before 5.1.18.
    let (mut reader, mut tables) = (reader(), Everything::default());
    take(&mut reader, query("BEGIN"), &mut tables).unwrap();
    let error = take(&mut reader, incoming(20, &[7; 20]), &mut tables).unwrap_err().to_string();
    assert!(error.contains("unknown type 20"), "{error}");
}

#[tokio::test]
async fn a_lost_connection_is_told_with_each_failure_until_something_comes_or_the_stream_is_over() {
    let (mut reader, mut tables) = (reader(), Everything::default());
    let told = Arc::new(std::sync::Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    reader.watch(LinkWatch::new(move |state| {
        let text = match state {
            LinkState::Up { address } => format!("up: {address}"),
            LinkState::Down(Down { address, error, failures, position }) => {
                format!("down {failures}: {address}, {error}, {position}")
            }
            LinkState::Over => "over".to_owned(),
        };
        tell.lock().unwrap().push(text);
    }));
    let heartbeat = || incoming(kind::HEARTBEAT, b"b.000001");
    for _ in 0..2 {
        reader.broken(crate::connection::Broken::Lost("gone".to_owned())).unwrap();
    }
    // What a server sends in any case, and before it breaks again.
    reader.hand_out(format_description(), &mut tables).unwrap();
    assert_eq!(told.lock().unwrap().len(), 3);
    reader.hand_out(heartbeat(), &mut tables).unwrap();
    reader.hand_out(heartbeat(), &mut tables).unwrap();
    drop(reader);
    let down = |n| {
        format!("down {n}: localhost:3306, the binlog stream broke at b.000001:4: gone, b.000001:4")
    };
    let up = || "up: localhost:3306".to_owned();
    assert_eq!(*told.lock().unwrap(), [up(), down(1), down(2), up(), "over".to_owned()]);
}
