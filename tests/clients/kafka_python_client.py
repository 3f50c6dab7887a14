# client: kafka-python
# install: pip kafka-python lz4 python-snappy zstandard crc32c
"""kafka-python: codecs, a group with a second member, offsets by time, transactions, admin, logins."""
import os, pathlib, sys, threading
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewPartitions, NewTopic
from kafka.errors import KafkaError

sys.path.insert(0, str(pathlib.Path(__file__).parent / 'lib'))
from waiting import until

B, N = os.environ['BOOTSTRAP'], os.environ['NAME']
admin = KafkaAdminClient(bootstrap_servers=B)
admin.create_topics([NewTopic(N, 4, 1)])

for codec in (None, 'gzip', 'snappy', 'lz4', 'zstd'):
    producer = KafkaProducer(bootstrap_servers=B, compression_type=codec, acks='all', linger_ms=5)
    sent = [producer.send(N, key=b'k%d' % i if i % 3 else None, value=b'v%d' % i if i % 5 != 1 or i % 3 == 0 else None, partition=i % 4, headers=[('h', b'x'), ('e', b'')],
                          timestamp_ms=1000 + i) for i in range(100)]
    producer.flush(20)
    assert all(future.succeeded() for future in sent), codec
    producer.close()


class Member(threading.Thread):
    def __init__(self):
        super().__init__(daemon=True)
        self.found, self.share, self.ends = [], set(), threading.Event()
        self.start()

    def run(self):
        consumer = KafkaConsumer(N, bootstrap_servers=B, group_id=N, auto_offset_reset='earliest', heartbeat_interval_ms=300)
        while not self.ends.is_set():
            # 3.0.12 forgets an assignment that comes between two polls, so one must outlast a join.
            for batch in consumer.poll(timeout_ms=3000).values():
                self.found += batch
            self.share = {p.partition for p in consumer.assignment()}
        consumer.close()


first = Member()
until(lambda: len(first.found) >= 500, 'one member reads all')
for m in first.found:
    i = m.timestamp - 1000
    assert m.partition == i % 4 and m.key == (b'k%d' % i if i % 3 else None) and m.value == (b'v%d' % i if i % 5 != 1 or i % 3 == 0 else None), m
    assert list(m.headers) == [('h', b'x'), ('e', b'')], m.headers
second = Member()
until(lambda: len(first.share) == len(second.share) == 2 and not first.share & second.share, 'two members share')
producer = KafkaProducer(bootstrap_servers=B)
for i in range(100):
    producer.send(N, value=b'second', partition=i % 4)
producer.flush(20)
until(lambda: len(first.found) + len(second.found) >= 600, 'two members read all')
assert len(second.found) == 50 and {m.partition for m in second.found} == second.share
second.ends.set(), second.join(20)
until(lambda: len(first.share) == 4, 'the member left has all')
first.ends.set(), first.join(20)
assert len(first.found) == 550
committed = admin.list_group_offsets(N)
committed = committed.get(N, committed)
assert sum(p.offset for p in committed.values()) == 600, committed

consumer = KafkaConsumer(bootstrap_servers=B)
partition = TopicPartition(N, 1)
assert consumer.end_offsets([partition])[partition] == 150 and consumer.beginning_offsets([partition])[partition] == 0
found = consumer.offsets_for_times({partition: 1050})[partition]
assert (found.offset, found.timestamp) == (13, 1053), found
consumer.assign([partition])
consumer.seek(partition, 13)
assert next(consumer).value == b'v53'
consumer.close()

writer = KafkaProducer(bootstrap_servers=B, transactional_id=N)
writer.init_transactions()
for commit in (True, False):
    writer.begin_transaction()
    writer.send(f'{N}-tx', value=str(commit).encode(), partition=0)
    writer.flush(20)
    writer.commit_transaction() if commit else writer.abort_transaction()
writer.close()
for isolation, expected in (('read_committed', [b'True']), ('read_uncommitted', [b'True', b'False'])):
    consumer = KafkaConsumer(f'{N}-tx', bootstrap_servers=B, auto_offset_reset='earliest', isolation_level=isolation, consumer_timeout_ms=2000)
    assert [m.value for m in consumer] == expected
    consumer.close()

resource = ConfigResource(ConfigResourceType.TOPIC, N, {'retention.ms': '5000'})
admin.alter_configs([resource])
assert '5000' in str(admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, N)]))
admin.create_partitions({N: NewPartitions(6)})
assert len(admin.describe_topics([N])[0]['partitions']) == 6
admin.delete_topics([N])
until(lambda: N not in admin.list_topics(), 'the topic is gone', 10)
admin.close()

tls = {'bootstrap_servers': os.environ['BOOTSTRAP_SASL_SSL'], 'security_protocol': 'SASL_SSL', 'ssl_cafile': os.environ['CA_FILE'],
       'sasl_plain_username': os.environ['SASL_USER'], 'sasl_plain_password': os.environ['SASL_PASSWORD']}
for mechanism in ('PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'):
    producer = KafkaProducer(sasl_mechanism=mechanism, **tls)
    assert producer.send(f'{N}-login', b'v').get(20).offset >= 0
    producer.close()
try:
    KafkaProducer(sasl_mechanism='SCRAM-SHA-256', **{**tls, 'sasl_plain_password': 'wrong'}, max_block_ms=3000, bootstrap_timeout_ms=3000).send(f'{N}-login', b'v').get(5)
    raise SystemExit('a wrong password is taken')
except (KafkaError, ValueError, AssertionError):
    pass
producer = KafkaProducer(bootstrap_servers=os.environ['BOOTSTRAP_SSL'], security_protocol='SSL', ssl_cafile=os.environ['CA_FILE'],
                         ssl_certfile=os.environ['CLIENT_CERT'], ssl_keyfile=os.environ['CLIENT_KEY'])
assert producer.send(f'{N}-login', b'v').get(20).offset >= 0
producer.close()
print('codecs, nulls, headers, rebalance, times, transactions, admin, PLAIN, SCRAM, mTLS')
