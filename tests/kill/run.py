#!/usr/bin/env python3
"""Kills a server at random moments under idempotent and transactional producers, and judges what is in its log afterwards.

usage: run.py [--binary target/debug/tripline] [--kills 20] [--seed N] [--rate RECORDS] [--work target/kill]

At once: idempotent producers, transactional producers that commit and abort, programs that copy one topic to another with their
positions in the transaction, and readers of both isolation levels. One kill in five comes while the server is starting; between kills it is
sometimes stopped in order. The seed decides the moments and what is sent; what the threads do between two moments is up to the machine.
Ends with exit code 1 and the anomalies (see history.py) if there are any, and when so little was done that there could be none. Needs
confluent-kafka, which is installed by name into the work folder.
"""
import argparse, collections, logging, pathlib, random, shutil, sys, tempfile, threading, time

HERE = pathlib.Path(__file__).resolve().parent
ap = argparse.ArgumentParser()
ap.add_argument('--binary', default=str(HERE.parent.parent / 'target/debug/tripline'))
ap.add_argument('--kills', type=int, default=20)
ap.add_argument('--seed', type=int, default=int(time.time()) % 1_000_000)
ap.add_argument('--rate', type=int, default=400, help='records a second for each idempotent producer')
ap.add_argument('--work', default=str(HERE.parent.parent / 'target/kill'))
ap.add_argument('--keep', action='store_true', help='keep the data directory')
a = ap.parse_args()
work = pathlib.Path(a.work).resolve()
work.mkdir(parents=True, exist_ok=True)

from clients import need_confluent_kafka
need_confluent_kafka(work)
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from history import ABORTED, COMMITTED, UNKNOWN, History, Reading, anomalies
from server import Server

PLAIN, MOVED, COPY, GROUP = 'plain', 'moved', 'copy', 'copies'
PARTITIONS = {PLAIN: 3, MOVED: 3, COPY: 2}
IDEMPOTENT, TRANSACTIONAL, COPIERS = 3, 3, 2
ACKNOWLEDGED_PER_KILL_MIN = 50
CODECS = ['none', 'lz4', 'zstd', 'snappy', 'gzip']

SILENT = logging.Logger('clients')  # being fenced is expected here
SILENT.addHandler(logging.NullHandler())
history, lock = History(), threading.Lock()
sending, reading = threading.Event(), threading.Event()  # set: time to end
counts = collections.Counter()
troubles = []
server = None


def settings(**more):
    return {'bootstrap.servers': server.address, 'reconnect.backoff.ms': 10, 'reconnect.backoff.max.ms': 100, 'retry.backoff.ms': 10,
            'retry.backoff.max.ms': 100, 'topic.metadata.refresh.interval.ms': 5000, 'socket.timeout.ms': 10000, 'log_level': 0, **{name.replace('_', '.'): value for name, value in more.items()}}


def guarded(work):
    """A thread that fails is an anomaly too."""
    def run(*arguments):
        try:
            work(*arguments)
        except Exception as error:
            troubles.append(f'{work.__name__}{arguments}: {error!r}')
    return run


class Sender:
    """One producer's records, numbered for each partition."""

    def __init__(self, name):
        self.name, self.sequences = name, collections.Counter()

    def send(self, producer, topic, partition, size, transaction=None, source=None):
        place = (topic, partition)
        with lock:
            sequence = self.sequences[place]
            self.sequences[place] += 1
            value = f'{self.name}.{topic}.{partition}.{sequence}'
            record = history.sent(value, self.name, place, sequence, transaction, source)

        def told(error, message):
            if error:
                counts[f'refused: {error.name()}'] += 1
            else:
                record.acknowledged(message.offset())
                counts['acknowledged'] += 1
        while True:
            try:
                producer.produce(topic, value + ':' + 'x' * size, partition=partition, on_delivery=told)
                return
            except BufferError:
                producer.poll(0.05)


