// Apache Kafka's Java client: codecs, nulls, headers, groups of three kinds with a second member, times, transactions, admin, logins.

import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.BooleanSupplier;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.header.internals.RecordHeader;

public class Client {
    static final Map<String, String> ENV = System.getenv();
    static final String NAME = ENV.get("NAME") + "-java";
    static final String STRINGS = "org.apache.kafka.common.serialization.String";

    static Map<String, Object> config(Object... more) {
        var config = new HashMap<String, Object>(Map.of("bootstrap.servers", ENV.get("BOOTSTRAP"), "key.serializer", STRINGS + "Serializer",
            "value.serializer", STRINGS + "Serializer", "key.deserializer", STRINGS + "Deserializer", "value.deserializer", STRINGS + "Deserializer"));
        for (int i = 0; i < more.length; i += 2) config.put((String) more[i], more[i + 1]);
        return config;
    }

    static void check(boolean holds, String what) {
        if (!holds) throw new AssertionError(what);
    }

    static void until(BooleanSupplier holds, String what) throws Exception {
        for (long end = System.nanoTime() + 60_000_000_000L; !holds.getAsBoolean(); Thread.sleep(50)) check(System.nanoTime() < end, "still not: " + what);
    }

    static void codecs(String topic) throws Exception {
        for (var codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            try (var producer = new KafkaProducer<String, String>(config("compression.type", codec, "linger.ms", 5))) {
                var sent = new ArrayList<Future<RecordMetadata>>();
                for (int i = 0; i < 100; i++) {
                    var record = new ProducerRecord<>(topic, i % 4, 1000L + i, i % 3 == 0 ? null : "k" + i, i % 5 == 0 ? null : "v" + i);
                    record.headers().add(new RecordHeader("h", new byte[] {'x'})).add(new RecordHeader("n", (byte[]) null));
                    sent.add(producer.send(record));
                }
                for (var one : sent) check(one.get().offset() >= 0, codec);
            }
        }
    }

    /** Reads until it is told to stop; then it leaves. */
    static class Member extends Thread {
        final KafkaConsumer<String, String> consumer;
        final List<ConsumerRecord<String, String>> seen = Collections.synchronizedList(new ArrayList<>());
        volatile Set<Integer> share = Set.of();
        volatile boolean ends;
        volatile Throwable failure;

        Member(String topic, String group, Object... more) {
            var config = config(more);
            config.putAll(Map.of("group.id", group, "auto.offset.reset", "earliest"));
            consumer = new KafkaConsumer<>(config);
            consumer.subscribe(List.of(topic));
            start();
        }

        public void run() {
            try (consumer) {
                while (!ends) {
                    for (var record : consumer.poll(Duration.ofMillis(50))) seen.add(record);
                    var now = new HashSet<Integer>();
                    for (var partition : consumer.assignment()) now.add(partition.partition());
                    share = now;
                }
            } catch (Throwable t) {
                failure = t;
                t.printStackTrace();
            }
        }

        void leave() throws Exception {
            ends = true;
            join(20_000);
            check(failure == null, "a member failed");
        }
    }

    static void group(String topic, int before, String group, Object... more) throws Exception {
        var first = new Member(topic, group, more);
        until(() -> first.seen.size() >= before, group + ": one member reads all");
        for (var record : first.seen) {
            int i = (int) (record.timestamp() - 1000);
            if (i < 0 || i >= 100) continue;
            check(record.partition() == i % 4 && Objects.equals(record.key(), i % 3 == 0 ? null : "k" + i) && Objects.equals(record.value(), i % 5 == 0 ? null : "v" + i), record.toString());
            var headers = record.headers().toArray();
            check(headers.length == 2 && headers[0].value()[0] == 'x' && headers[1].value() == null, record.toString());
        }
        var second = new Member(topic, group, more);
        until(() -> first.share.size() == 2 && second.share.size() == 2, group + ": two members share");
        produce(topic);
        until(() -> first.seen.size() + second.seen.size() >= before + 100, group + ": two members read all");
        check(second.seen.size() == 50, group + ": the second member has read " + second.seen.size());
        second.leave();
        until(() -> first.share.size() == 4, group + ": the member left has all");
        produce(topic);
        until(() -> first.seen.size() >= before + 150, group + ": the member left reads all");
        check(first.seen.size() == before + 150, group + ": the first member has read " + first.seen.size());
        first.leave();
    }

    static void produce(String topic) throws Exception {
        try (var producer = new KafkaProducer<String, String>(config())) {
            for (int i = 0; i < 100; i++) producer.send(new ProducerRecord<>(topic, i % 4, null, "more"));
        }
    }

    static void times(String topic) {
        try (var consumer = new KafkaConsumer<String, String>(config())) {
            var partition = new TopicPartition(topic, 1);
            var found = consumer.offsetsForTimes(Map.of(partition, 1050L)).get(partition);
            check(found.offset() == 13 && found.timestamp() == 1053, found.toString());
            consumer.assign(List.of(partition));
            consumer.seek(partition, found.offset());
            check(consumer.poll(Duration.ofSeconds(10)).iterator().next().value().equals("v53"), "seek");
        }
    }

