# client: Filebeat
# install: pip confluent-kafka
"""A real Filebeat ships a log file: plainly and started again, with each compression, and with TLS and logins."""
import collections, json, os, pathlib, shutil, signal, subprocess, sys, time
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / 'lib'))
import own_server, pages, skipped

NAME, WORK = os.environ['NAME'], pathlib.Path(os.environ['WORK'])
STARTER = pathlib.Path(os.environ['KAFKA_TOOLS']).parent / 'real/filebeat.sh'
BUILT = pathlib.Path(os.environ.get('REAL_DIR', pathlib.Path.home() / '.cache/real'), 'bin/filebeat')
LINES, PATIENCE_S = 400, 40
AUTH = 'Feb  3 04:05:06 ws07 sshd[42]: Failed password for root from 203.0.113.5 port 40022 ssh2'
if not STARTER.exists():
    skipped.skip('the script that starts Filebeat is not here')
if not BUILT.exists():
    skipped.skip(f'Filebeat is not built; `.ci/run tools` does it, in some minutes')
home = WORK / 'filebeat'
shutil.rmtree(home, ignore_errors=True)
(home / 'bin').mkdir(parents=True)
(home / 'bin/filebeat').symlink_to(BUILT)


def write(path, first, last):
    """Lines of a Zeek log, with what must not be changed on the way."""
    with open(path, 'a') as out:
        for number in range(first, last):
            out.write(json.dumps({'ts': 1600000000 + number, 'uid': f'C{number}', 'id.orig_h': '10.0.0.7', 'note': 'naïve \\ "quoted" \u2028 \u0007'}) + '\n')


def events(topic, count, line=lambda event: event['message'], address=os.environ['BOOTSTRAP']):
    """Returns the topic's events once there are as many different lines."""
    base = {'bootstrap.servers': address, 'reconnect.backoff.max.ms': 200}
    admin, consumer, end = AdminClient(base), Consumer(dict(base, **{'group.id': f'{topic}-check'})), time.time() + PATIENCE_S
    while not (known := admin.list_topics(timeout=10).topics.get(topic)):
        assert time.time() < end, f'there is no topic {topic}\n' + said(topic)
        time.sleep(0.1)
    consumer.assign([TopicPartition(topic, partition, 0) for partition in known.partitions])
    found = []
    while len({line(event) for _, event in found}) < count:
        assert time.time() < end, f'{len(found)} events in {topic}\n' + said(topic)
        for message in consumer.consume(1000, 0.2):
            assert not message.error(), message.error()
            found.append((message, json.loads(message.value())))
    consumer.close()
    return found


def said(topic):
    logs = [path for path in home.glob('*.out') if path.stem == topic]
    return '\n'.join(path.read_text()[-2000:] for path in logs)


def run(topic, command, **env):
    return subprocess.Popen(command, env={**os.environ, **env}, stdout=open(home / f'{topic}.out', 'a'), stderr=subprocess.STDOUT)


def end(filebeat):
    filebeat.send_signal(signal.SIGTERM)
    assert filebeat.wait(20) == 0, 'Filebeat did not stop'


def compare(topic, log, found, once):
    expected, count = log.read_text().splitlines(), collections.Counter(event['message'] for _, event in found)
    assert set(count) == set(expected), f'{topic}: the lines differ'
    assert not once or max(count.values()) == 1, f'{topic}: a line came twice'
    for message, event in found:
        # Its own clock, its name and where it read: what an event of Filebeat always has.
        assert event['@timestamp'] and event['agent']['type'] == 'filebeat' and event['log']['file']['path'] == str(log)
        assert message.timestamp()[1] > 1_500_000_000_000


begun = time.time()
# As it comes: what the starter configures; stopped and started again, it goes on where it was.
plain = f'{NAME}-plain'
log = home / 'plain.log'
for last in (LINES, 2 * LINES):
    write(log, last - LINES, last)
    filebeat = run(plain, ['bash', str(STARTER), 'kafka', os.environ['BOOTSTRAP'], str(log), plain], REAL_DIR=str(home))
    found = events(plain, last)
    end(filebeat)
compare(plain, log, found, once=True)

# A server that is ended and one that is killed: what is written meanwhile comes later, and nothing is lost.
server = own_server.Server(home)
server.start()
log = home / 'restarts.log'
write(log, 0, LINES)
(home / 'restarts.yml').write_text(json.dumps({'filebeat.inputs': [{'type': 'log', 'paths': [str(log)]}], 'path.home': str(home / 'restarts'), 'output.kafka': {
    'hosts': [server.address], 'topic': 'restarts', 'required_acks': -1, 'backoff.max': '1s'}}))
filebeat = run(f'{NAME}-restarts', [str(BUILT), '-e', '--strict.perms=false', '-c', str(home / 'restarts.yml')])
try:
    for last, leave in ((2 * LINES, server.stop), (3 * LINES, server.kill)):
        events('restarts', last - LINES, address=server.address)
        leave()
        write(log, last - LINES, last)
        time.sleep(1)
        server.start()
    compare('restarts', log, events('restarts', 3 * LINES, address=server.address), once=False)
    end(filebeat)
