#!/usr/bin/env python3
"""Fills the disk under a running server, gives the space back, and looks at what everybody was told and got.

usage: full_disk.py [--binary target/debug/tripline] [--rounds 3] [--work target/kill]

The data directory is a small file system in memory, so it needs root and `mount`; without them it says that it is skipped. While
the disk is full the server must stay up, reading must work, and whoever writes must be told (Kafka: KAFKA_STORAGE_ERROR). Within
5 s of space coming back writing works again, over Kafka and HTTP, and persistent queries go on: each input record has its
effect once. Ends with 'N passed, N failed, N skipped'.
"""
import argparse, collections, json, logging, os, pathlib, subprocess, sys, tempfile, time

HERE = pathlib.Path(__file__).resolve().parent
ap = argparse.ArgumentParser()
ap.add_argument('--binary', default=str(HERE.parent.parent / 'target/debug/tripline'))
ap.add_argument('--rounds', type=int, default=3)
ap.add_argument('--work', default=str(HERE.parent.parent / 'target/kill'))
a = ap.parse_args()
work = pathlib.Path(a.work).resolve()
work.mkdir(parents=True, exist_ok=True)

from clients import need_confluent_kafka
need_confluent_kafka(work)
from confluent_kafka import Consumer, Producer, TopicPartition
from http_client import Http
from server import Server

SPACE, BACK_WITHIN = '64m', 5.0
SILENT = logging.Logger('clients')
SILENT.addHandler(logging.NullHandler())
troubles = []


def expect(condition, what):
    if not condition:
        troubles.append(what)
        print(f'  trouble: {what}', flush=True)


def wait_for(what, limit, condition):
    """Returns how long it took."""
    started = time.time()
    while time.time() - started < limit:
        if condition():
            return time.time() - started
        time.sleep(0.05)
    expect(False, f'{what} took more than {limit} s')
    return limit


class Kafka:
    def __init__(self, server):
        self.base = {'bootstrap.servers': server.address, 'log_level': 0, 'logger': SILENT, 'reconnect.backoff.max.ms': 200}
        self.errors = collections.Counter()
        self.acknowledged = {}
        self.patient = Producer({**self.base, 'enable.idempotence': True, 'message.timeout.ms': 300_000, 'retry.backoff.ms': 50, 'retry.backoff.max.ms': 200, 'linger.ms': 2})
        self.hasty = Producer({**self.base, 'retries': 0, 'message.timeout.ms': 5000, 'linger.ms': 0})

    def told(self, error, message):
        if error:
            self.errors[error.name()] += 1
        else:
            self.acknowledged[json.loads(message.value())['ID']] = time.time()

    def send(self, producer, number, size):
        value = json.dumps({'ID': number, 'KIND': f'kind {number % 7}', 'TEXT': 'x' * size})
        producer.produce('src', value, key=str(number), on_delivery=self.told)

    def read(self, topic, partitions=2):
        """All committed records of a topic."""
        consumer = Consumer({**self.base, 'group.id': 'look', 'isolation.level': 'read_committed', 'enable.partition.eof': True, 'auto.offset.reset': 'earliest'})
        consumer.assign([TopicPartition(topic, number, 0) for number in range(partitions)])
        found, ended = [], set()
        end = time.time() + 60
        while len(ended) < partitions and time.time() < end:
            for message in consumer.consume(1000, 0.2):
                if message.error():
                    ended.add(message.partition())
                else:
                    found.append((message.key(), message.value()))
        consumer.close()
        expect(len(ended) == partitions, f'topic {topic} could not be read')
        return found


def fill(folder, leave):
    """Takes all space but a little."""
    free = os.statvfs(folder)
    with open(f'{folder}/fill', 'wb') as file:
        left = free.f_bavail * free.f_frsize - leave
        while left > 0:
            file.write(b'\0' * min(left, 1 << 20))
            left -= 1 << 20


