# client: confluent-kafka
# long
# install: pip confluent-kafka
"""librdkafka: codecs, keys, headers, nulls; groups of every kind while members come and go; transactions; admin; logins."""
import os, pathlib, sys, threading
from concurrent.futures import ThreadPoolExecutor
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (AclBinding, AclBindingFilter, AclOperation, AclPermissionType, AdminClient, AlterConfigOpType, ConfigEntry,
                                   ConfigResource, NewPartitions, NewTopic, OffsetSpec, ResourcePatternType, ResourceType, ScramCredentialInfo,
                                   ScramMechanism, UserScramCredentialDeletion, UserScramCredentialUpsertion)

sys.path.insert(0, str(pathlib.Path(__file__).parent / 'lib'))
import pages
from waiting import until

N = os.environ['NAME']
BASE = {'bootstrap.servers': os.environ['BOOTSTRAP']}
admin = AdminClient(BASE)


def done(futures):
    return [future.result(20) for future in futures.values()]


def read(topic, group, count, **more):
    consumer = Consumer(dict(BASE, **{'group.id': group, 'auto.offset.reset': 'earliest', **more}))
    consumer.subscribe([topic])
    found = []

    def enough():
        message = consumer.poll(0.1)
        if message is not None and not message.error():
            found.append(message)
        return len(found) >= count
    until(enough, f'{count} records of {topic}')
    extra = consumer.poll(0.5)
    consumer.close()
    assert extra is None or extra.error(), (topic, extra.value())
    return found


def codecs():
    for codec in ('none', 'gzip', 'snappy', 'lz4', 'zstd'):
        topic = f'{N}-{codec}'
        producer = Producer(dict(BASE, **{'compression.type': codec, 'enable.idempotence': True, 'linger.ms': 5}))
        for i in range(200):
            producer.produce(topic, key=None if i % 7 == 0 else f'k{i}', value=None if i % 10 == 0 else f'v{i}' * 20,
                             headers={'h': b'x', 'n': None, 'i': str(i)}, timestamp=1000 + i)
        assert producer.flush(20) == 0
        found = {int(m.headers()[2][1]): m for m in read(topic, topic, 200)}
        assert sorted(found) == list(range(200))
        for i, m in found.items():
            assert m.key() == (None if i % 7 == 0 else f'k{i}'.encode()) and m.value() == (None if i % 10 == 0 else f'v{i}'.encode() * 20)
            assert m.headers()[:2] == [('h', b'x'), ('n', None)] and m.timestamp() == (1, 1000 + i)
    # By time: the first record at or after it, in each partition; none after the last.
    consumer = Consumer(dict(BASE, **{'group.id': f'{N}-time'}))
    for partition in range(4):
        times = sorted(m.timestamp()[1] for m in found.values() if m.partition() == partition)
        at = consumer.offsets_for_times([TopicPartition(topic, partition, 1100)], timeout=10)[0].offset
        later = sum(time < 1100 for time in times)
        assert at == later or (later == len(times) and at == -1), (partition, at, later)
        assert consumer.offsets_for_times([TopicPartition(topic, partition, 9999)], timeout=10)[0].offset == -1
        assert consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10) == (0, len(times))
    consumer.assign([TopicPartition(topic, 0, 2)])
    assert consumer.poll(10).offset() == 2
    consumer.seek(TopicPartition(topic, 0, 1))
    assert consumer.poll(10).offset() == 1
    consumer.close()
    offsets = done(admin.list_offsets({TopicPartition(topic, found[7].partition()): OffsetSpec.max_timestamp()}))
    assert offsets[0].timestamp == max(m.timestamp()[1] for m in found.values() if m.partition() == found[7].partition())


class Member(threading.Thread):
    """Reads until it is told to stop; then it leaves."""

    def __init__(self, topic, group, **more):
        super().__init__(daemon=True)
        self.found, self.share, self.ends = [], set(), threading.Event()
        self.consumer = Consumer(dict(BASE, **{'group.id': group, 'auto.offset.reset': 'earliest', 'topic.metadata.refresh.interval.ms': 1000, **more}))
        self.consumer.subscribe([topic])
        self.start()

    def run(self):
        while not self.ends.is_set():
            message = self.consumer.poll(0.05)
            self.share = {p.partition for p in self.consumer.assignment()}
            if message is not None and not message.error():
                self.found.append((message.partition(), int(message.value())))
        self.consumer.close()

    def leave(self):
        self.ends.set()
        self.join(30)


