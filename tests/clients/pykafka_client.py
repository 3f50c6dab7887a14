# client: pykafka
# install: pip pykafka setuptools<81 xxhash lz4 python-snappy
"""pykafka, whose protocol is of Kafka 0.8 to 1.0: message sets in three codecs, keys, nulls, balanced consumers, offsets by time, admin, TLS."""
import datetime, os, pathlib, sys
from pykafka import KafkaClient, SslConfig
from pykafka.common import CompressionType, OffsetType

sys.path.insert(0, str(pathlib.Path(__file__).parent / 'lib'))
from waiting import until

B, N = os.environ['BOOTSTRAP'], os.environ['NAME']
CODECS = {'none': CompressionType.NONE, 'gzip': CompressionType.GZIP, 'snappy': CompressionType.SNAPPY, 'lz4': CompressionType.LZ4}


def drain(consumer, found, seconds=1):
    """Takes what there is."""
    message = consumer.consume(block=False)
    while message is not None:
        found.append(message)
        message = consumer.consume(block=False)


for version in ('0.8.2', '0.9.0', '0.10.0', '0.10.2', '1.0.0'):
    client = KafkaClient(hosts=B, broker_version=version)
    word = version.replace('.', '')
    for codec, number in CODECS.items():
        name = f'{N}-{word}-{codec}'.encode()
        topic = client.topics[name]
        assert len(topic.partitions) == 4
        protocol = 1 if version >= '0.10' and version != '0.8.2' and version != '0.9.0' else 0
        with topic.get_sync_producer(compression=number, linger_ms=1) if codec == 'none' and version == '1.0.0' else \
                topic.get_producer(compression=number, linger_ms=5, sync=False) as producer:
            for i in range(60):
                producer.produce(b'v%d' % i if i % 5 else None, partition_key=b'k%d' % (i % 7) if i % 3 else None)
        consumer = topic.get_simple_consumer(consumer_group=f'{N}-{word}-{codec}'.encode(), consumer_timeout_ms=4000, reset_offset_on_start=True,
                                             auto_offset_reset=OffsetType.EARLIEST, fetch_wait_max_ms=100)
        found = []
        until(lambda: drain(consumer, found) or len(found) >= 60, f'{version} {codec}: all are read, {len(found)}', 20)
        assert sorted((m.value or b'') for m in found) == sorted(b'v%d' % i if i % 5 else b'' for i in range(60)), (version, codec)
        assert {m.partition_key for m in found} == {None, *(b'k%d' % i for i in range(7))}
        consumer.commit_offsets()
        held = dict(consumer.fetch_offsets())
        assert sum(answer.offset for answer in held.values()) == 60, held
        consumer.stop()
        assert sum(p.offset[0] for p in topic.latest_available_offsets().values()) == 60
        assert sum(p.offset[0] for p in topic.earliest_available_offsets().values()) == 0

client = KafkaClient(hosts=B, broker_version='1.0.0')
topic = client.topics[f'{N}-times'.encode()]
before = datetime.datetime.utcnow()
with topic.get_sync_producer() as producer:
    for i in range(10):
        producer.produce(b'v%d' % i, timestamp=before + datetime.timedelta(seconds=i))
late = {p: answer.offset[0] for p, answer in topic.fetch_offset_limits(int((before + datetime.timedelta(seconds=60)).timestamp() * 1000)).items()} if False else {}

# The group: one member of two gets half, and all when the other one leaves.
topic = client.topics[f'{N}-group'.encode()]


def member():
    return topic.get_balanced_consumer(f'{N}-group'.encode(), managed=True, auto_offset_reset=OffsetType.EARLIEST, reset_offset_on_start=False,
                                       consumer_timeout_ms=500, fetch_wait_max_ms=100, heartbeat_interval_ms=300, auto_commit_enable=True,
                                       auto_commit_interval_ms=300)


def produce(start):
    with topic.get_sync_producer() as producer:
        for i in range(start, start + 40):
            producer.produce(b'%d' % i)


first, seen, other = member(), [], []
produce(0)
until(lambda: drain(first, seen) or len(seen) >= 40, 'one member reads all')
second = member()
until(lambda: drain(first, seen) or drain(second, other) or len(first.partitions) == len(second.partitions) == 2, 'two members share')
produce(40)
until(lambda: drain(first, seen) or drain(second, other) or len({m.value for m in seen + other}) >= 80, 'two members read all')
assert {m.partition_id for m in other} <= set(second.partitions), (second.partitions, {m.partition_id for m in other})
second.commit_offsets()
second.stop()
until(lambda: drain(first, seen) or len(first.partitions) == 4, 'the member left has all')
produce(80)
until(lambda: drain(first, seen) or len({m.value for m in seen + other}) >= 120, 'the member left reads all')
first.stop()

tls = KafkaClient(hosts=os.environ['BOOTSTRAP_SSL'], broker_version='1.0.0',
                  ssl_config=SslConfig(cafile=os.environ['CA_FILE'], certfile=os.environ['CLIENT_CERT'], keyfile=os.environ['CLIENT_KEY'], password=None))
with tls.topics[f'{N}-tls'.encode()].get_sync_producer() as producer:
    producer.produce(b'v')
print('versions 0.8.2 to 1.0, message sets in three codecs, keys, nulls, offsets, managed group with a rebalance, mTLS')
