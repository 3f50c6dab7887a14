#!/usr/bin/env python3
"""Lets a running server's syncs fail from some moment on, and looks at who is told what.

usage: failed_sync.py [--binary target/debug/tripline] [--rounds 4] [--work target/kill]

The system calls are made to fail by strace; without it this says that it is skipped. After the first failed sync nobody gets an
acknowledgement: not Kafka producers, not inserts, not statements. Reading goes on, and health and metrics say what is the matter. A
restart finds everything that was acknowledged. Ends with 'N passed, N failed, N skipped'.
"""
import argparse, logging, pathlib, shutil, sys, tempfile, time

HERE = pathlib.Path(__file__).resolve().parent
ap = argparse.ArgumentParser()
ap.add_argument('--binary', default=str(HERE.parent.parent / 'target/debug/tripline'))
ap.add_argument('--rounds', type=int, default=4)
ap.add_argument('--work', default=str(HERE.parent.parent / 'target/kill'))
a = ap.parse_args()
work = pathlib.Path(a.work).resolve()
work.mkdir(parents=True, exist_ok=True)
if not shutil.which('strace'):
    print('skipped: there is no strace')
    print('0 passed, 0 failed, 1 skipped')
    sys.exit(0)

from clients import need_confluent_kafka
need_confluent_kafka(work)
from confluent_kafka import Consumer, Producer, TopicPartition
from http_client import Http
from server import Server

SILENT = logging.Logger('clients')
SILENT.addHandler(logging.NullHandler())


def read(server):
    consumer = Consumer({'bootstrap.servers': server.address, 'group.id': 'look', 'enable.partition.eof': True, 'auto.offset.reset': 'earliest', 'logger': SILENT})
    consumer.assign([TopicPartition('src', 0, 0)])
    found, end = [], time.time() + 30
    while time.time() < end:
        message = consumer.poll(1)
        if message is None:
            continue
        if message.error():
            break
        found.append(message.value().decode())
    consumer.close()
    return found


def run(number, folder):
    """Returns what is wrong."""
    wrong = []
    expect = lambda condition, what: condition or wrong.append(what)
    server = Server(a.binary, folder + '/data', folder + '/server.log')
    server.start()
    http = Http(server)
    http.must("CREATE STREAM src (text STRING) WITH (kafka_topic='src', value_format='KAFKA', partitions=1);")
    server.stop()
    # A start has syncs of its own. With -D the process is the server, not strace.
    server.under = ['strace', '-D', '-f', '-qq', '-o', folder + '/strace.log', '-e', 'trace=fsync,fdatasync', '-e', f'inject=fsync,fdatasync:error=EIO:when={60 + 37 * number}+']
    server.start()
    acknowledged, refused, order = [], [], []
    producer = Producer({'bootstrap.servers': server.address, 'linger.ms': 0, 'retries': 0, 'message.timeout.ms': 5000, 'logger': SILENT, 'log_level': 0})

    def told(error, message):
        (refused if error else acknowledged).append(message.value().decode())
        order.append(error.name() if error else None)
    sent, failed_at = 0, None
    while sent < 2000 and (failed_at is None or sent < failed_at + 40):
        producer.produce('src', f'kafka {sent}', partition=0, on_delivery=told)
        producer.flush(10)
        sent += 1
        if sent % 5 == 0:
            status, _ = http.statement(f"INSERT INTO src (text) VALUES ('http {sent}');")
            order.append(None if status == 200 else 'insert refused')
            if status == 200:
                acknowledged.append(f'http {sent}')
        if failed_at is None and order[-1] is not None:
            failed_at = sent
    expect(failed_at is not None, 'no sync failed')
    first = next((place for place, what in enumerate(order) if what), len(order))
    expect(all(order[first:]), f'{order[first:].count(None)} acknowledgements after the first refusal')
    kinds = {what for what in order if what}
    expect(kinds <= {'KAFKA_STORAGE_ERROR', 'insert refused'}, f'refused with {kinds}')
    expect(http.statement('CREATE STREAM late (text STRING) WITH (kafka_topic=\'src\', value_format=\'KAFKA\');')[0] != 200, 'a statement was taken')
    expect('tripline_log_read_only 1' in http.get('/metrics')[1], 'the metrics do not say that the log is read-only')
    health = http.get('/healthcheck')
    expect('"isHealthy":false' in health[1].replace(' ', ''), f'healthy: {health}')
    there = read(server)
    expect(set(acknowledged) <= set(there), 'acknowledged records cannot be read any more')
    expect(server.process.poll() is None, 'the server ended')
    server.kill()
    server.under = []
    server.start()
    there = read(server)
    expect(set(acknowledged) <= set(there), 'acknowledged records are lost')
    expect(len(there) == len(set(there)), 'records are there twice')
    producer = Producer({'bootstrap.servers': server.address, 'logger': SILENT})
    producer.produce('src', 'after', partition=0)
    expect(producer.flush(10) == 0, 'nothing can be written after a restart')
    expect(server.stop() == 0, 'the server did not end with 0')
    print(f'{len(acknowledged)} acknowledged before a sync failed, {len([what for what in order if what])} refused after it, {len(there)} there after a restart: {wrong or "good"}', flush=True)
    return wrong


failed = 0
for number in range(a.rounds):
    with tempfile.TemporaryDirectory(dir=work) as folder:
        failed += bool(run(number, folder))
print(f'{a.rounds - failed} passed, {failed} failed, 0 skipped')
sys.exit(1 if failed else 0)
