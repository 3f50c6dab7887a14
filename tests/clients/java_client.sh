# Apache Kafka's own Java client (java/Client.java) and its command-line tools.
# client: Apache Kafka's Java client and tools
# needs: java mvn
# long
set -euo pipefail
test -e "$KAFKA_TOOLS" || { echo "the script that fetches Kafka's jars is not here"; exit 77; }
tool() { timeout 60 python3 "$KAFKA_TOOLS" tool "$@"; }
# Reads to the end, so that a tool is not cut off.
has() { grep -- "$1" >/dev/null; }
S="--bootstrap-server $BOOTSTRAP"
tool topics $S --create --topic "$NAME" --partitions 3 --replication-factor 1
# The tool has put them there.
jars=$(ls -d "${XDG_CACHE_HOME:-$HOME/.cache}"/apache-kafka/*/lib | tail -n 1)
timeout 120 java -Xmx256m -cp "$jars/*" "$HERE/java/Client.java" 2>client.err || { cat client.err; exit 1; }
seq 300 | tool console-producer $S --topic "$NAME"
for protocol in classic consumer; do
    test "$(tool console-consumer $S --topic "$NAME" --from-beginning --max-messages 300 --group "$NAME-$protocol" --consumer-property group.protocol=$protocol 2>/dev/null | grep -c '^[0-9]*$')" = 300
done
tool groups $S --describe --group "$NAME-classic" | has "$NAME"
tool groups $S --group "$NAME-classic" --topic "$NAME" --reset-offsets --to-earliest --execute | has "$NAME"
# A producer of the same id has begun anew since.
tool transactions $S list | has "$NAME-java-tx.*Empty"
tool configs $S --alter --entity-type topics --entity-name "$NAME" --add-config retention.ms=1000
tool configs $S --describe --entity-type topics --entity-name "$NAME" | has retention.ms=1000
tool configs $S --alter --entity-type users --entity-name "$NAME" --add-config 'SCRAM-SHA-512=[password=secret]' | has Completed
tool verifiable-producer $S --topic "$NAME" --max-messages 100 | has '"acked":100'
tool topics $S --delete --topic "$NAME"
echo "client: codecs, nulls, headers, three kinds of groups, rebalance, times, transactions, admin, PLAIN, SCRAM, mTLS; tools: topics, console, groups, transactions, configs, verifiable"