def group(kind, more, pattern=False):
    """One member, two, one again: every record is read once, by the member that has its partition."""
    topic = f'{N}-group-{kind}'
    done(admin.create_topics([NewTopic(topic, 4, 1)]))
    producer = Producer(BASE)

    def produce(start):
        for i in range(start, start + 400):
            producer.produce(topic, str(i), partition=i % 4)
        assert producer.flush(20) == 0

    produce(0)
    name = f'^{N}-group-{kind[:-1]}.$' if pattern else topic
    first = Member(name, topic, **more)
    until(lambda: len(first.found) == 400, f'{kind}: one member reads all')
    assert first.share == {0, 1, 2, 3}
    second = Member(name, topic, **more)
    until(lambda: len(first.share) == len(second.share) == 2 and not first.share & second.share, f'{kind}: two members share', 90)
    produce(400)
    until(lambda: len(first.found) + len(second.found) >= 800, f'{kind}: two members read all')
    assert {p for p, i in second.found} == second.share and len(second.found) == 200
    second.leave()
    until(lambda: len(first.share) == 4, f'{kind}: the member left has all', 90)
    produce(800)
    until(lambda: len(first.found) + len(second.found) >= 1200, f'{kind}: the member left reads all')
    first.leave()
    for partition in range(4):
        assert [i for p, i in second.found if p == partition] in ([], list(range(400 + partition, 800, 4)))
    assert sorted(i for _, i in first.found + second.found) == list(range(1200)), kind
    described = done(admin.describe_consumer_groups([topic]))[0]
    assert described.state.name == 'EMPTY' and not described.members, described.state


def static_members():
    """A static member that goes and comes back keeps its partitions without a rebalance."""
    topic = f'{N}-static'
    done(admin.create_topics([NewTopic(topic, 2, 1)]))
    members = [Member(topic, topic, **{'group.instance.id': f'i{i}', 'session.timeout.ms': 20000}) for i in range(2)]
    until(lambda: all(len(m.share) == 1 for m in members), 'two static members share')
    before = members[1].share
    members[1].leave()
    assert len(done(admin.describe_consumer_groups([topic]))[0].members) == 2
    again = Member(topic, topic, **{'group.instance.id': 'i1', 'session.timeout.ms': 20000})
    until(lambda: again.share, 'the static member is back', 10)
    assert again.share == before and len(members[0].share) == 1
    members[0].leave(), again.leave()


def transactions():
    topic = f'{N}-tx'
    done(admin.create_topics([NewTopic(topic, 1, 1)]))
    writer = Producer(dict(BASE, **{'transactional.id': topic}))
    writer.init_transactions()
    for commit in (True, False, True):
        writer.begin_transaction()
        for i in range(10):
            writer.produce(topic, str(commit))
        writer.flush()
        reader = Consumer(dict(BASE, **{'group.id': f'{topic}-group'}))
        writer.send_offsets_to_transaction([TopicPartition(topic, 0, 7 if commit else 9)], reader.consumer_group_metadata())
        writer.commit_transaction() if commit else writer.abort_transaction()
        reader.close()
    assert {m.value() for m in read(topic, f'{topic}-c', 20, **{'isolation.level': 'read_committed'})} == {b'True'}
    assert len(read(topic, f'{topic}-u', 30, **{'isolation.level': 'read_uncommitted'})) == 30
    committed = done(admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(f'{topic}-group')]))[0]
    assert committed.topic_partitions[0].offset == 7
    newer = Producer(dict(BASE, **{'transactional.id': topic}))
    newer.init_transactions()
    try:
        writer.begin_transaction()
        writer.produce(topic, 'zombie')
        writer.commit_transaction()
        raise SystemExit('the older producer is not fenced')
    except KafkaException as error:
        assert error.args[0].code() == -144, error
    done(admin.delete_consumer_groups([f'{topic}-group']))


def topics_and_rules():
    topic = f'{N}-admin'
    done(admin.create_topics([NewTopic(topic, 4, 3, config={'cleanup.policy': 'compact,delete'})]))
    try:
        done(admin.create_topics([NewTopic(topic, 1, 1)]))
        raise SystemExit('a topic is made twice')
    except KafkaException as error:
        assert error.args[0].code() == 36, error
    resource = ConfigResource('topic', topic, incremental_configs=[ConfigEntry('retention.ms', '5000', incremental_operation=AlterConfigOpType.SET)])
    done(admin.incremental_alter_configs([resource]))
    configs = done(admin.describe_configs([ConfigResource('topic', topic)]))[0]
    assert configs['retention.ms'].value == '5000' and configs['cleanup.policy'].value == 'compact,delete'
    done(admin.create_partitions([NewPartitions(topic, 6)]))
    assert len(admin.list_topics(topic, timeout=10).topics[topic].partitions) == 6
    producer = Producer(BASE)
    for i in range(20):
        producer.produce(topic, str(i), key='k', partition=0)
    producer.flush(20)
    assert done(admin.delete_records([TopicPartition(topic, 0, 10)]))[0].low_watermark == 10
    rule = AclBinding(ResourceType.TOPIC, f'{N}-denied', ResourcePatternType.LITERAL, 'User:*', '*', AclOperation.READ, AclPermissionType.DENY)
    done(admin.create_acls([rule]))
    same = AclBindingFilter(ResourceType.TOPIC, f'{N}-denied', ResourcePatternType.LITERAL, None, None, AclOperation.ANY, AclPermissionType.ANY)
    assert admin.describe_acls(same).result(10) == [rule]
    assert done(admin.delete_acls([same])) == [[rule]]
    assert len(admin.describe_cluster().result(10).nodes) == 1
    done(admin.delete_topics([topic]))
    until(lambda: topic not in admin.list_topics(timeout=10).topics, 'the topic is gone', 10)


