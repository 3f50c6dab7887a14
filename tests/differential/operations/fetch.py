"""Fetch: by name, by id, in sessions, at wrong places; and offsets by time and by epoch."""
import uuid

from harness import codes, operation, operations_of, produced
from records import GZIP, TIME, TRANSACTIONAL, ZSTD, batch

UNKNOWN_ID = uuid.UUID(int=1 << 70)


def wish(partition=0, offset=0, version=12, **more):
    fields = {'partition': partition, 'fetchOffset': offset, 'partitionMaxBytes': 1 << 20, **more}
    return fields


def fetch(k, topic, *partitions, version=12, record=True, **more):
    fields = dict(maxWaitMs=0, minBytes=0, maxBytes=1 << 20, isolationLevel=0, topics=[{'topic': topic, 'partitions': list(partitions)}] if topic else [])
    if version >= 7:
        fields['sessionEpoch'] = -1
    fields.update(more)
    return (k.ask if record else k.do)('Fetch', version, **fields)


def fetched(k, fields):
    """A partition of three batches, fetched in some way."""
    topic = k.make()
    k.fill(topic)
    fields = dict(fields)
    top = {name: fields.pop(name) for name in ('maxBytes', 'minBytes', 'maxWaitMs', 'isolationLevel', 'replicaId', 'sessionId', 'sessionEpoch') if name in fields}
    fetch(k, topic, wish(**fields), **top)


operations_of({
    'from_start': {},
    'from_middle': {'offset': 1},
    'at_the_end': {'offset': 3},
    'beyond_the_end': {'offset': 4},
    'negative_offset': {'offset': -1},
    'one_byte_of_partition': {'partitionMaxBytes': 1},
    'one_byte_of_all': {'maxBytes': 1},
    'no_bytes': {'partitionMaxBytes': 0},
    'negative_bytes': {'maxBytes': -1},
    'one_batch': {'partitionMaxBytes': 80},
    'unknown_partition': {'partition': 3},
    'negative_partition': {'partition': -1},
    'right_leader_epoch': {'currentLeaderEpoch': 0},
    'epoch_too_new': {'currentLeaderEpoch': 5},
    'last_fetched_epoch': {'offset': 2, 'lastFetchedEpoch': 0},
    'last_fetched_epoch_too_new': {'offset': 2, 'lastFetchedEpoch': 4},
    'committed_only': {'isolationLevel': 1},
    'strange_isolation': {'isolationLevel': 7},
    'as_replica': {'replicaId': 5},
    'as_debugger': {'replicaId': -2},
}, fetched)


@operation
def unknown_topic(k):
    fetch(k, k.topic(), wish())


@operation
def invalid_topic_name(k):
    fetch(k, 'a b', wish())


@operation
def nothing(k):
    fetch(k, None)


@operation
def each_version(k):
    topic = k.make()
    k.fill(topic)
    for version in range(4, 13):
        fetch(k, topic, wish(), version=version)
    for version in range(13, 19):
        k.ask('Fetch', version, maxWaitMs=0, minBytes=0, maxBytes=1 << 20, sessionEpoch=-1, topics=[{'topicId': k.id_of(topic), 'partitions': [wish()]}])


def by_id(k, *ids, record=True, **more):
    fields = dict(maxWaitMs=0, minBytes=0, maxBytes=1 << 20, sessionEpoch=-1, topics=[{'topicId': id, 'partitions': [wish()]} for id in ids])
    fields.update(more)
    return (k.ask if record else k.do)('Fetch', 13, **fields)


@operation
def unknown_topic_id(k):
    by_id(k, UNKNOWN_ID)


@operation
def zero_topic_id(k):
    by_id(k, uuid.UUID(int=0))


@operation
def known_and_unknown_id(k):
    topic = k.make()
    by_id(k, k.id_of(topic), UNKNOWN_ID)


@operation
def deleted_topic_id(k):
    id = k.id_of(k.make())
    k.do('DeleteTopics', 5, topicNames=[k.topic()], timeoutMs=5000)
    k.do('Metadata', 12, topics=[{'name': k.topic()}], allowAutoTopicCreation=False, until=codes)
    by_id(k, id)


@operation
def session(k):
    """Full, then only what is new, then a partition more, then one less, then closed."""
    a, b = k.make(k.topic('a')), k.make(k.topic('b'))
    k.fill(a)
    id = fetch(k, a, wish(), sessionId=0, sessionEpoch=0)['sessionId']
    fetch(k, None, sessionId=id, sessionEpoch=1)
    fetch(k, a, wish(offset=3), sessionId=id, sessionEpoch=2)
    fetch(k, None, sessionId=id, sessionEpoch=3)
    k.fill(a, 1)
    fetch(k, None, sessionId=id, sessionEpoch=4)
    fetch(k, b, wish(), sessionId=id, sessionEpoch=5)
    k.fill(b, 1)
    fetch(k, None, sessionId=id, sessionEpoch=6)
    fetch(k, None, sessionId=id, sessionEpoch=7, forgottenTopicsData=[{'topic': a, 'partitions': [0]}])
    fetch(k, None, sessionId=id, sessionEpoch=-1)
    fetch(k, None, sessionId=id, sessionEpoch=8)