finally:
    filebeat.kill()
    server.kill()

# What the documentation says, all of it by one Filebeat.
documented = {'auth': home / 'auth.log', 'zeek_conn': home / 'conn.log', 'dns': home / 'dns.log'}
documented['auth'].write_text(AUTH + '\n')
for topic in ('zeek_conn', 'dns'):
    write(documented[topic], 0, 3)
running = []
for number, paths in enumerate(({'/var/log/auth.log': 'auth', '/opt/zeek/logs/current/conn.log': 'zeek_conn'}, {'/opt/zeek/logs/current/dns.log': 'dns'})):
    settings = {path: str(documented[topic]) for path, topic in paths.items()} | {'127.0.0.1:9092': os.environ['BOOTSTRAP'], '%{[fields.topic]}': NAME + '-%{[fields.topic]}'}
    folder = home / f'documented-{number}'
    folder.mkdir()
    (folder / 'filebeat.yml').write_text(pages.block('filebeat.md', 'yaml', number, settings) + f'path.home: {folder}\n')
    running.append(run(f'{NAME}-documented', [str(BUILT), '-e', '--strict.perms=false', '-c', str(folder / 'filebeat.yml')]))
try:
    (_, event), = events(f'{NAME}-auth', 1)
    assert event['message'] == AUTH and event['log']['file']['path'] == str(documented['auth']), event
    found = {event['zeek']['uid']: event['zeek'] for _, event in events(f'{NAME}-zeek_conn', 3, lambda event: event['zeek']['uid'])}
    assert found == {line['uid']: line for line in map(json.loads, documented['zeek_conn'].read_text().splitlines())}, found
    found = [event for _, event in events(f'{NAME}-dns', 3, lambda event: event['uid'])]
    assert sorted(found, key=lambda event: event['uid']) == [json.loads(line) for line in documented['dns'].read_text().splitlines()], found
finally:
    [end(filebeat) for filebeat in running]

# Every way at once, each a Filebeat of its own.
SASL = {'hosts': [os.environ['BOOTSTRAP_SASL_SSL']], 'ssl.certificate_authorities': [os.environ['CA_FILE']], 'username': os.environ['SASL_USER'], 'password': os.environ['SASL_PASSWORD']}
MUTUAL = {'hosts': [os.environ['BOOTSTRAP_SSL']], 'ssl.certificate_authorities': [os.environ['CA_FILE']], 'ssl.certificate': os.environ['CLIENT_CERT'], 'ssl.key': os.environ['CLIENT_KEY']}
PLAIN = {'hosts': [os.environ['BOOTSTRAP']]}
ways = {
    'none': dict(PLAIN, compression='none', required_acks=-1),
    'snappy': dict(PLAIN, compression='snappy', key='%{[agent.name]}'),
    'lz4': dict(PLAIN, compression='lz4', **{'partition.round_robin': {'group_events': 10}}),
    'gzip': dict(PLAIN, compression='gzip', compression_level=9, version='2.1.0'),
    'old': dict(PLAIN, version='0.11.0.0'),
    'plain-login': dict(SASL, **{'sasl.mechanism': 'PLAIN'}),
    'scram-256': dict(SASL, **{'sasl.mechanism': 'SCRAM-SHA-256'}),
    'scram-512': dict(SASL, compression='lz4', **{'sasl.mechanism': 'SCRAM-SHA-512'}),
    'mutual-tls': dict(MUTUAL),
}
log = home / 'ways.log'
write(log, 0, LINES)
running = []
try:
    for way, settings in ways.items():
        # JSON is YAML. The topic is a field of the event.
        folder, topic = home / way, f'{NAME}-{way}'
        folder.mkdir()
        config = {'filebeat.inputs': [{'type': 'log', 'paths': [str(log)], 'fields': {'way': way}}], 'output.kafka': dict(settings, topic=NAME + '-%{[fields.way]}'),
                  'path.home': str(folder), 'path.data': str(folder / 'data'), 'path.logs': str(folder / 'logs'), 'logging.level': 'info'}
        (folder / 'filebeat.yml').write_text(json.dumps(config))
        running.append((topic, run(topic, [str(BUILT), '-e', '--strict.perms=false', '-c', str(folder / 'filebeat.yml')])))
    for topic, filebeat in running:
        compare(topic, log, events(topic, LINES), once=True)
        end(filebeat)
finally:
    for _, filebeat in running:
        filebeat.kill()
print(f'{5 + len(ways)} runs of Filebeat, the server ended and killed meanwhile, compressions {", ".join(("none", "snappy", "lz4", "gzip"))}, TLS, PLAIN and SCRAM, in {time.time() - begun:.1f} s')