def sent(config, topic):
    """Sends a record and returns the error codes that were told."""
    told = []
    producer = Producer(config)
    producer.produce(topic, 'v', callback=lambda error, message: told.append(error and error.code()))
    assert producer.flush(20) == 0
    return told


def logins():
    tls = {'bootstrap.servers': os.environ['BOOTSTRAP_SASL_SSL'], 'security.protocol': 'SASL_SSL', 'ssl.ca.location': os.environ['CA_FILE']}
    user = {'sasl.username': os.environ['SASL_USER'], 'sasl.password': os.environ['SASL_PASSWORD']}
    done(admin.alter_user_scram_credentials([UserScramCredentialUpsertion(N, ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 5000), b'secret')]))
    done(admin.describe_user_scram_credentials([N]))
    mine = {'sasl.username': N, 'sasl.password': 'secret'}
    for mechanism, who in (('PLAIN', user), ('SCRAM-SHA-256', user), ('SCRAM-SHA-512', user), ('SCRAM-SHA-512', mine)):
        assert AdminClient({**tls, **who, 'sasl.mechanism': mechanism}).list_topics(timeout=10).topics
    done(admin.alter_user_scram_credentials([UserScramCredentialDeletion(N, ScramMechanism.SCRAM_SHA_512)]))
    for mechanism, who in (('PLAIN', {**user, 'sasl.password': 'wrong'}), ('SCRAM-SHA-256', {**user, 'sasl.password': 'wrong'}), ('SCRAM-SHA-512', mine)):
        try:
            AdminClient({**tls, **who, 'sasl.mechanism': mechanism}).list_topics(timeout=3)
            raise SystemExit(f'a wrong password is taken: {mechanism}')
        except KafkaException:
            pass
    # What the documentation makes with a few lines of Python: a user and a rule.
    page, topic = f'{N}-page', f'{N}-page-topic'
    exec(pages.block('kafka-clients.md', 'python', 0, {'127.0.0.1:9092': os.environ['BOOTSTRAP'], "'zeek'": f"'{page}'", 'User:zeek': f'User:{page}', "'conn'": f"'{topic}'"}), {})
    theirs = {**tls, 'sasl.username': page, 'sasl.password': 'a long secret', 'sasl.mechanism': 'SCRAM-SHA-512'}
    done(admin.create_topics([NewTopic(topic, 1, 1)]))
    for config, code in ((theirs, None), ({**tls, **user, 'sasl.mechanism': 'PLAIN'}, 29)):
        assert sent(config, topic) == [code], (config, code)
    mutual = {'bootstrap.servers': os.environ['BOOTSTRAP_SSL'], 'security.protocol': 'SSL', 'ssl.ca.location': os.environ['CA_FILE']}
    shown = {'ssl.certificate.location': os.environ['CLIENT_CERT'], 'ssl.key.location': os.environ['CLIENT_KEY']}
    # Who has shown a certificate is its subject: a rule for it holds, and for nobody else.
    topic = f'{N}-mutual'
    done(admin.create_topics([NewTopic(topic, 1, 1)]))
    rule = AclBinding(ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, 'User:CN=client', '*', AclOperation.WRITE, AclPermissionType.ALLOW)
    done(admin.create_acls([rule]))
    for config, code in (({**mutual, **shown}, None), (BASE, 29)):
        assert sent(config, topic) == [code], code
    try:
        AdminClient(mutual).list_topics(timeout=3)
        raise SystemExit('a client without a certificate is let in')
    except KafkaException:
        pass


steps = [codecs, lambda: group('range', {}), lambda: group('cooperative', {'partition.assignment.strategy': 'cooperative-sticky'}, pattern=True),
         lambda: group('kip848', {'group.protocol': 'consumer'}), static_members, transactions, topics_and_rules, logins]
with ThreadPoolExecutor(len(steps)) as pool:
    for running in [pool.submit(step) for step in steps]:
        running.result()
print('codecs, nulls, headers, times, range/cooperative/KIP-848/static groups, patterns, transactions, admin, ACLs, SCRAM, PLAIN, mTLS')
