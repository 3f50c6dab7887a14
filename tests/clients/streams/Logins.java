// A Kafka Streams application: logins are counted by host and minute, and joined with connections of the same host and its owner.
//
//   logins       value HOST|ID, no key                   ┐ both get the host as key: two repartition topics
//   connections  value HOST|ID, no key                   ┘
//   hosts        key HOST, value OWNER                   a table
//   counts       key HOST@MINUTE, value COUNT            each login of a host and minute gives the next count
//   joined       key HOST, value LOGIN+CONNECTION@OWNER  each pair at most five seconds apart
//
// usage: java Logins BOOTSTRAP NAME STATE_DIR     topics are called NAME-logins and so on; the application NAME
//
// Everything is committed with exactly_once_v2. Each update of a count is sent on, so that a lost or doubled record shows.
import java.time.Duration;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Named;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.kstream.StreamJoined;
import org.apache.kafka.streams.kstream.TimeWindows;

public class Logins {
    // Nothing is late: which partition is read first must not show in the result.
    static final Duration GRACE = Duration.ofDays(1);
    static final Duration APART_MAX = Duration.ofSeconds(5);

    public static void main(String[] args) throws InterruptedException {
        String name = args[1];
        StreamsBuilder builder = new StreamsBuilder();
        KStream<String, String> logins = byHost(builder, name, "logins");
        KStream<String, String> connections = byHost(builder, name, "connections");
        KTable<String, String> owners = builder.table(name + "-hosts");

        logins.groupByKey()
            .windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofMinutes(1), GRACE))
            .count(Named.as("count"))
            .toStream((window, count) -> window.key() + "@" + window.window().start())
            .to(name + "-counts", Produced.with(Serdes.String(), Serdes.Long()));

        logins.join(connections, (login, connection) -> login + "+" + connection,
                JoinWindows.ofTimeDifferenceAndGrace(APART_MAX, GRACE), StreamJoined.as("pairs"))
            .join(owners, (pair, owner) -> pair + "@" + owner)
            .to(name + "-joined");

        Properties config = new Properties();
        config.put(StreamsConfig.APPLICATION_ID_CONFIG, name);
        config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
        config.put(StreamsConfig.STATE_DIR_CONFIG, args[2]);
        config.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        config.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 2);
        config.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0);
        config.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        config.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        config.put(StreamsConfig.consumerPrefix("auto.offset.reset"), "earliest");
        // The shortest that brokers allow: after a kill the others wait for it.
        config.put(StreamsConfig.consumerPrefix("session.timeout.ms"), 6000);
        config.put(StreamsConfig.consumerPrefix("heartbeat.interval.ms"), 1000);

        KafkaStreams streams = new KafkaStreams(builder.build(), config);
        CountDownLatch stopped = new CountDownLatch(1);
        streams.setStateListener((now, before) -> {
            System.err.println("application: " + before + " -> " + now);
            if (now == KafkaStreams.State.ERROR || now == KafkaStreams.State.NOT_RUNNING) stopped.countDown();
        });
        Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(20))));
        streams.start();
        stopped.await();
    }

    static KStream<String, String> byHost(StreamsBuilder builder, String name, String topic) {
        return builder.<String, String>stream(name + "-" + topic)
            .selectKey((key, value) -> value.substring(0, value.indexOf('|')))
            .repartition(Repartitioned.as(topic));
    }
}