@operation
def session_unknown(k):
    fetch(k, None, sessionId=123456, sessionEpoch=1)


@operation
def session_wrong_epoch(k):
    topic = k.make()
    id = fetch(k, topic, wish(), sessionEpoch=0, record=False)['sessionId']
    fetch(k, None, sessionId=id, sessionEpoch=5)
    fetch(k, None, sessionId=id, sessionEpoch=1)


@operation
def session_id_without_epoch(k):
    fetch(k, k.make(), wish(), sessionId=99, sessionEpoch=0)


@operation
def session_of_nothing(k):
    fetch(k, None, sessionId=0, sessionEpoch=0)


@operation
def session_with_errors(k):
    topic = k.make()
    id = fetch(k, topic, wish(), wish(4), sessionEpoch=0)['sessionId']
    fetch(k, None, sessionId=id, sessionEpoch=1)


@operation
def session_by_id_then_by_name(k):
    topic = k.make()
    id = by_id(k, k.id_of(topic), sessionId=0, sessionEpoch=0)['sessionId']
    fetch(k, None, sessionId=id, sessionEpoch=1)


@operation
def session_by_name_then_by_id(k):
    topic = k.make()
    id = fetch(k, topic, wish(), sessionId=0, sessionEpoch=0)['sessionId']
    by_id(k, sessionId=id, sessionEpoch=1)


@operation
def session_with_unknown_id(k):
    topic = k.make()
    id = by_id(k, k.id_of(topic), UNKNOWN_ID, sessionId=0, sessionEpoch=0)['sessionId']
    by_id(k, sessionId=id, sessionEpoch=1)


@operation
def session_topic_deleted(k):
    topic = k.make()
    id = by_id(k, k.id_of(topic), sessionId=0, sessionEpoch=0)['sessionId']
    k.do('DeleteTopics', 5, topicNames=[topic], timeoutMs=5000)
    k.do('Metadata', 12, topics=[{'name': topic}], allowAutoTopicCreation=False, until=codes)
    by_id(k, sessionId=id, sessionEpoch=1)


@operation
def waits_for_bytes(k):
    topic = k.make()
    k.fill(topic)
    fetch(k, topic, wish(offset=3), maxWaitMs=300, minBytes=1)


@operation
def many_partitions(k):
    topic = k.make(partitions=3)
    for partition in range(3):
        k.fill(topic, 2, partition)
    fetch(k, topic, wish(2), wish(0), wish(1))
    fetch(k, topic, wish(0), wish(1), wish(2), maxBytes=100)


@operation
def same_partition_twice(k):
    topic = k.make()
    k.fill(topic)
    fetch(k, topic, wish(), wish(offset=1))


@operation
def compressed_batch_from_its_middle(k):
    topic = k.make()
    k.produce(topic, batch([b'a', b'b', b'c'], codec=GZIP))
    fetch(k, topic, wish(offset=1))


@operation
def zstd_for_an_old_client(k):
    topic = k.make()
    k.produce(topic, batch([b'z' * 300], codec=ZSTD))
    fetch(k, topic, wish(), version=9)
    fetch(k, topic, wish(), version=10)


# Offsets by time.

def offsets(k, topic, *timestamps, partition=0, version=7, **more):
    fields = dict(replicaId=-1, isolationLevel=0)
    fields.update(more)
    for timestamp in timestamps:
        k.ask('ListOffsets', version, topics=[{'name': topic, 'partitions': [{'partitionIndex': partition, 'timestamp': timestamp}]}], **fields)


def listed(k, timestamp):
    """A partition with times 0 s, 1 s and 2 s after the first."""
    topic = k.make()
    k.fill(topic)
    offsets(k, topic, timestamp)


operations_of({
    'latest': -1,
    'earliest': -2,
    'max_timestamp': -3,
    'first_time': TIME,
    'between_times': TIME + 500,
    'last_time': TIME + 2000,
    'after_all_times': TIME + 3000,
    'time_zero': 0,
}, listed)


@operation
def list_newer_specials(k):
    topic = k.make()
    k.fill(topic)
    for version, timestamp in ((8, -4), (9, -5), (11, -6), (7, -4), (7, -5), (7, -6), (10, -7), (7, -100)):
        offsets(k, topic, timestamp, version=version)


@operation
def list_each_version(k):
    topic = k.make()
    k.fill(topic)
    for version in range(1, 12):
        fields = dict(replicaId=-1, topics=[{'name': topic, 'partitions': [{'partitionIndex': 0, 'timestamp': TIME + 1}]}])
        if version >= 2:
            fields['isolationLevel'] = 0
        k.ask('ListOffsets', version, **fields)


