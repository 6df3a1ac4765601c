import java.lang.management.ManagementFactory;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.cdc.connectors.mysql.source.MySqlSource;
import org.apache.flink.cdc.connectors.mysql.table.StartupOptions;
import org.apache.flink.cdc.debezium.JsonDebeziumDeserializationSchema;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.SinkFunction;

/**
 * Flink CDC's MySQL source on a Flink within this process, its changes as JSON without schemas, counted.
 * Ends with the last of so many.
 *
 * <p>{@code FlinkCdc stream|snapshot PORT TABLE CHANGES FOLDER BINLOG}: one of each task, settings are
 * defaults but for what has to be told.
 */
public final class FlinkCdc {
    private FlinkCdc() {}

    public static void main(String[] arguments) throws Exception {
        boolean stream = arguments[0].equals("stream");
        MySqlSource<String> source = MySqlSource.<String>builder()
                .hostname("127.0.0.1")
                .port(Integer.parseInt(arguments[1]))
                .username("root")
                .password("")
                .databaseList(arguments[2].split("\\.")[0])
                .tableList(arguments[2])
                .serverTimeZone("UTC")
                .serverId("5401")
                .startupOptions(stream ? StartupOptions.earliest() : StartupOptions.snapshot())
                .deserializer(new JsonDebeziumDeserializationSchema())
                .build();
        StreamExecutionEnvironment flink =
                StreamExecutionEnvironment.createLocalEnvironment(1, new Configuration());
        flink.fromSource(source, WatermarkStrategy.noWatermarks(), "source")
                .addSink(new Counting(Long.parseLong(arguments[3])));
        flink.execute();
        System.err.println("ended before the last change");
        System.exit(1);
    }

    /** Counts, and keeps nothing. */
    private static final class Counting implements SinkFunction<String> {
        private final long changes;
        private long seen;
        private long bytes;

        Counting(long changes) {
            this.changes = changes;
        }

        @Override
        public void invoke(String change, Context context) {
            if (seen == 0) {
                long up = ManagementFactory.getRuntimeMXBean().getUptime();
                System.out.printf("first after %.2f%n", up / 1000.0);
            }
            seen++;
            bytes += change.length();
            if (seen == changes) {
                System.out.printf("changes %d%nbytes %d%n", seen, bytes);
                System.out.flush();
                Runtime.getRuntime().halt(0);
            }
        }
    }
}
