"""Loads into the stand-in warehouse with clients that others wrote, and reads back what arrived.

Each check is a function; what it returns has to equal ROWS. `run.sh` prepares the environment.
"""

import contextlib
import io
import os
import subprocess
import sys
import tempfile
import types

USER, PASSWORD, DB = "root", "secret", "shop"
ROWS = [(1, "one", "1.50"), (2, "zwö", None)]
CSV = "1,one,1.50\n2,zwö,\\N\n"
JSON = '{"id":1,"name":"one","price":1.50}\n{"id":2,"name":"zwö","price":null}\n'


class Warehouse:
    def __init__(self, binary, system):
        self.system = system
        self.dir = tempfile.TemporaryDirectory(prefix="seachange-clients-")
        self.process = subprocess.Popen(
            [binary, "--system", system, "--data", self.dir.name + "/data", "--fe-port", "0", "--be-port", "0",
             "--query-port", "0", "--user", USER, "--password", PASSWORD],
            stdout=subprocess.PIPE, text=True, cwd=self.dir.name)
        words = dict(word.split("=") for word in self.process.stdout.readline().split()[1:])
        port = lambda name: int(words[name].rsplit(":", 1)[1])
        self.fe, self.be, self.sql = port("fe"), port("be"), port("sql")
        self.query(f"CREATE DATABASE {DB}")

    def query(self, sql):
        import pymysql
        with pymysql.connect(host="127.0.0.1", port=self.sql, user=USER, password=PASSWORD) as conn:
            with conn.cursor() as cursor:
                cursor.execute(sql)
                return cursor.fetchall()

    def table(self, name):
        key = "UNIQUE" if self.system == "doris" else "PRIMARY"
        self.query(f"CREATE TABLE {DB}.{name} (id INT NOT NULL, name VARCHAR(20), price DECIMAL(10,2)) {key} KEY(id) "
                   "DISTRIBUTED BY HASH(id) BUCKETS 1 PROPERTIES ('replication_num'='1')")

    def rows(self, name):
        rows = self.query(f"SELECT id, name, price FROM {DB}.{name} ORDER BY id")
        return [(id, text, None if price is None else str(price)) for id, text, price in rows]

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.dir.cleanup()


def told(done):
    assert done.returncode == 0, done.stderr
    return done.stdout


def curl(warehouse, table, path, *arguments, body=CSV, method="PUT"):
    url = f"http://127.0.0.1:{warehouse.fe}{path}"
    return told(subprocess.run(
        ["curl", "-sS", "--location-trusted", "-u", f"{USER}:{PASSWORD}", "-H", "Expect: 100-continue",
         "-H", "column_separator: ,", *arguments, "-X", method, *(["--data-binary", body] if body else []), url],
        capture_output=True, text=True, timeout=60))


def curl_loads_csv(warehouse, table):
    said = curl(warehouse, table, f"/api/{DB}/{table}/_stream_load", "-H", f"label: csv_{table}")
    assert '"Status": "Success"' in said, said
    again = curl(warehouse, table, f"/api/{DB}/{table}/_stream_load", "-H", f"label: csv_{table}")
    assert "Label Already Exists" in again, again


def curl_loads_json(warehouse, table):
    by_line = ["-H", "read_json_by_line: true"] if warehouse.system == "doris" else []
    said = curl(warehouse, table, f"/api/{DB}/{table}/_stream_load", "-H", "format: json", *by_line, body=JSON)
    assert '"Status": "Success"' in said, said


def curl_commits_in_two_phases(warehouse, table):
    if warehouse.system == "doris":
        said = curl(warehouse, table, f"/api/{DB}/{table}/_stream_load", "-H", "two_phase_commit: true",
                    "-H", "label: curl_2pc")
        assert '"Status": "Success"' in said, said
        assert warehouse.rows(table) == [], "visible before its commit"
        said = curl(warehouse, table, f"/api/{DB}/_stream_load_2pc", "-H", "label: curl_2pc",
                    "-H", "txn_operation: commit", body=None)
        assert "uccess" in said, said
        return
    names = ["-H", "label: curl_2pc", "-H", f"db: {DB}", "-H", f"table: {table}"]
    for name, method in [("begin", "POST"), ("load", "PUT"), ("prepare", "POST"), ("commit", "POST")]:
        body = CSV if name == "load" else None
        said = curl(warehouse, table, f"/api/transaction/{name}", *names, body=body, method=method)
        assert '"Status": "OK"' in said, f"{name}: {said}"
        assert name == "commit" or warehouse.rows(table) == [], "visible before its commit"


def mariadb_client(warehouse, table):
    """The command-line client makes and changes a table, and sees what it did; rows come by curl."""
    def ask(sql):
        return told(subprocess.run(
            ["mariadb", "--host=127.0.0.1", f"--port={warehouse.sql}", f"--user={USER}", f"--password={PASSWORD}",
             "--ssl=0", "--batch", "--skip-column-names", f"--execute={sql}"],
            capture_output=True, text=True, timeout=60))
    ask(f"ALTER TABLE {DB}.{table} ADD COLUMN note VARCHAR(10)")
    assert "note" in ask(f"DESC {DB}.{table}") and f"`{table}`" in ask(f"SHOW CREATE TABLE {DB}.{table}")
    curl_loads_json(warehouse, table)
    assert ask(f"SELECT name FROM {DB}.{table} WHERE id = 2") == "zwö\n"