@operation
def list_of_empty_partition(k):
    offsets(k, k.make(), -1, -2, -3, 0, 5)


@operation
def list_unknown_topic(k):
    offsets(k, k.topic(), -1)


@operation
def list_unknown_partition(k):
    offsets(k, k.make(), -1, partition=3)


@operation
def list_same_partition_twice(k):
    topic = k.make()
    wanted = {'partitionIndex': 0, 'timestamp': -1}
    k.ask('ListOffsets', 7, replicaId=-1, isolationLevel=0, topics=[{'name': topic, 'partitions': [wanted, wanted]}])


@operation
def list_wrong_leader_epoch(k):
    topic = k.make()
    for epoch in (0, 3, -1):
        k.ask('ListOffsets', 7, replicaId=-1, isolationLevel=0, topics=[{'name': topic, 'partitions': [{'partitionIndex': 0, 'timestamp': -1, 'currentLeaderEpoch': epoch}]}])


@operation
def list_times_out_of_order(k):
    topic = k.make()
    k.produce(topic, batch([b'a', b'b', b'c'], timestamps=[TIME + 5, TIME + 9, TIME + 1]))
    k.produce(topic, batch([b'd'], timestamp=TIME + 7))
    offsets(k, topic, -3, TIME + 1, TIME + 6, TIME + 8, TIME + 9, TIME + 10)


@operation
def list_times_in_gzip(k):
    topic = k.make()
    k.produce(topic, batch([b'a', b'b', b'c'], timestamps=[TIME, TIME + 5, TIME + 9], codec=GZIP))
    offsets(k, topic, -3, TIME + 1, TIME + 6)


@operation
def list_same_max_timestamp_twice(k):
    topic = k.make()
    k.produce(topic, batch([b'a', b'b'], timestamp=TIME))
    k.produce(topic, batch([b'c'], timestamp=TIME))
    offsets(k, topic, -3)


@operation
def list_append_time(k):
    topic = k.make(message_timestamp_type='LogAppendTime')
    k.produce(topic, batch([b'a', b'b']))
    offsets(k, topic, -3, TIME)


@operation
def list_with_open_transaction(k):
    topic = k.make()
    k.fill(topic, 1)
    producer, epoch = k.producer(k.tx())
    k.do('AddPartitionsToTxn', 3, v3AndBelowTransactionalId=k.tx(), v3AndBelowProducerId=producer, v3AndBelowProducerEpoch=epoch, v3AndBelowTopics=[{'name': topic, 'partitions': [0]}])
    k.produce(topic, batch([b't'], producer_id=producer, epoch=epoch, sequence=0, attributes=TRANSACTIONAL, timestamp=TIME + 9000), tx=k.tx())
    for level in (0, 1):
        offsets(k, topic, -1, -2, -3, TIME + 8000, isolationLevel=level)
        fetch(k, topic, wish(), isolationLevel=level)
    k.do('EndTxn', 3, transactionalId=k.tx(), producerId=producer, producerEpoch=epoch, committed=False)
    fetch(k, topic, wish(), isolationLevel=1, until=lambda answer: answer['responses'][0]['partitions'][0]['lastStableOffset'] == 3)
    offsets(k, topic, -1, -3, isolationLevel=1)


def epoch_end(k, topic, *, epoch, current=-1, partition=0, version=4):
    k.ask('OffsetForLeaderEpoch', version, replicaId=-2,
          topics=[{'topic': topic, 'partitions': [{'partition': partition, 'currentLeaderEpoch': current, 'leaderEpoch': epoch}]}])


def epoch_ended(k, fields):
    """The end of an epoch in a partition of three records."""
    topic = k.make()
    k.fill(topic)
    epoch_end(k, topic, **fields)


operations_of({
    'current': {'epoch': 0},
    'future': {'epoch': 3},
    'before_all': {'epoch': -1},
    'strange': {'epoch': -7},
    'right_current': {'epoch': 0, 'current': 0},
    'current_too_new': {'epoch': 0, 'current': 2},
    'unknown_partition': {'epoch': 0, 'partition': 9},
}, epoch_ended)


@operation
def epoch_end_of_unknown_topic(k):
    epoch_end(k, k.topic(), epoch=0)


@operation
def epoch_end_of_empty_partition(k):
    epoch_end(k, k.make(), epoch=0)
    epoch_end(k, k.topic(), epoch=1)


@operation
def recreated_topic_has_another_id(k):
    topic = k.make()
    k.fill(topic)
    old = k.id_of(topic)
    k.do('DeleteTopics', 5, topicNames=[topic], timeoutMs=5000)
    k.do('Metadata', 12, topics=[{'name': topic}], allowAutoTopicCreation=False, until=codes)
    k.make(topic)
    by_id(k, old)
    fetch(k, topic, wish())
    k.ask('Produce', 9, **produced(topic, batch()))
