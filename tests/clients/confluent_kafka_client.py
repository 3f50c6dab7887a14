# client: confluent-kafka
# install: pip confluent-kafka
"""librdkafka: codecs, keys, headers, nulls, a group with a rebalance in both protocols, transactions, admin, logins."""
import os, threading, time
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AclBinding, AclBindingFilter, AclOperation, AclPermissionType, AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic, OffsetSpec, ResourcePatternType, ResourceType

BASE = {'bootstrap.servers': os.environ['BOOTSTRAP']}
admin = AdminClient(BASE)
done = lambda futures: [future.result(20) for future in futures.values()]


def read(topic, group, count, **more):
    consumer = Consumer(dict(BASE, **{'group.id': group, 'auto.offset.reset': 'earliest', **more}))
    consumer.subscribe([topic])
    found, end = [], time.time() + 20
    while len(found) < count and time.time() < end:
        message = consumer.poll(0.2)
        if message is not None and not message.error():
            found.append(message)
    consumer.close()
    assert len(found) == count, (topic, len(found), count)
    return found


for codec in ('none', 'gzip', 'snappy', 'lz4', 'zstd'):
    topic = f'rd-{codec}'
    producer = Producer(dict(BASE, **{'compression.type': codec, 'enable.idempotence': True, 'linger.ms': 5}))
    for i in range(200):
        producer.produce(topic, key=f'k{i}', value=None if i % 10 == 0 else f'v{i}' * 20, headers={'h': b'x', 'n': None}, timestamp=1000 + i)
    assert producer.flush(20) == 0
    found = read(topic, f'rd-{codec}', 200)
    by_key = {m.key().decode(): m for m in found}
    assert len(by_key) == 200 and by_key['k10'].value() is None and by_key['k7'].value() == b'v7' * 20
    assert by_key['k7'].headers() == [('h', b'x'), ('n', None)] and by_key['k7'].timestamp()[1] == 1007
at = admin.list_offsets({TopicPartition('rd-none', by_key['k7'].partition()): OffsetSpec.for_timestamp(1007)})
assert done(at)[0].offset >= 0

done(admin.create_topics([NewTopic('rd-group', 4, 3)]))
producer = Producer(BASE)
for i in range(2000):
    producer.produce('rd-group', str(i), partition=i % 4)
producer.flush(20)
for protocol in ('classic', 'consumer'):
    found, lock, shares = [], threading.Lock(), {}

    def member(number):
        time.sleep(2 * number)
        consumer = Consumer(dict(BASE, **{'group.id': f'rd-{protocol}', 'auto.offset.reset': 'earliest', 'group.protocol': protocol}))
        consumer.subscribe(['^rd-group.*'])
        end = time.time() + 14 - 2 * number
        while time.time() < end:
            message = consumer.poll(0.1)
            if message is not None and not message.error():
                with lock:
                    found.append(int(message.value()))
        shares[number] = len(consumer.assignment())
        consumer.close()

    members = [threading.Thread(target=member, args=(number,)) for number in range(2)]
    [m.start() for m in members]
    [m.join() for m in members]
    assert sorted(found) == list(range(2000)), (protocol, len(found))
    assert shares == {0: 2, 1: 2}, (protocol, shares)

done(admin.create_topics([NewTopic('rd-tx', 1, 1)]))
writer = Producer(dict(BASE, **{'transactional.id': 'rd-tx'}))
writer.init_transactions()
for commit in (True, False, True):
    writer.begin_transaction()
    for i in range(10):
        writer.produce('rd-tx', str(commit))
    writer.flush()
    group = Consumer(dict(BASE, **{'group.id': 'rd-tx-group'})).consumer_group_metadata()
    writer.send_offsets_to_transaction([TopicPartition('rd-tx', 0, 7 if commit else 9)], group)
    writer.commit_transaction() if commit else writer.abort_transaction()
assert {m.value() for m in read('rd-tx', 'rd-tx-c', 20, **{'isolation.level': 'read_committed'})} == {b'True'}
assert len(read('rd-tx', 'rd-tx-u', 30, **{'isolation.level': 'read_uncommitted'})) == 30
assert done(admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions('rd-tx-group')]))[0].topic_partitions[0].offset == 7
newer = Producer(dict(BASE, **{'transactional.id': 'rd-tx'}))
newer.init_transactions()
try:
    writer.begin_transaction()
    writer.produce('rd-tx', 'zombie')
    writer.commit_transaction()
    raise SystemExit('the older producer is not fenced')
except KafkaException as error:
    assert error.args[0].code() == -144, error

resource = ConfigResource('topic', 'rd-group', incremental_configs=[ConfigEntry('retention.ms', '5000', incremental_operation=AlterConfigOpType.SET)])
done(admin.incremental_alter_configs([resource]))
assert done(admin.describe_configs([ConfigResource('topic', 'rd-group')]))[0]['retention.ms'].value == '5000'
done(admin.create_partitions([NewPartitions('rd-group', 6)]))
assert len(admin.list_topics('rd-group', timeout=10).topics['rd-group'].partitions) == 6
assert done(admin.delete_records([TopicPartition('rd-group', 0, 10)]))[0].low_watermark == 10
rule = AclBinding(ResourceType.TOPIC, 'rd-denied', ResourcePatternType.LITERAL, 'User:*', '*', AclOperation.READ, AclPermissionType.DENY)
done(admin.create_acls([rule]))
done(admin.delete_acls([AclBindingFilter(ResourceType.TOPIC, "rd-denied", ResourcePatternType.LITERAL, None, None, AclOperation.ANY, AclPermissionType.ANY)]))
done(admin.delete_consumer_groups(['rd-tx-group']))
done(admin.delete_topics(['rd-group']))

login = {'bootstrap.servers': os.environ['BOOTSTRAP_SASL_SSL'], 'security.protocol': 'SASL_SSL', 'ssl.ca.location': os.environ['CA_FILE'],
         'sasl.mechanism': 'PLAIN', 'sasl.username': os.environ['SASL_USER'], 'sasl.password': os.environ['SASL_PASSWORD']}
assert AdminClient(login).list_topics(timeout=10).topics
try:
    AdminClient(dict(login, **{'sasl.password': 'wrong'})).list_topics(timeout=3)
    raise SystemExit('a wrong password is taken')
except KafkaException:
    pass