def run(folder, log):
    server = Server(a.binary, f'{folder}/data', log)
    server.start()
    http, kafka = Http(server), Kafka(server)
    try:
        http.must("CREATE STREAM src (id INT, kind STRING, text STRING) WITH (kafka_topic='src', value_format='JSON', partitions=2);")
        http.must("SET 'auto.offset.reset'='earliest'; CREATE STREAM copied WITH (kafka_topic='copied') AS SELECT id, kind, text FROM src EMIT CHANGES;")
        http.must("SET 'auto.offset.reset'='earliest'; CREATE TABLE counts WITH (kafka_topic='counts', partitions=1) AS SELECT kind, COUNT(*) AS n FROM src GROUP BY kind EMIT CHANGES;")
        number, inserted, slowest = 0, [], collections.Counter()
        for round in range(a.rounds):
            for _ in range(500):
                kafka.send(kafka.patient, number, 50)
                number += 1
            kafka.patient.flush(30)
            before = len(kafka.acknowledged)
            fill(folder, leave=400_000 * (round + 1))
            kafka.errors.clear()
            # Who waits, who does not, and who uses HTTP, until all have noticed.
            refused = [0]
            end = time.time() + 60
            while time.time() < end and not (kafka.errors['KAFKA_STORAGE_ERROR'] and refused[0]):
                for _ in range(20):
                    kafka.send(kafka.patient, number, 900)
                    number += 1
                kafka.send(kafka.hasty, number, 900)
                number += 1
                status, answer = http.statement(f"INSERT INTO src (id, kind, text) VALUES ({number}, 'kind {number % 7}', '{'y' * 900}');")
                if status == 200:
                    inserted.append(number)
                else:
                    refused[0] += 1
                number += 1
                kafka.patient.poll(0)
                kafka.hasty.poll(0.02)
            expect(refused[0], 'inserts over HTTP are not refused while the disk is full')
            expect(kafka.errors['KAFKA_STORAGE_ERROR'], f'no KAFKA_STORAGE_ERROR while the disk is full, but {dict(kafka.errors)}')
            time.sleep(3)
            kafka.patient.poll(0)
            # Full: up and readable.
            expect(server.process.poll() is None, 'the server ended on a full disk')
            expect(http.get('/info')[0] == 200, '/info does not answer')
            there = {json.loads(value)['ID'] for _, value in kafka.read('src')}
            expect(set(kafka.acknowledged) | set(inserted) <= there, 'acknowledged records cannot be read while the disk is full')
            status, answer = http.post('/query', {'ksql': "SELECT * FROM counts WHERE kind = 'kind 1';"})
            expect(status == 200 and 'kind 1' in answer, f'pull query while the disk is full: {status} {answer[:200]}')
            queries = http.must('SHOW QUERIES;')
            os.remove(f'{folder}/fill')
            back = time.time()
            marker = number
            kafka.send(kafka.hasty, marker, 10)
            number += 1
            kafka.hasty.flush(6)
            expect(marker in kafka.acknowledged, f'a record was refused when there was space again: {dict(kafka.errors)}')
            slowest['produce'] = max(slowest['produce'], time.time() - back)
            status, answer = http.statement(f"INSERT INTO src (id, kind, text) VALUES ({number}, 'kind {number % 7}', '');")
            expect(status == 200, f'an insert was refused when there was space again: {status} {answer[:200]}')
            inserted.append(number)
            number += 1
            slowest['insert'] = max(slowest['insert'], time.time() - back)

            def caught_up():
                kafka.patient.poll(0)
                seen = {json.loads(value)['ID'] for _, value in kafka.read('copied')}
                return marker in seen
            wait_for('the query', BACK_WITHIN + 10, caught_up)
            slowest['query'] = max(slowest['query'], time.time() - back)
            expect(kafka.patient.flush(60) == 0, 'the patient producer still has records')
            print(f"round {round + 1}: {len(kafka.acknowledged) - before} acknowledged, errors {dict(kafka.errors)}, {refused[0]} inserts refused, "
                  f"queries {'stopped' if 'ERROR' in queries else 'ran on'}", flush=True)
        for what, seconds in slowest.items():
            print(f'{what}: {seconds:.2f} s after space came back, at most')
            expect(seconds <= BACK_WITHIN, f'{what} was back after {seconds:.1f} s only')
        # What is there: all that was promised, once; and the results of exactly that.
        source = [json.loads(value)['ID'] for _, value in kafka.read('src')]
        wait_for('the queries to read everything', 30, lambda: len(kafka.read('copied')) >= len(source))
        time.sleep(1)
        copied = [json.loads(value)['ID'] for _, value in kafka.read('copied')]
        expect(set(kafka.acknowledged) | set(inserted) <= set(source), 'acknowledged records are lost')
        doubled = [number for number, count in collections.Counter(source).items() if count > 1]
        expect(not doubled, f'records are there twice: {doubled[:5]}')
        expect(collections.Counter(copied) == collections.Counter(source), f'{len(source)} records in, {len(copied)} out, {len(set(copied))} of them different')
        counts = {key: json.loads(value)['N'] for key, value in kafka.read('counts', 1) if value}
        wanted = collections.Counter(f'kind {number % 7}'.encode() for number in source)
        expect(counts == wanted, f'counts {counts}, {dict(wanted)} wanted')
        expect(server.stop() == 0, 'the server did not end with 0')
        print(f'{len(source)} records in the topic, {len(kafka.acknowledged)} acknowledged over Kafka, {len(inserted)} over HTTP')
    finally:
        if server.process.poll() is None:
            server.kill()
    text = pathlib.Path(log).read_text(errors='replace')
    expect('panicked' not in text, 'the server panicked')


folder = tempfile.mkdtemp(dir=work)
mounted = subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={SPACE}', 'tmpfs', folder], stderr=subprocess.PIPE, text=True)
if mounted.returncode != 0:
    os.rmdir(folder)
    print(f'skipped: a file system of its own cannot be mounted: {mounted.stderr.strip()}')
    print('0 passed, 0 failed, 1 skipped')
    sys.exit(0)
log = work / 'full_disk.log'
log.write_text('')
try:
    run(folder, str(log))
finally:
    subprocess.run(['umount', '-l', folder])
    os.rmdir(folder)
print(f'{int(not troubles)} passed, {int(bool(troubles))} failed, 0 skipped')
sys.exit(1 if troubles else 0)
