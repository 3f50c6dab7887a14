import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.config.*;
import org.apache.kafka.common.quota.*;
import org.apache.kafka.common.serialization.*;

/** Moves records in transactions of the second protocol, and calls what admin tools and UIs call. */
public class Protocol2 {
    static void check(boolean ok, String what) { System.out.println((ok ? "ok   " : "FAIL ") + what); }
    public static void main(String[] a) throws Exception {
        String b = a[0];
        Properties p = new Properties();
        p.put("bootstrap.servers", b);
        Admin admin = Admin.create(p);
        admin.createTopics(List.of(new NewTopic("in", 2, (short) 1), new NewTopic("out", 2, (short) 1))).all().get();
        System.out.println("features " + admin.describeFeatures().featureMetadata().get());
        try { var q = admin.describeMetadataQuorum().quorumInfo().get(); check(q.leaderId() == 1 && q.voters().size() == 1, "describeMetadataQuorum " + q); } catch (Exception e) { check(false, "quorum " + e); }
        Properties pp = new Properties(); pp.putAll(p);
        pp.put("key.serializer", StringSerializer.class.getName()); pp.put("value.serializer", StringSerializer.class.getName());
        try (var plain = new KafkaProducer<String, String>(pp)) { for (int i = 0; i < 100; i++) plain.send(new ProducerRecord<>("in", i % 2, "k" + i, "v" + i)); }
        Properties tp = new Properties(); tp.putAll(pp); tp.put("transactional.id", "tx");
        Properties cp = new Properties(); cp.putAll(p); cp.put("group.id", "g"); cp.put("auto.offset.reset", "earliest"); cp.put("isolation.level", "read_committed");
        cp.put("enable.auto.commit", "false"); cp.put("max.poll.records", "10");
        cp.put("key.deserializer", StringDeserializer.class.getName()); cp.put("value.deserializer", StringDeserializer.class.getName());
        if (a.length > 1) cp.put("group.protocol", a[1]);
        List<Integer> epochs = new ArrayList<>();
        int moved = 0, aborted = 0;
        try (var producer = new KafkaProducer<String, String>(tp); var consumer = new KafkaConsumer<String, String>(cp)) {
            producer.initTransactions();
            consumer.subscribe(List.of("in"));
            long end = System.currentTimeMillis() + 30000;
            int round = 0;
            while (moved < 100 && System.currentTimeMillis() < end) {
                var records = consumer.poll(Duration.ofMillis(200));
                if (records.isEmpty()) continue;
                producer.beginTransaction();
                Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
                for (var r : records) {
                    producer.send(new ProducerRecord<>("out", r.partition(), r.key(), r.value()));
                    offsets.put(new TopicPartition("in", r.partition()), new OffsetAndMetadata(r.offset() + 1));
                }
                if (round++ % 3 == 1) {
                    producer.flush();
                    producer.abortTransaction(); aborted++;
                    for (var tpn : records.partitions()) consumer.seek(tpn, records.records(tpn).get(0).offset());
                } else {
                    producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
                    producer.commitTransaction(); moved += records.count();
                }
                epochs.add(admin.describeTransactions(List.of("tx")).description("tx").get().producerEpoch());
            }
            check(moved == 100 && aborted > 1, "moved " + moved + " aborted " + aborted);
            boolean grows = true; for (int i = 1; i < epochs.size(); i++) grows &= epochs.get(i) == epochs.get(i - 1) + 1;
            check(grows && epochs.size() > 5, "every end raises the epoch " + epochs);
            // another with the same id fences it
            try (var other = new KafkaProducer<String, String>(tp)) { other.initTransactions(); }
            producer.beginTransaction();
            try { producer.send(new ProducerRecord<>("out", "x", "x")); producer.commitTransaction(); check(false, "fenced"); }
            catch (KafkaException e) { check(true, "fenced: " + e.getClass().getSimpleName() + " " + e.getMessage()); }
        }
        var set = new TreeMap<String, Integer>();
        Properties rp = new Properties(); rp.putAll(cp); rp.put("group.id", "r"); rp.remove("group.protocol"); rp.put("max.poll.records", "500");
        try (var consumer = new KafkaConsumer<String, String>(rp)) {
            consumer.assign(List.of(new TopicPartition("out", 0), new TopicPartition("out", 1)));
            long end = System.currentTimeMillis() + 5000;
            while (System.currentTimeMillis() < end && set.size() < 100) for (var r : consumer.poll(Duration.ofMillis(200))) set.merge(r.value(), 1, Integer::sum);
            for (var r : consumer.poll(Duration.ofMillis(500))) set.merge(r.value(), 1, Integer::sum);
        }
        check(set.size() == 100 && set.values().stream().allMatch(n -> n == 1), "read committed: " + set.size() + " once each");
        var committed = admin.listConsumerGroupOffsets("g").partitionsToOffsetAndMetadata().get();
        check(committed.values().stream().mapToLong(OffsetAndMetadata::offset).sum() == 100, "positions " + committed);
        // quotas
        var entity = new ClientQuotaEntity(Map.of("user", "alice"));
        admin.alterClientQuotas(List.of(new ClientQuotaAlteration(entity, List.of(new ClientQuotaAlteration.Op("producer_byte_rate", 1024.0))))).all().get();
        check(admin.describeClientQuotas(ClientQuotaFilter.all()).entities().get().get(entity).get("producer_byte_rate") == 1024.0, "client quotas");
        var dirs = admin.describeLogDirs(List.of(1)).allDescriptions().get();
        check(dirs.get(1).size() == 1, "log dirs " + dirs.get(1).keySet());
        check(admin.listConfigResources().all().get().size() >= 3, "config resources");
        try { admin.updateFeatures(Map.of("group.version", new FeatureUpdate((short) 0, FeatureUpdate.UpgradeType.SAFE_DOWNGRADE)), new UpdateFeaturesOptions()).all().get(); check(false, "updateFeatures"); }
        catch (Exception e) { check(true, "updateFeatures refused: " + e.getMessage()); }
        try { admin.alterPartitionReassignments(Map.of(new TopicPartition("in", 0), Optional.of(new NewPartitionReassignment(List.of(1))))).all().get(); check(true, "reassign to itself"); } catch (Exception e) { check(false, "reassign " + e); }
        try { admin.alterReplicaLogDirs(Map.of(new TopicPartitionReplica("in", 0, 1), "/nowhere")).all().get(); check(false, "replica dirs"); } catch (Exception e) { check(true, "replica dirs: " + e.getMessage()); }
        check(admin.listOffsets(Map.of(new TopicPartition("in", 0), OffsetSpec.earliestLocal())).all().get().size() == 1, "listOffsets earliestLocal");
        check(admin.listTransactions(new ListTransactionsOptions().filterOnTransactionalIdPattern("t.*")).all().get().size() == 1, "listTransactions pattern");
        System.out.println("groups " + admin.listGroups().all().get());
        admin.close();
    }
}