@guarded
def idempotent(number):
    choice, sender = random.Random(f'{a.seed} idempotent {number}'), Sender(f'i{number}')
    producer = Producer(settings(logger=SILENT, enable_idempotence=True, linger_ms=choice.randint(0, 5), message_timeout_ms=300_000,
                                 compression_type=CODECS[number % len(CODECS)], batch_num_messages=choice.choice([10, 100, 1000])))
    while not sending.is_set():
        for _ in range(max(1, a.rate // 50)):
            sender.send(producer, PLAIN, choice.randrange(PARTITIONS[PLAIN]), choice.randint(0, 300))
        producer.poll(0)
        time.sleep(0.02)
    left = producer.flush(120)
    if left:
        troubles.append(f'{sender.name} still has {left} records after 120 s')


def transactional_producer(name, choice):
    """A producer whose transactional id is its own; fences what was before it."""
    while True:
        producer = Producer(settings(logger=SILENT, transactional_id=name, transaction_timeout_ms=60_000, message_timeout_ms=60_000,
                                     linger_ms=choice.randint(0, 3), compression_type=choice.choice(CODECS)))
        for _ in range(60):
            try:
                producer.init_transactions(2)
                return producer
            except KafkaException as error:
                if not error.args[0].retriable():
                    counts[f'init: {error.args[0].name()}'] += 1
                    break
        else:
            troubles.append(f'{name} cannot begin after 120 s')


def finish(producer, transaction, commit):
    """Ends a transaction, noting how. Returns whether the producer may go on."""
    asked = False  # once asked to commit it may be committed, whatever is heard
    end = time.time() + 60
    while time.time() < end:
        try:
            if commit:
                asked = True
                producer.commit_transaction(2)
            else:
                producer.abort_transaction(2)
            history.transactions[transaction] = COMMITTED if commit else UNKNOWN if asked else ABORTED
            counts['committed' if commit else 'aborted'] += 1
            return True
        except KafkaException as error:
            error = error.args[0]
            if error.retriable():
                continue
            counts[f'end: {error.name()}'] += 1
            if error.txn_requires_abort() and commit:
                # The producer knows that the end was not carried out.
                commit = asked = False
                continue
            break
    history.transactions[transaction] = UNKNOWN if asked else ABORTED
    counts['unknown' if asked else 'given up'] += 1
    return False


@guarded
def transactional(number):
    name = f't{number}'
    choice, sender = random.Random(f'{a.seed} transactional {number}'), Sender(name)
    producer, count = transactional_producer(name, choice), 0
    while not sending.is_set():
        count += 1
        transaction = f'{name}/{count}'
        history.transactions[transaction] = ABORTED  # until asked to commit it cannot be anything else
        try:
            producer.begin_transaction()
            for _ in range(choice.choice([1, 2, 5, 20, 100])):
                sender.send(producer, MOVED, choice.randrange(PARTITIONS[MOVED]), choice.choice([0, 100, 1000]), transaction)
            producer.poll(0)
            if choice.random() < 0.3:
                producer.flush(choice.random() * 0.2)
            good = finish(producer, transaction, choice.random() < 0.7)
        except KafkaException as error:
            counts[f'transaction: {error.args[0].name()}'] += 1
            good = False
        if not good:
            producer.purge()
            producer = transactional_producer(name, choice)
        time.sleep(choice.random() * 0.02)
    # Decides what is in doubt.
    transactional_producer(name, choice)


@guarded
def copier(number):
    """Copies some partitions of a topic, with the positions in the transaction; begins at the committed ones after a failure."""
    name = f'c{number}'
    choice, sender = random.Random(f'{a.seed} copier {number}'), Sender(name)
    mine = [TopicPartition(PLAIN, p) for p in range(PARTITIONS[PLAIN]) if p % COPIERS == number]
    consumer = Consumer(settings(group_id=GROUP, enable_auto_commit=False, isolation_level='read_committed', auto_offset_reset='earliest'))
    producer, count, begun = None, 0, False
    while not sending.is_set():
        if producer is None:
            producer = transactional_producer(name, choice)
            begun = False
        if not begun:
            try:
                places = consumer.committed(mine, timeout=5)
            except KafkaException:
                continue
            for place in places:
                place.offset = max(place.offset, 0)
            consumer.assign(places)
            begun = True
        messages = [message for message in consumer.consume(choice.choice([1, 20, 200]), 0.1) if not message.error()]
        if not messages:
            continue
        count += 1
        transaction = f'{name}/{count}'
        history.transactions[transaction] = ABORTED
        try:
            producer.begin_transaction()
            for message in messages:
                sender.send(producer, COPY, choice.randrange(PARTITIONS[COPY]), 0, transaction, ((PLAIN, message.partition()), message.offset()))
            ends = {message.partition(): message.offset() + 1 for message in messages}
            positions = [TopicPartition(PLAIN, partition, offset) for partition, offset in ends.items()]
            for _ in range(30):
                try:
                    producer.send_offsets_to_transaction(positions, consumer.consumer_group_metadata(), 2)
                    break
                except KafkaException as error:
                    if not error.args[0].retriable():
                        raise
            commit = choice.random() < 0.8
            good = finish(producer, transaction, commit)
            if not commit or history.transactions[transaction] != COMMITTED:
                begun = False
        except KafkaException as error:
            counts[f'copy: {error.args[0].name()}'] += 1
            good = False
        if not good:
            producer.purge()
            producer = None
    consumer.close()
    transactional_producer(name, choice)


def consumer_of(partition, level):
    consumer = Consumer(settings(group_id='reader', enable_auto_commit=False, isolation_level=level, auto_offset_reset='error', fetch_error_backoff_ms=20))
    consumer.assign([TopicPartition(*partition, 0)])
    return consumer


def partitions():
    return [(topic, number) for topic, count in PARTITIONS.items() for number in range(count)]


@guarded
def reader(partition, level):
    """Reads while the server dies, and reports every error that is not about the connection."""
    seen = Reading(f'{level} reader', partition, level == 'read_committed')
    with lock:
        history.readings.append(seen)
    consumer = consumer_of(partition, level)
    while not reading.is_set():
        for message in consumer.consume(500, 0.2):
            if message.error():
                if not message.error().retriable() and message.error().code() not in (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._RESOLVE):
                    troubles.append(f'reader of {partition}: {message.error()}')
                continue
            seen.seen.append((message.offset(), message.value().split(b':')[0].decode()))
    consumer.close()


def read_all(partition, level):
    """The last reading of a partition: up to its end."""
    consumer = consumer_of(partition, level)
    low, high = consumer.get_watermark_offsets(TopicPartition(*partition), timeout=20)
    seen = Reading(f'last {level} reader', partition, level == 'read_committed', last=True)
    end = time.time() + 120
    while time.time() < end:
        for message in consumer.consume(1000, 0.2):
            if message.error():
                raise KafkaException(message.error())
            seen.seen.append((message.offset(), message.value().split(b':')[0].decode()))
        position = consumer.position([TopicPartition(*partition)])[0].offset
        if position >= high or high == 0:
            break
    else:
        troubles.append(f'{partition} could not be read up to {high} with {level}')
    consumer.close()
    with lock:
        history.readings.append(seen)
        history.ends[partition], history.starts[partition] = high, low


def kill_again_and_again(choice, starts):
    while counts['kills'] < a.kills:
        time.sleep(choice.uniform(0.05, 1.2))
        if choice.random() < 0.15:
            # An orderly stop in between: what is open then must not go on as if nothing had happened.
            counts['stops'] += 1
            if server.stop() != 0:
                troubles.append('the server did not end with 0')
            starts.append(server.start())
            continue
        server.kill()
        counts['kills'] += 1
        while choice.random() < 0.2 and counts['kills'] < a.kills:
            server.spawn()
            time.sleep(choice.uniform(0.0, 0.03))
            server.kill()
            counts['kills'] += 1
            counts['kills while starting'] += 1
        starts.append(server.start())


print(f'seed {a.seed}', flush=True)
folder = tempfile.mkdtemp(dir=work)
log = pathlib.Path(folder) / 'server.log'
server = Server(a.binary, folder + '/data', log)
began = time.time()
try:
    server.start()
    admin = AdminClient(settings())
    for topic, future in admin.create_topics([NewTopic(topic, count, 1, config={'segment.bytes': '300000'}) for topic, count in PARTITIONS.items()]).items():
        future.result(20)
    history.copies_from.update((PLAIN, number) for number in range(PARTITIONS[PLAIN]))
    senders = [threading.Thread(target=work, args=(number,)) for work, many in [(idempotent, IDEMPOTENT), (transactional, TRANSACTIONAL), (copier, COPIERS)] for number in range(many)]
    readers = [threading.Thread(target=reader, args=(partition, level)) for partition in partitions() for level in ('read_committed', 'read_uncommitted')]
    for thread in senders + readers:
        thread.start()
    starts = []
    kill_again_and_again(random.Random(f'{a.seed} kills'), starts)
    time.sleep(1)
    sending.set()
    for thread in senders:
        thread.join(300)
    sent = time.time() - began
    # What was in doubt was decided by a new holder of each transactional id; the last readings come after another start.
    time.sleep(1)
    reading.set()
    for thread in readers:
        thread.join(60)
    server.kill()
    server.start()
    for partition in partitions():
        for level in ('read_committed', 'read_uncommitted'):
            read_all(partition, level)
    group = Consumer(settings(group_id=GROUP))
    for place in group.committed([TopicPartition(PLAIN, number) for number in range(PARTITIONS[PLAIN])], timeout=20):
        history.positions[PLAIN, place.partition] = max(place.offset, 0)
    group.close()
    if server.stop() != 0:
        troubles.append('the server did not end with 0')
finally:
    sending.set()
    reading.set()
    if server.process and server.process.poll() is None:
        server.kill()
found = anomalies(history)
troubles += [line for line in log.read_text(errors='replace').splitlines() if 'panicked' in line or 'damaged' in line][:20]
warnings = collections.Counter(line.split(' ', 2)[-1][:90] for line in log.read_text(errors='replace').splitlines() if ' WARN ' in line or ' ERROR ' in line)
read = sum(len(r.seen) for r in history.readings if r.last and r.committed)
starts.sort()
print(f"{counts['kills']} kills ({counts['kills while starting']} while starting), {counts['stops']} stops in {sent:.0f} s, {len(history.records)} records sent, {counts['acknowledged']} acknowledged, "
      f"{counts['committed']} transactions committed, {counts['aborted']} aborted, {counts['unknown']} in doubt, {counts['given up']} given up, {read} records in the log; "
      f"starts: median {starts[len(starts) // 2] * 1000:.0f} ms, slowest {starts[-1] * 1000:.0f} ms")
print('told: ' + ', '.join(f'{what} {count}' for what, count in sorted(counts.items()) if ':' in what))
for line, count in warnings.most_common(10):
    print(f'server: {count} x {line}')
for kind, count in collections.Counter(anomaly.kind for anomaly in found).items():
    print(f'{count} anomalies: {kind}')
for anomaly in found[:20]:
    print(f'  {anomaly.kind}: {anomaly.text}')
for trouble in troubles[:20]:
    print(f'  trouble: {trouble}')
# Without enough of everything there is nothing that could have gone wrong.
acknowledged_min = ACKNOWLEDGED_PER_KILL_MIN * a.kills
troubles += [f'{what}: {there} are too few, {asked} are asked for' for what, there, asked in (
    ('acknowledged records', counts['acknowledged'], acknowledged_min), ('committed transactions', counts['committed'], a.kills),
    ('aborted transactions', counts['aborted'], 1), ('positions of the group that copies', sum(history.positions.values()), 1),
    ('records in the last readings', read, acknowledged_min // 2)) if there < asked]
good = not found and not troubles
if good and not a.keep:
    shutil.rmtree(folder)
else:
    print(f'kept in {folder}')
print('no anomaly' if good else f'{len(found)} anomalies, {len(troubles)} troubles')
sys.exit(0 if good else 1)