    static void transactions(String topic) throws Exception {
        var producer = new KafkaProducer<String, String>(config("transactional.id", topic));
        producer.initTransactions();
        @SuppressWarnings("removal") var group = new ConsumerGroupMetadata(topic + "-group");
        for (boolean commit : new boolean[] {true, false, true}) {
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(topic, 0, null, "" + commit));
            producer.sendOffsetsToTransaction(Map.of(new TopicPartition(topic, 0), new OffsetAndMetadata(commit ? 7 : 9)), group);
            producer.flush();
            if (commit) producer.commitTransaction(); else producer.abortTransaction();
        }
        for (var expected : Map.of("read_committed", List.of("true", "true"), "read_uncommitted", List.of("true", "false", "true")).entrySet()) {
            var reader = new Member(topic, topic + expected.getKey(), "isolation.level", expected.getKey());
            until(() -> reader.seen.size() >= expected.getValue().size(), expected.getKey());
            reader.leave();
            check(reader.seen.stream().map(ConsumerRecord::value).toList().equals(expected.getValue()), expected.getKey());
        }
        var newer = new KafkaProducer<String, String>(config("transactional.id", topic));
        newer.initTransactions();
        try {
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(topic, 0, null, "zombie")).get();
            producer.commitTransaction();
            check(false, "the older producer is not fenced");
        } catch (ExecutionException | ProducerFencedException | InvalidProducerEpochException fenced) {
            // As it should be.
        }
        newer.close();
        producer.close(Duration.ZERO);
    }

    static void admin(Admin admin, String topic) throws Exception {
        var offsets = admin.listConsumerGroupOffsets(NAME + "-tx-group").partitionsToOffsetAndMetadata().get();
        check(offsets.get(new TopicPartition(NAME + "-tx", 0)).offset() == 7, offsets.toString());
        var resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        admin.incrementalAlterConfigs(Map.of(resource, List.of(new AlterConfigOp(new ConfigEntry("retention.ms", "5000"), AlterConfigOp.OpType.SET)))).all().get();
        check(admin.describeConfigs(List.of(resource)).all().get().get(resource).get("retention.ms").value().equals("5000"), "configs");
        admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(6))).all().get();
        check(admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size() == 6, "partitions");
        admin.deleteRecords(Map.of(new TopicPartition(topic, 0), RecordsToDelete.beforeOffset(5))).all().get();
        check(admin.listOffsets(Map.of(new TopicPartition(topic, 0), OffsetSpec.earliest())).all().get().values().iterator().next().offset() == 5, "records deleted");
        check(admin.describeConsumerGroups(List.of(NAME + "-range")).all().get().get(NAME + "-range").groupState().toString().equals("Empty"), "group state");
        admin.deleteConsumerGroups(List.of(NAME + "-range")).all().get();
        admin.alterUserScramCredentials(List.of(new UserScramCredentialUpsertion(NAME, new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096), "mine"))).all().get();
        check(admin.describeCluster().nodes().get().size() == 1, "nodes");
        admin.deleteTopics(List.of(topic)).all().get();
    }

    static void logins(String topic) throws Exception {
        var tls = config("ssl.truststore.type", "PEM", "ssl.truststore.location", ENV.get("CA_FILE"), "default.api.timeout.ms", 10000, "request.timeout.ms", 5000, "max.block.ms", 10000);
        for (var login : List.of(List.of("PLAIN", ENV.get("SASL_USER"), ENV.get("SASL_PASSWORD")), List.of("SCRAM-SHA-512", ENV.get("SASL_USER"), ENV.get("SASL_PASSWORD")), List.of("SCRAM-SHA-256", NAME, "mine"))) {
            for (boolean fits : new boolean[] {true, false}) {
                var module = login.get(0).equals("PLAIN") ? "plain.Plain" : "scram.Scram";
                var config = new HashMap<>(tls);
                config.putAll(Map.of("bootstrap.servers", ENV.get("BOOTSTRAP_SASL_SSL"), "security.protocol", "SASL_SSL", "sasl.mechanism", login.get(0), "sasl.jaas.config",
                    "org.apache.kafka.common.security." + module + "LoginModule required username=\"" + login.get(1) + "\" password=\"" + (fits ? login.get(2) : "wrong") + "\";"));
                try (var producer = new KafkaProducer<String, String>(config)) {
                    producer.send(new ProducerRecord<>(topic, "v")).get();
                    check(fits, "a wrong password is taken: " + login.get(0));
                } catch (ExecutionException | SaslAuthenticationException refused) {
                    check(!fits, login + ": " + refused);
                }
            }
        }
        var config = new HashMap<>(tls);
        config.putAll(Map.of("bootstrap.servers", ENV.get("BOOTSTRAP_SSL"), "security.protocol", "SSL", "ssl.keystore.type", "PEM", "ssl.keystore.location", ENV.get("CLIENT_PEM")));
        try (var producer = new KafkaProducer<String, String>(config)) {
            check(producer.send(new ProducerRecord<>(topic, "v")).get().offset() >= 0, "mTLS");
        }
    }

    public static void main(String[] args) throws Exception {
        try (var admin = Admin.create(config())) {
            admin.createTopics(List.of(new NewTopic(NAME, 4, (short) 1), new NewTopic(NAME + "-tx", 1, (short) 1), new NewTopic(NAME + "-login", 1, (short) 1))).all().get();
            codecs(NAME);
            times(NAME);
            group(NAME, 500, NAME + "-range", "heartbeat.interval.ms", 300, "partition.assignment.strategy", "org.apache.kafka.clients.consumer.RangeAssignor");
            group(NAME, 700, NAME + "-cooperative", "heartbeat.interval.ms", 300, "partition.assignment.strategy", "org.apache.kafka.clients.consumer.CooperativeStickyAssignor");
            group(NAME, 900, NAME + "-kip848", "group.protocol", "consumer");
            transactions(NAME + "-tx");
            admin(admin, NAME);
            logins(NAME + "-login");
        }
        System.exit(0);
    }
}
