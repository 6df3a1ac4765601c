import io.debezium.engine.ChangeEvent;
import io.debezium.engine.DebeziumEngine;
import io.debezium.engine.format.Json;
import java.io.ObjectOutputStream;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Properties;

/**
 * Debezium's embedded engine, its changes as JSON without schemas, counted and acknowledged. Ends with
 * the last of so many.
 *
 * <p>{@code Debezium stream|snapshot PORT TABLE CHANGES FOLDER BINLOG [NAME=VALUE]...}: settings are
 * Debezium's defaults but for what has to be told, and for those named.
 */
public final class Debezium implements DebeziumEngine.ChangeConsumer<ChangeEvent<String, String>> {
    private final long changes;
    private long seen;
    private long bytes;

    private Debezium(long changes) {
        this.changes = changes;
    }

    public static void main(String[] arguments) throws Exception {
        boolean stream = arguments[0].equals("stream");
        Path folder = Path.of(arguments[4]);
        Properties settings = settings(arguments[1], arguments[2], folder);
        if (stream) {
            // The definitions as they are now, and then all of the log.
            settings.setProperty("snapshot.mode", "recovery");
            from(folder.resolve("offsets"), arguments[5]);
        } else {
            settings.setProperty("snapshot.mode", "initial_only");
        }
        for (int at = 6; at < arguments.length; at++) {
            String[] setting = arguments[at].split("=", 2);
            settings.setProperty(setting[0], setting[1]);
        }
        DebeziumEngine.create(Json.class)
                .using(settings)
                .notifying(new Debezium(Long.parseLong(arguments[3])))
                .using((success, message, error) -> {
                    System.err.println(message);
                    Runtime.getRuntime().halt(1);
                })
                .build()
                .run();
    }

    private static Properties settings(String port, String table, Path folder) {
        Properties settings = new Properties();
        settings.setProperty("name", "peer");
        settings.setProperty("connector.class", "io.debezium.connector.mysql.MySqlConnector");
        settings.setProperty("topic.prefix", "peer");
        settings.setProperty("database.hostname", "127.0.0.1");
        settings.setProperty("database.port", port);
        settings.setProperty("database.user", "root");
        settings.setProperty("database.password", "");
        settings.setProperty("database.server.id", "5401");
        settings.setProperty("database.ssl.mode", "disabled");
        settings.setProperty("driver.allowPublicKeyRetrieval", "true");
        settings.setProperty("table.include.list", table);
        settings.setProperty("include.schema.changes", "false");
        settings.setProperty("tombstones.on.delete", "false");
        settings.setProperty("converter.schemas.enable", "false");
        // Statistics of its own, on by default, cannot keep up with a stream like this.
        settings.setProperty("statistics.metrics.enabled", "false");
        settings.setProperty("offset.storage", "org.apache.kafka.connect.storage.FileOffsetBackingStore");
        settings.setProperty("offset.storage.file.filename", folder.resolve("offsets").toString());
        settings.setProperty("schema.history.internal", "io.debezium.storage.file.history.FileSchemaHistory");
        settings.setProperty("schema.history.internal.file.filename", folder.resolve("history").toString());
        return settings;
    }

    /** What Debezium would have kept, had it stopped before the first event of the log. */
    private static void from(Path offsets, String binlog) throws Exception {
        HashMap<byte[], byte[]> kept = new HashMap<>();
        byte[] source = "[\"peer\",{\"server\":\"peer\"}]".getBytes(StandardCharsets.UTF_8);
        kept.put(source, ("{\"file\":\"" + binlog + "\",\"pos\":4}").getBytes(StandardCharsets.UTF_8));
        try (ObjectOutputStream out = new ObjectOutputStream(Files.newOutputStream(offsets))) {
            out.writeObject(kept);
        }
    }

    @Override
    public void handleBatch(
            List<ChangeEvent<String, String>> records,
            DebeziumEngine.RecordCommitter<ChangeEvent<String, String>> committer)
            throws InterruptedException {
        if (seen == 0) {
            long up = ManagementFactory.getRuntimeMXBean().getUptime();
            System.out.printf("first after %.2f%n", up / 1000.0);
        }
        for (ChangeEvent<String, String> record : records) {
            if (record.value() != null) {
                seen++;
                bytes += record.value().length();
            }
            committer.markProcessed(record);
        }
        committer.markBatchFinished();
        if (seen >= changes) {
            System.out.printf("changes %d%nbytes %d%n", seen, bytes);
            System.out.flush();
            Runtime.getRuntime().halt(0);
        }
    }
}
