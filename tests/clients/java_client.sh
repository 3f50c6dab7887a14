# Apache Kafka's own Java clients and tools.
# client: Apache Kafka's Java client and tools
# needs: java mvn
set -e
tool() { timeout 60 python3 "$KAFKA_TOOLS" tool "$@"; }
S="--bootstrap-server $BOOTSTRAP"
test -e "$KAFKA_TOOLS"
tool topics $S --create --topic java --partitions 3 --replication-factor 1
seq 300 | tool console-producer $S --topic java
for protocol in classic consumer; do
    test "$(tool console-consumer $S --topic java --from-beginning --max-messages 300 --group "java-$protocol" --consumer-property group.protocol=$protocol 2>/dev/null | grep -c '^[0-9]*$')" = 300
done
tool groups $S --describe --group java-classic | grep -q java
tool org.apache.kafka.tools.ProducerPerformance --topic java-tx --num-records 5000 --record-size 100 --throughput -1 --transactional-id java --transaction-duration-ms 50 $S
tool transactions $S list | grep -q CompleteCommit
tool configs $S --alter --entity-type topics --entity-name java --add-config retention.ms=1000
tool configs $S --describe --entity-type topics --entity-name java | grep -q retention.ms=1000
tool verifiable-producer $S --topic java --max-messages 100 | grep -q '"acked":100'
tool topics $S --delete --topic java
