# client: a Kafka Connect worker
# install: pip confluent-kafka
# needs: java mvn
"""A standalone Kafka Connect worker with the file connectors: file to topic to file; started again it goes on where the file was left."""
import os, pathlib, shutil, signal, socket, subprocess, sys, time
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / 'lib'))
import apache_kafka_jars as kafka

NAME, WORK, BOOTSTRAP = os.environ['NAME'], pathlib.Path(os.environ['WORK']), os.environ['BOOTSTRAP']
TOPIC, PATIENCE_S = f'{NAME}-lines', 60
home = WORK / 'worker'
shutil.rmtree(home, ignore_errors=True)
home.mkdir()
source, target = home / 'in.log', home / 'out.log'
with socket.socket() as free:
    free.bind(('127.0.0.1', 0))
    rest_port = free.getsockname()[1]


def properties(what, **settings):
    path = home / f'{what}.properties'
    path.write_text(''.join(f'{key.replace("_", ".")}={value}\n' for key, value in settings.items()))
    return str(path)


text = 'org.apache.kafka.connect.storage.StringConverter'
files = [
    properties('worker', bootstrap_servers=BOOTSTRAP, key_converter=text, value_converter=text, offset_storage_file_filename=home / 'offsets', offset_flush_interval_ms=500,
               listeners=f'http://127.0.0.1:{rest_port}', plugin_discovery='service_load'),
    properties('source', name=f'{NAME}-source', connector_class='org.apache.kafka.connect.file.FileStreamSourceConnector', tasks_max=1, file=source, topic=TOPIC),
    properties('sink', name=f'{NAME}-sink', connector_class='org.apache.kafka.connect.file.FileStreamSinkConnector', tasks_max=1, file=target, topics=TOPIC,
               consumer_override_auto_offset_reset='earliest'),
]


def start():
    return subprocess.Popen(kafka.java('org.apache.kafka.connect.cli.ConnectStandalone', *files))


def append(first, last):
    with open(source, 'a') as out:
        out.writelines(f'line {number} of a log\n' for number in range(first, last))


def wait(worker, count):
    """Waits until the sink has written as many lines."""
    end = time.time() + PATIENCE_S
    while len(lines()) < count:
        assert worker.poll() is None, 'the worker ended'
        assert time.time() < end, f'{len(lines())} of {count} lines'
        time.sleep(0.1)


def lines():
    return target.read_text().splitlines() if target.exists() else []


def committed():
    """How far the sink's group is, all partitions together."""
    group = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(f'connect-{NAME}-sink')])
    return sum(max(part.offset, 0) for future in group.values() for part in future.result(10).topic_partitions)


def stop(worker):
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(30) in (0, 143), 'the worker did not stop'


def numbers(found):
    return sorted(int(line.split()[1]) for line in found)


admin = AdminClient({'bootstrap.servers': BOOTSTRAP})
begun = time.time()
append(0, 1000)
worker = start()
try:
    wait(worker, 1000)
    append(1000, 1500)
    wait(worker, 1500)
    stop(worker)
    assert committed() == 1500, f'{committed()} committed'

    # What is written while no worker runs is read when one does, and nothing before it again.
    append(1500, 2000)
    worker = start()
    wait(worker, 2000)
    stop(worker)
    assert numbers(lines()) == list(range(2000)), 'the file that was written differs'
finally:
    worker.kill()

consumer = Consumer({'bootstrap.servers': BOOTSTRAP, 'group.id': f'{NAME}-check'})
consumer.assign([TopicPartition(TOPIC, partition, 0) for partition in admin.list_topics(TOPIC, timeout=10).topics[TOPIC].partitions])
found, end = [], time.time() + 20
while len(found) < 2000 and time.time() < end:
    found += consumer.consume(2000, 0.2)
found += consumer.consume(2000, 0.5)
assert numbers(message.value().decode() for message in found) == list(range(2000)), f'{len(found)} records in the topic'
print(f'2000 lines from file to topic to file, the worker stopped and started, in {time.time() - begun:.1f} s')
