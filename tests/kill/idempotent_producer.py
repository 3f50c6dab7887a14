#!/usr/bin/env python3
"""Kills a server again and again under an idempotent producer and looks for lost, doubled and reordered records.

usage: idempotent_producer.py BINARY [SECONDS]     needs confluent-kafka
"""
import random, re, signal, subprocess, sys, tempfile, time
from confluent_kafka import Consumer, Producer, TopicPartition

BINARY, SECONDS = sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 30
address = '127.0.0.1:0'


def start(folder):
    """Starts the server, from the second time on where it was."""
    global address
    server = subprocess.Popen([BINARY, 'server', '--data', folder, '--listen', '127.0.0.1:0', '--kafka-listen', address],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    for line in server.stdout:
        found = re.search(r'Kafka clients on (\S+)', line)
        if found:
            address = found.group(1)
            return server
    sys.exit('the server did not start')


with tempfile.TemporaryDirectory() as folder:
    server = start(folder)
    acknowledged, refused, sent, kills = [], [], 0, 0
    told = lambda error, message: (refused if error else acknowledged).append(int(message.value()))
    producer = Producer({'bootstrap.servers': address, 'enable.idempotence': True, 'linger.ms': 2, 'message.timeout.ms': 60000,
                         'reconnect.backoff.max.ms': 200, 'topic.metadata.refresh.interval.ms': 500, 'log_level': 0})
    end, next_kill = time.time() + SECONDS, time.time() + 1
    while time.time() < end:
        for _ in range(50):
            try:
                producer.produce('killed', str(sent), partition=0, on_delivery=told)
                sent += 1
            except BufferError:
                break
        producer.poll(0.005)
        if time.time() > next_kill:
            server.send_signal(signal.SIGKILL)
            server.wait()
            server, kills, next_kill = start(folder), kills + 1, time.time() + random.uniform(0.3, 2)
    left = producer.flush(60)
    consumer = Consumer({'bootstrap.servers': address, 'group.id': 'killed', 'enable.partition.eof': True, 'auto.offset.reset': 'earliest', 'log_level': 0})
    consumer.assign([TopicPartition('killed', 0, 0)])
    found = []
    while True:
        message = consumer.poll(20)
        if message is None or message.error():
            break
        found.append(int(message.value()))
    consumer.close()
    server.kill()
    server.wait()
lost, doubled = len(set(acknowledged) - set(found)), len(found) - len(set(found))
print(f'{kills} kills, {sent} sent, {len(acknowledged)} acknowledged, {len(refused)} refused, {left} left, {len(found)} read, '
      f'{lost} lost, {doubled} doubled, in order: {found == sorted(found)}')
sys.exit(0 if not lost and not doubled and found == sorted(found) else 1)
