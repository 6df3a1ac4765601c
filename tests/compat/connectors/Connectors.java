import com.starrocks.connector.flink.catalog.StarRocksCatalog;
import com.starrocks.connector.flink.catalog.StarRocksColumn;
import com.starrocks.connector.flink.catalog.StarRocksTable;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.doris.flink.catalog.doris.DataModel;
import org.apache.doris.flink.catalog.doris.FieldSchema;
import org.apache.doris.flink.catalog.doris.TableSchema;
import org.apache.doris.flink.cfg.DorisOptions;
import org.apache.doris.flink.sink.schema.SchemaChangeManager;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.api.Schema;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.types.Row;
import org.apache.flink.types.RowKind;

/** Lets the connectors that each system's own people wrote load into the stand-in, and reads back what arrived. */
public class Connectors {
    static final String USER = "root";
    static final String DB = "shop";
    static final String NO_TLS = "?sslMode=DISABLED&allowPublicKeyRetrieval=true";
    static final String EXPECTED = "[1|one|1.50, 2|zwö|null]";

    final String system;
    final String fe;
    final String sql;
    int failed = 0;

    interface Check {
        void run(String table) throws Exception;
    }

    Connectors(String system, String fe, String sql) {
        this.system = system;
        this.fe = fe;
        this.sql = sql;
    }

    /** System, its frontend, its MySQL port; the password comes from the environment. */
    public static void main(String[] arguments) throws Exception {
        Connectors connectors = new Connectors(arguments[0], arguments[1], arguments[2]);
        connectors.query("CREATE DATABASE " + DB);
        if (connectors.system.equals("doris")) {
            connectors.doris();
        } else {
            connectors.starrocks();
        }
        System.out.flush();
        // Flink leaves threads behind.
        Runtime.getRuntime().halt(connectors.failed == 0 ? 0 : 1);
    }

    void doris() {
        Map<String, String> json = Map.of(
                "sink.properties.format", "json", "sink.properties.read_json_by_line", "true");
        check("json_in_two_phases", table -> load(table, json));
        check("csv_in_two_phases", table -> load(table, Map.of("sink.properties.column_separator", "\\x01")));
        check("compressed", table -> load(table, with(json, "sink.properties.compress_type", "gz")));
        check("in_batches", table -> load(table, with(json, "sink.enable.batch-mode", "true")));
        check("to_backends", table -> load(table, with(json, "auto-redirect", "false")));
        check("at_least_once", table -> load(table, with(json, "sink.enable-2pc", "false")));
        check("upserts_and_deletes", table -> upsertAndDelete(table, json));
        check("changes_of_columns", this::alterDoris);
    }

    void starrocks() {
        Map<String, String> json = Map.of(
                "sink.properties.format", "json", "sink.properties.strip_outer_array", "true");
        Map<String, String> once = Map.of("sink.semantic", "exactly-once", "sink.label-prefix", "once");
        check("csv_in_transactions", table -> load(table, Map.of()));
        check("json_in_transactions", table -> load(table, json));
        check("compressed", table -> load(table, with(json, "sink.properties.compression", "lz4_frame")));
        check("in_one_request", table -> load(table, Map.of("sink.version", "V1")));
        check("exactly_once", table -> load(table, once));
        check("upserts_and_deletes", table -> upsertAndDelete(table, json));
        check("changes_of_columns", this::alterStarRocks);
    }

    void check(String name, Check check) {
        String result = "ok";
        try {
            String table = "t_" + name;
            String key = system.equals("doris") ? "UNIQUE" : "PRIMARY";
            query("CREATE TABLE " + DB + "." + table + " (id INT NOT NULL, name VARCHAR(20), price DECIMAL(10,2)) " + key
                    + " KEY(id) DISTRIBUTED BY HASH(id) BUCKETS 1 PROPERTIES ('replication_num'='1')");
            check.run(table);
            String found = query("SELECT id, name, price FROM " + DB + "." + table + " ORDER BY id").toString();
            expect(EXPECTED, found);
        } catch (Throwable error) {
            failed++;
            Throwable cause = error;
            while (cause.getCause() != null) {
                cause = cause.getCause();
            }
            result = "FAILED: " + cause;
            error.printStackTrace();
        }
        System.out.printf("%-28s %-10s %s%n", name, system, result);
    }