def pydoris_client(warehouse, table):
    from pydoris.doris_client import DorisClient
    client = DorisClient("127.0.0.1", str(warehouse.fe), USER, PASSWORD)
    client.options.set_csv_format(",").set_auto_uuid_label()
    with contextlib.redirect_stdout(io.StringIO()):
        assert client.write(DB, table, CSV.encode())
        client.options.set_json_format().set_auto_uuid_label()
        assert client.write(DB, table, JSON.encode())


def pydoris_dialect(warehouse, table):
    """SQLAlchemy's reflection."""
    import pymysql
    pymysql.install_as_MySQLdb()
    import sqlalchemy
    engine = sqlalchemy.create_engine(f"doris://{USER}:{PASSWORD}@127.0.0.1:{warehouse.sql}/{DB}")
    inspector = sqlalchemy.inspect(engine)
    assert table in inspector.get_table_names(), inspector.get_table_names()
    columns = [column["name"] for column in inspector.get_columns(table)]
    assert columns == ["id", "name", "price"], columns
    curl_loads_csv(warehouse, table)
    with engine.connect() as conn:
        count = conn.execute(sqlalchemy.text(f"SELECT COUNT(*) FROM {table}")).scalar()
    assert count == 2, count


def doris_stream_load(warehouse, table):
    """It speaks HTTP/1.0, to a backend."""
    from http import client
    before = client.HTTPConnection._http_vsn, client.HTTPConnection._http_vsn_str
    try:
        import doris_stream_load as module
        loader = module.stream_load("127.0.0.1", USER, PASSWORD, warehouse.be, DB, table, ",")
        said = loader.sendData(CSV.strip().split("\n"))
        assert said["Status"] == "Success", said
    finally:
        client.HTTPConnection._http_vsn, client.HTTPConnection._http_vsn_str = before


def without_ray():
    """The package without its front page, which imports Ray."""
    import importlib.util
    if "ray_doris" not in sys.modules:
        place = importlib.util.find_spec("ray_doris").submodule_search_locations
        for name, path in [("ray_doris", list(place)), ("ray_doris.write", [list(place)[0] + "/write"])]:
            package = types.ModuleType(name)
            package.__path__ = path
            sys.modules[name] = package


def ray_doris_load(warehouse, table):
    """Its HTTP client, which follows redirects by its own rules, with rows as JSON: the stand-in has no Parquet."""
    without_ray()
    from ray_doris.write.connection import DorisConnection, DorisTable
    from ray_doris.write.options import DorisWriteOptions
    from ray_doris.write.stream_load import StreamLoadClient
    connection = DorisConnection("127.0.0.1", USER, PASSWORD, http_port=warehouse.fe, redirect_ports=(warehouse.be,))
    options = DorisWriteOptions()
    object.__setattr__(options, "format", "json")
    object.__setattr__(options, "load_properties", (("read_json_by_line", "true"),))
    loaded = StreamLoadClient(connection, DorisTable(DB, table), options).load(
        JSON.encode(), rows=2, columns=("id", "name", "price"))
    assert (loaded.status, loaded.loaded_rows) == ("Success", 2), loaded


def ray_doris_metadata(warehouse, table):
    without_ray()
    from ray_doris.write.connection import DorisConnection, DorisTable
    from ray_doris.write.metadata import discover_table_metadata
    connection = DorisConnection("127.0.0.1", USER, PASSWORD, mysql_port=warehouse.sql)
    found = discover_table_metadata(connection, DorisTable(DB, table))
    assert (found.model, found.key_columns, found.columns) == ("UNIQUE", ("id",), ("id", "name", "price")), found
    assert found.merge_on_write, found
    curl_loads_csv(warehouse, table)


BOTH = [curl_loads_csv, curl_loads_json, curl_commits_in_two_phases, mariadb_client]
DORIS = [pydoris_client, pydoris_dialect, doris_stream_load, ray_doris_load, ray_doris_metadata]


def main(binary):
    failed = 0
    print(f"{'client':28} {'system':10} result")
    for system, checks in [("doris", BOTH + DORIS), ("starrocks", BOTH)]:
        warehouse = Warehouse(binary, system)
        try:
            for check in checks:
                table = f"t_{check.__name__}"
                try:
                    warehouse.table(table)
                    check(warehouse, table)
                    found = warehouse.rows(table)
                    assert found == ROWS, f"arrived: {found}"
                    result = "ok"
                except Exception as error:  # whatever a client throws is its verdict
                    failed += 1
                    result = f"FAILED: {type(error).__name__}: {str(error)[:300]}"
                print(f"{check.__name__:28} {system:10} {result}", flush=True)
        finally:
            warehouse.stop()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(os.path.abspath(sys.argv[1])))
