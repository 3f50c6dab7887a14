# kcat: every codec in and out, a group, offsets by time.
# client: kcat
# needs: kcat
set -e
for codec in none gzip snappy lz4 zstd; do
    seq 500 | kcat -b "$BOOTSTRAP" -P -t "kcat-$codec" -z "$codec" -X linger.ms=5
    test "$(kcat -b "$BOOTSTRAP" -C -t "kcat-$codec" -e -q | sort -n | uniq | wc -l)" = 500
done
echo 'k:v' | kcat -b "$BOOTSTRAP" -P -t kcat-kh -K: -H a=b
test "$(kcat -b "$BOOTSTRAP" -C -t kcat-kh -e -q -f '%k %s %h')" = 'k v a=b'
test "$(timeout 20 kcat -b "$BOOTSTRAP" -G kcat-group -c 500 -q -X auto.offset.reset=earliest kcat-none | wc -l)" = 500
kcat -b "$BOOTSTRAP" -Q -t kcat-none:0:-1 | grep -q offset