    static void expect(Object expected, Object found) {
        if (!expected.equals(found)) {
            throw new AssertionError("expected " + expected + ", found " + found);
        }
    }

    static Map<String, String> with(Map<String, String> options, String name, String value) {
        Map<String, String> all = new LinkedHashMap<>(options);
        all.put(name, value);
        return all;
    }

    /** A Flink of its own, with a table in it that is the one over there. */
    StreamTableEnvironment flink(StreamExecutionEnvironment env, String table, Map<String, String> options) {
        Map<String, String> all = new LinkedHashMap<>();
        all.put("connector", system);
        all.put("username", USER);
        all.put("password", System.getenv("PASSWORD"));
        if (system.equals("doris")) {
            all.put("fenodes", fe);
            all.put("table.identifier", DB + "." + table);
            all.put("sink.label-prefix", "flink-" + table + "-" + System.nanoTime());
        } else {
            all.put("load-url", fe);
            all.put("jdbc-url", "jdbc:mysql://" + sql + "/" + NO_TLS);
            all.put("database-name", DB);
            all.put("table-name", table);
        }
        all.putAll(options);
        List<String> pairs = new ArrayList<>();
        all.forEach((name, value) -> pairs.add("'" + name + "'='" + value + "'"));
        StreamTableEnvironment tables = StreamTableEnvironment.create(env);
        tables.executeSql("CREATE TABLE far (id INT, name STRING, price DECIMAL(10,2), PRIMARY KEY (id) NOT ENFORCED) WITH ("
                + String.join(",", pairs) + ")");
        return tables;
    }

    static StreamExecutionEnvironment environment() {
        StreamExecutionEnvironment env = StreamExecutionEnvironment.createLocalEnvironment(1, new Configuration());
        env.enableCheckpointing(300);
        return env;
    }

    void load(String table, Map<String, String> options) throws Exception {
        flink(environment(), table, options)
                .executeSql("INSERT INTO far VALUES (1, 'one', CAST(1.5 AS DECIMAL(10,2))), (2, 'zwö', CAST(NULL AS DECIMAL(10,2)))")
                .await();
    }

    void upsertAndDelete(String table, Map<String, String> options) throws Exception {
        flink(environment(), table, options)
                .executeSql("INSERT INTO far VALUES (1, 'eins', CAST(1 AS DECIMAL(10,2))), (3, 'drei', CAST(3 AS DECIMAL(10,2)))")
                .await();
        expect("[1|eins|1.00, 3|drei|3.00]", query("SELECT id, name, price FROM " + DB + "." + table + " ORDER BY id").toString());
        StreamExecutionEnvironment env = environment();
        StreamTableEnvironment tables = flink(env, table, options);
        TypeInformation<Row> type = Types.ROW_NAMED(
                new String[] {"id", "name", "price"}, Types.INT, Types.STRING, Types.BIG_DEC);
        Schema schema = Schema.newBuilder()
                .column("id", "INT NOT NULL")
                .column("name", "STRING")
                .column("price", "DECIMAL(10,2)")
                .primaryKey("id")
                .build();
        var changes = env.fromCollection(
                List.of(
                        Row.ofKind(RowKind.UPDATE_AFTER, 1, "one", new java.math.BigDecimal("1.50")),
                        Row.ofKind(RowKind.INSERT, 2, "zwö", null),
                        Row.ofKind(RowKind.DELETE, 3, "drei", new java.math.BigDecimal("3.00"))),
                type);
        tables.createTemporaryView("changes", tables.fromChangelogStream(changes, schema, ChangelogMode.all()));
        tables.executeSql("INSERT INTO far SELECT * FROM changes").await();
    }

