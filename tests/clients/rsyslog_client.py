# client: rsyslog
# install: pip confluent-kafka
# needs: rsyslogd
"""rsyslog's omkafka: JSON of syslog messages arrives, by TLS and a login too; a server that is ended and one that is killed lose nothing."""
import collections, json, os, pathlib, shutil, signal, socket, subprocess, sys, threading, time
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / 'lib'))
import own_server, pages, skipped

NAME, WORK = os.environ['NAME'], pathlib.Path(os.environ['WORK'])
PATIENCE_S = 40
if not any(list(pathlib.Path('/usr').glob(f'lib*/{folder}omkafka.so')) for folder in ('rsyslog/', '*/rsyslog/')):
    skipped.skip("rsyslog's omkafka is not installed (Debian: rsyslog-kafka)")
home = WORK / 'rsyslog'
shutil.rmtree(home, ignore_errors=True)
home.mkdir()
server = own_server.Server(home)
port = own_server.free_port()
# What the documentation says, with addresses and folders of ours: once to a server of our own, once with TLS and a login.
documented = pages.block('rsyslog.md', 'text', 0, {'"127.0.0.1:9092"': f'"{server.address}"', '/var/spool/rsyslog': str(home), 'resumeInterval="2"': 'resumeInterval="1"'})
login = pages.block('rsyslog.md', 'text', 2, {
    'siem.example.org:9093': os.environ['BOOTSTRAP_SASL_SSL'], '/etc/rsyslog.d/ca.pem': os.environ['CA_FILE'], 'username=rsyslog': 'username=' + os.environ['SASL_USER'],
    'a long secret': os.environ['SASL_PASSWORD']})
(home / 'rsyslog.conf').write_text(f'''
global(workDirectory="{home}")
module(load="imtcp")
input(type="imtcp" address="127.0.0.1" port="{port}")
{documented}
action(type="omkafka" topic="{NAME}-login" template="tripline" partitions.auto="on" {login})
''')


def send(first, last):
    """Syslog over TCP, RFC 5424."""
    with socket.create_connection(('127.0.0.1', port)) as connection:
        for number in range(first, last):
            connection.sendall(f'<38>1 2026-02-03T04:05:06.{number % 1000:03}Z ws07 sshd 42 - - message {number}: "quoted" \\ naïve\n'.encode())
            time.sleep(0.002)


def numbers(address, topic, count):
    """Returns the numbers of the messages in a topic once there are as many different ones."""
    base = {'bootstrap.servers': address}
    admin, consumer, end = AdminClient(base), Consumer(dict(base, **{'group.id': f'{NAME}-check', 'reconnect.backoff.max.ms': 200})), time.time() + PATIENCE_S
    while not (known := admin.list_topics(timeout=10).topics.get(topic)):
        assert time.time() < end, f'there is no topic {topic}'
        time.sleep(0.1)
    consumer.assign([TopicPartition(topic, partition, 0) for partition in known.partitions])
    found = collections.Counter()
    while len(found) < count:
        assert time.time() < end, f'{len(found)} of {count} messages in {topic}'
        for message in consumer.consume(1000, 0.2):
            assert not message.error(), message.error()
            event = json.loads(message.value())
            number = int(event['message'].split()[1][:-1])
            assert event == {'ts': float(f'1770091506.{number % 1000:03}'), 'host': 'ws07', 'program': 'sshd', 'pid': '42', 'severity': 'info', 'facility': 'auth',
                             'message': f'message {number}: "quoted" \\ naïve'}, event
            found[number] += 1
    consumer.close()
    return found


begun = time.time()
server.start()
rsyslog = subprocess.Popen(['rsyslogd', '-n', '-f', str(home / 'rsyslog.conf'), '-i', str(home / 'pid')], stdout=open(home / 'rsyslog.out', 'w'), stderr=subprocess.STDOUT)
try:
    end = time.time() + PATIENCE_S
    while socket.socket().connect_ex(('127.0.0.1', port)):
        assert rsyslog.poll() is None and time.time() < end, (home / 'rsyslog.out').read_text()
        time.sleep(0.05)
    send(0, 500)
    numbers(server.address, 'syslog', 500)
    # Ended in good order: what comes meanwhile waits in rsyslog.
    server.stop()
    send(500, 1000)
    server.start()
    numbers(server.address, 'syslog', 1000)
    # Killed while messages come.
    sender = threading.Thread(target=send, args=(1000, 2000))
    sender.start()
    time.sleep(1)
    server.kill()
    server.start()
    sender.join()
    found = numbers(server.address, 'syslog', 2000)
    assert set(found) == set(range(2000))
    assert set(numbers(os.environ['BOOTSTRAP'], f'{NAME}-login', 2000)) == set(range(2000))
finally:
    rsyslog.send_signal(signal.SIGTERM)
    rsyslog.wait(20)
    server.kill()
twice = sum(count - 1 for count in found.values())
print(f'2000 messages, the server ended once and killed once: none lost, {twice} sent again and there twice, in {time.time() - begun:.1f} s')
