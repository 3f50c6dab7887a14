# client: a Kafka Streams application
# install: pip confluent-kafka
# needs: java javac mvn
"""Repartition, windowed count, stream-stream and stream-table join with exactly_once_v2; killed once, started again: nothing lost, nothing twice.

Input and times are fixed, so what must come out is computed here, and is the same on any broker:
    BOOTSTRAP=… NAME=… WORK=… KAFKA_TOOLS=… kafka_streams_client.py
"""
import collections, os, pathlib, shutil, signal, subprocess, sys, threading, time
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / 'lib'))
import apache_kafka_jars as kafka

NAME, WORK = os.environ['NAME'], pathlib.Path(os.environ['WORK'])
BASE = {'bootstrap.servers': os.environ['BOOTSTRAP']}
BEGIN_MS, MINUTE_MS, APART_MS_MAX = 1_600_000_020_000, 60_000, 5_000
HOSTS, PARTITIONS, PATIENCE_S = 20, 4, 90
RECORDS_PER_SECOND = 800

# Out of order by up to two seconds, as what many senders send is.
logins = [(BEGIN_MS + i * 90 + i * 7919 % 2000, f'ws{i * 31 % HOSTS:02}', f'l{i}') for i in range(2400)]
connections = [(BEGIN_MS + i * 240 + i * 104729 % 2000, f'ws{i * 17 % HOSTS:02}', f'c{i}') for i in range(900)]
owners = {f'ws{i:02}': f'owner-{i * i}' for i in range(HOSTS)}

counts = collections.Counter(f'{host}@{ms - ms % MINUTE_MS}' for ms, host, _ in logins)
expected_counts = sorted((key, n) for key, total in counts.items() for n in range(1, total + 1))
expected_joined = sorted((host, f'{host}|{login}+{host}|{connection}@{owners[host]}') for at, host, login in logins
                         for ms, other, connection in connections if other == host and abs(ms - at) <= APART_MS_MAX)


def feed():
    """Sends the logins and connections at a moderate pace, in order of time."""
    producer = Producer(dict(BASE, **{'enable.idempotence': True, 'linger.ms': 5}))
    merged = sorted([(ms, 'logins', f'{host}|{name}') for ms, host, name in logins] + [(ms, 'connections', f'{host}|{name}') for ms, host, name in connections])
    begun = time.time()
    for number, (ms, topic, value) in enumerate(merged):
        producer.produce(f'{NAME}-{topic}', value, partition=number % PARTITIONS, timestamp=ms)
        producer.poll(0)
        time.sleep(max(0, begun + number / RECORDS_PER_SECOND - time.time()))
    assert producer.flush(30) == 0


class Reader:
    """Reads both output topics, committed records only."""

    def __init__(self):
        self.consumer = Consumer(dict(BASE, **{'group.id': f'{NAME}-reader', 'isolation.level': 'read_committed', 'auto.offset.reset': 'earliest', 'fetch.wait.max.ms': 50}))
        self.consumer.assign([TopicPartition(f'{NAME}-{topic}', partition, 0) for topic in ('counts', 'joined') for partition in range(PARTITIONS)])
        self.counts, self.joined = [], []

    def read(self, done):
        end = time.time() + PATIENCE_S
        while not done():
            assert time.time() < end, f'{len(self.counts)} of {len(expected_counts)} counts, {len(self.joined)} of {len(expected_joined)} pairs'
            assert application.poll() is None, 'the application ended'
            self.poll()

    def poll(self):
        messages = self.consumer.consume(500, 0.1)
        for message in messages:
            assert not message.error(), message.error()
            if message.topic().endswith('-counts'):
                self.counts.append((message.key().decode(), int.from_bytes(message.value(), 'big')))
            else:
                self.joined.append((message.key().decode(), message.value().decode()))
        return len(messages)


def start():
    return subprocess.Popen(kafka.java('Logins', os.environ['BOOTSTRAP'], NAME, str(WORK / 'state'), classes=WORK / 'classes'))


def compare(what, found, expected):
    lost, more = collections.Counter(expected) - collections.Counter(found), collections.Counter(found) - collections.Counter(expected)
    assert not lost and not more, f'{what}: {sum(lost.values())} lost {list(lost)[:5]}, {sum(more.values())} too many {list(more)[:5]}'


shutil.rmtree(WORK / 'state', ignore_errors=True)
subprocess.run(['javac', '-cp', f'{kafka.folder()}/lib/*', '-d', str(WORK / 'classes'), str(HERE / 'streams/Logins.java')], check=True)
topics = [f'{NAME}-{topic}' for topic in ('logins', 'connections', 'hosts', 'counts', 'joined')]
admin = AdminClient(BASE)
for future in admin.create_topics([NewTopic(topic, PARTITIONS, 1) for topic in topics]).values():
    future.result(20)
# The hash that Kafka Streams uses, so that a host is in the partition where its logins will be.
producer = Producer(dict(BASE, partitioner='murmur2_random'))
for host, owner in owners.items():
    producer.produce(f'{NAME}-hosts', owner, host, timestamp=BEGIN_MS - MINUTE_MS)
assert producer.flush(20) == 0

begun = time.time()
application = start()
try:
    feeder = threading.Thread(target=feed, daemon=True)
    feeder.start()
    reader = Reader()
    reader.read(lambda: len(reader.counts) >= len(expected_counts) // 3)
    os.kill(application.pid, signal.SIGKILL)
    application.wait()
    seen = len(reader.counts)
    application = start()
    reader.read(lambda: len(reader.counts) >= len(expected_counts) and len(reader.joined) >= len(expected_joined))
    feeder.join()
    application.send_signal(signal.SIGTERM)
    assert application.wait(30) in (0, 143), 'the application did not stop'
finally:
    application.kill()
while reader.poll():
    pass
compare('counts', reader.counts, expected_counts)
compare('pairs', reader.joined, expected_joined)
# Of one host and minute they come in order, across the kill.
last = collections.Counter()
for key, count in reader.counts:
    assert count == last[key] + 1, f'{key}: {count} comes after {last[key]}'
    last[key] = count
inside = {name for name in admin.list_topics(timeout=10).topics if name.startswith(NAME) and name not in topics}
assert {f'{NAME}-{name}-repartition' for name in ('logins', 'connections')} <= inside and any(name.endswith('-changelog') for name in inside), inside
print(f'{len(reader.counts)} counts and {len(reader.joined)} pairs, killed after {seen} counts, in {time.time() - begun:.1f} s')