    /** Over HTTP. */
    void alterDoris(String table) throws Exception {
        DorisOptions options = DorisOptions.builder()
                .setFenodes(fe)
                .setTableIdentifier("web.hits")
                .setUsername(USER)
                .setPassword(System.getenv("PASSWORD"))
                .build();
        SchemaChangeManager manager = new SchemaChangeManager(options);
        TableSchema schema = new TableSchema();
        schema.setDatabase("web");
        schema.setTable("hits");
        schema.setModel(DataModel.UNIQUE);
        schema.setKeys(List.of("id"));
        schema.setDistributeKeys(List.of("id"));
        schema.setProperties(new LinkedHashMap<>(Map.of("replication_num", "1")));
        schema.setTableComment("visits");
        Map<String, FieldSchema> fields = new LinkedHashMap<>();
        fields.put("id", new FieldSchema("id", "BIGINT", "the number"));
        fields.put("page", new FieldSchema("page", "VARCHAR(20)", "it''s where"));
        schema.setFields(fields);
        expect(true, manager.createTable(schema));
        for (int times = 0; times < 2; times++) {
            expect(true, manager.addColumn("web", "hits", new FieldSchema("note", "INT", "7", "why")));
        }
        expect(true, manager.modifyColumnDataType("web", "hits", new FieldSchema("page", "VARCHAR(40)", "where")));
        expect(true, manager.modifyColumnComment("web", "hits", "page", "where to"));
        expect(true, manager.renameColumn("web", "hits", "note", "remark"));
        expect(true, manager.checkColumnExists("web", "hits", "remark"));
        for (int times = 0; times < 2; times++) {
            expect(true, manager.dropColumn("web", "hits", "remark"));
        }
        expect(2, manager.getTableSchema("web", "hits").getProperties().size());
        load(table, Map.of("sink.properties.format", "json", "sink.properties.read_json_by_line", "true"));
    }

    /** Over the MySQL port. */
    void alterStarRocks(String table) throws Exception {
        StarRocksCatalog catalog = new StarRocksCatalog("jdbc:mysql://" + sql + "/" + NO_TLS, USER, System.getenv("PASSWORD"));
        catalog.open();
        catalog.createDatabase("web", true);
        expect(true, catalog.databaseExists("web"));
        StarRocksColumn id = new StarRocksColumn.Builder()
                .setColumnName("id").setDataType("BIGINT").setNullable(false).setOrdinalPosition(0).build();
        StarRocksColumn page = new StarRocksColumn.Builder()
                .setColumnName("page").setDataType("VARCHAR").setColumnSize(20).setNullable(true).setOrdinalPosition(1)
                .setColumnComment("where").build();
        StarRocksColumn note = new StarRocksColumn.Builder()
                .setColumnName("note").setDataType("INT").setNullable(true).setOrdinalPosition(2).build();
        StarRocksTable hits = new StarRocksTable.Builder()
                .setDatabaseName("web").setTableName("hits").setTableType(StarRocksTable.TableType.PRIMARY_KEY)
                .setColumns(List.of(id, page)).setTableKeys(List.of("id")).setDistributionKeys(List.of("id"))
                .setComment("visits")
                // The connector wants to see a job, which a change that is done at once may not leave.
                .setTableProperties(Map.of("replication_num", "1", "fast_schema_evolution", "false"))
                .build();
        catalog.createTable(hits, true);
        catalog.alterAddColumns("web", "hits", List.of(note), 60);
        expect(3, catalog.getTable("web", "hits").get().getColumns().size());
        catalog.alterDropColumns("web", "hits", List.of("note"), 60);
        expect(2, catalog.getTable("web", "hits").get().getColumns().size());
        catalog.close();
        load(table, Map.of());
    }

    List<String> query(String statement) throws Exception {
        String url = "jdbc:mysql://" + sql + "/" + NO_TLS;
        try (Connection connection = DriverManager.getConnection(url, USER, System.getenv("PASSWORD"));
                Statement run = connection.createStatement()) {
            List<String> rows = new ArrayList<>();
            if (run.execute(statement)) {
                ResultSet found = run.getResultSet();
                int width = found.getMetaData().getColumnCount();
                while (found.next()) {
                    List<String> cells = new ArrayList<>();
                    for (int at = 1; at <= width; at++) {
                        cells.add(String.valueOf(found.getString(at)));
                    }
                    rows.add(String.join("|", cells));
                }
            }
            return rows;
        }
    }
}
