# kcat: every codec in and out, keys, headers, nulls, a group with a second member, times, transactions, logins.
# client: kcat
# needs: kcat
set -euo pipefail
b() { kcat -b "$BOOTSTRAP" "$@"; }
for codec in none gzip snappy lz4 zstd; do
    seq 500 | b -P -t "$NAME-$codec" -z "$codec" -X linger.ms=5
    test "$(b -C -t "$NAME-$codec" -e -q | sort -n | uniq | wc -l)" = 500
done
printf 'k:v\n:\nk2:\n' | b -P -t "$NAME-kh" -p 0 -K: -Z -H a=b -H c=
test "$(b -C -t "$NAME-kh" -e -q -f '%k|%K|%s|%S|%h\n' | tr '\n' ' ')" = 'k|1|v|1|a=b,c= |-1||-1|a=b,c= k2|2||-1|a=b,c= '

# A group: the second member takes half; when it leaves the first has all. Each record is read.
member() { exec kcat -b "$BOOTSTRAP" -G "$NAME" -X auto.offset.reset=earliest -X heartbeat.interval.ms=300 -X "group.id=$NAME" -u -q -f '%p %s\n' "$NAME-none"; }
until_lines() { # file count
    for _ in $(seq 300); do [ "$(sort -u "$1" | wc -l)" -ge "$2" ] && return; sleep 0.1; done
    echo "$1 has $(sort -u "$1" | wc -l) lines, not $2"; exit 1
}
rm -f one two
member >one 2>one.err &
one=$!
trap 'kill $one ${two:-} 2>/dev/null || true' EXIT
until_lines one 500
member >two 2>two.err &
two=$!
for round in $(seq 60); do
    seq -f "r$round-%g" 40 | b -P -t "$NAME-none" -X linger.ms=5 -X sticky.partitioning.linger.ms=0 -X partitioner=random
    sleep 0.3
    [ "$(cut -d' ' -f1 two | sort -u | wc -l)" = 2 ] && break
done
test "$(cut -d' ' -f1 two | sort -u | wc -l)" = 2
kill -TERM $two; wait $two || true
seq -f 'last-%g' 200 | b -P -t "$NAME-none" -X sticky.partitioning.linger.ms=0 -X partitioner=random
for _ in $(seq 300); do cat one two | grep -c last- >count || true; [ "$(cat count)" -ge 200 ] && break; sleep 0.1; done
test "$(grep -c last- one)" = 200
test "$(cat one two | cut -d' ' -f2 | sort -u | wc -l)" = $((700 + 40 * round))
kill -TERM $one; wait $one || true
trap - EXIT

b -Q -t "$NAME-none:0:-1" | grep -q 'offset [1-9]'
start=$(($(date +%s%N) / 1000000))
echo late | b -P -t "$NAME-kh" -p 0
b -Q -t "$NAME-kh:0:$start" | grep -q 'offset 3$'
test "$(b -C -t "$NAME-kh" -p 0 -o "s@$start" -e -q)" = late
seq 10 | b -P -t "$NAME-tx" -X "transactional.id=$NAME"
test "$(b -C -t "$NAME-tx" -e -q -X isolation.level=read_committed | wc -l)" = 10
b -L -J | grep -q "$NAME-tx"

tls="-b $BOOTSTRAP_SASL_SSL -X security.protocol=SASL_SSL -X ssl.ca.location=$CA_FILE -X sasl.username=$SASL_USER"
for mechanism in PLAIN SCRAM-SHA-256 SCRAM-SHA-512; do
    echo v | kcat $tls -X "sasl.password=$SASL_PASSWORD" -X sasl.mechanism=$mechanism -P -t "$NAME-login"
    if timeout 20 kcat $tls -X sasl.password=wrong -X sasl.mechanism=$mechanism -L -m 2 2>/dev/null; then echo "a wrong password is taken"; exit 1; fi
done
echo v | kcat -b "$BOOTSTRAP_SSL" -X security.protocol=SSL -X "ssl.ca.location=$CA_FILE" -X "ssl.certificate.location=$CLIENT_CERT" \
    -X "ssl.key.location=$CLIENT_KEY" -P -t "$NAME-login"
test "$(b -C -t "$NAME-login" -e -q | wc -l)" = 4
echo 'codecs, nulls, headers, rebalance, times, transaction, PLAIN, SCRAM, mTLS'
