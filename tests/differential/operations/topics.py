"""Topics: made, listed, grown, emptied, deleted."""
import uuid

from harness import codes, operation, operations_of, produced
from records import batch


def new(name, partitions=1, copies=1, **more):
    return {'name': name, 'numPartitions': partitions, 'replicationFactor': copies, **more}


def create(k, *topics, version=7, validate=False):
    return k.ask('CreateTopics', version, topics=list(topics), timeoutMs=5000, validateOnly=validate)


def metadata(k, *names, version=12, auto=False, until=None):
    return k.ask('Metadata', version, topics=[{'name': name} for name in names], allowAutoTopicCreation=auto, includeTopicAuthorizedOperations=True, until=until)


def created(k, fields):
    """One topic with fields of its own, then what metadata says of it."""
    topic = {**new(k.topic()), **fields}
    answer = create(k, topic)
    if not codes(answer):
        k.wait_for(topic['name'], answer['topics'][0]['numPartitions'])
        metadata(k, topic['name'])


def config(name, value):
    return {'configs': [{'name': name, 'value': value}]}


operations_of({
    'plain': {},
    'three_partitions': {'numPartitions': 3},
    'default_partitions': {'numPartitions': -1, 'replicationFactor': -1},
    'no_partitions': {'numPartitions': 0},
    'negative_partitions': {'numPartitions': -2},
    'no_copies': {'replicationFactor': 0},
    'negative_copies': {'replicationFactor': -3},
    'three_copies': {'replicationFactor': 3},
    'empty_name': {'name': ''},
    'dot': {'name': '.'},
    'dots': {'name': '..'},
    'bad_characters': {'name': 'a/b'},
    'long_name': {'name': 'n' * 250},
    'longest_name': {'name': 'n' * 249},
    'config': config('retention.ms', '1000'),
    'unknown_config': config('retention.minutes', '1'),
    'empty_config_name': config('', '1'),
    'config_is_no_number': config('retention.ms', 'long'),
    'config_out_of_range': config('retention.ms', '-2'),
    'config_null': config('retention.ms', None),
    'config_bad_policy': config('cleanup.policy', 'shred'),
    'config_empty_policy': config('cleanup.policy', ''),
    'config_both_policies': config('cleanup.policy', 'compact,delete'),
    'config_bad_compression': config('compression.type', 'brotli'),
    'config_bad_timestamp_type': config('message.timestamp.type', 'Now'),
    'config_bad_ratio': config('min.cleanable.dirty.ratio', '2'),
    'config_small_segment': config('segment.bytes', '14'),
    'config_old_format': config('message.format.version', '2.8'),
    'config_bad_boolean': config('preallocate', 'perhaps'),
    'config_gzip_level': config('compression.gzip.level', '0'),
    'config_lz4_level': config('compression.lz4.level', '99'),
    'config_negative_flush': config('flush.messages', '0'),
    'config_no_insync': config('min.insync.replicas', '0'),
    'config_lag_above_max': {'configs': [{'name': 'min.compaction.lag.ms', 'value': '10'}, {'name': 'max.compaction.lag.ms', 'value': '5'}]},
    'config_remote': config('remote.storage.enable', 'true'),
    'config_local_retention': config('local.retention.ms', '5'),
    'config_throttled_replicas': config('leader.replication.throttled.replicas', '0:1,1:1'),
    'config_bad_throttled_replicas': config('leader.replication.throttled.replicas', 'x'),
    'config_spaces': config('retention.ms', ' 1000 '),
    'config_twice': {'configs': [{'name': 'retention.ms', 'value': '1'}, {'name': 'retention.ms', 'value': '2'}]},
    'assigned': {'numPartitions': -1, 'replicationFactor': -1, 'assignments': [{'partitionIndex': 0, 'brokerIds': [1]}, {'partitionIndex': 1, 'brokerIds': [1]}]},
    'assigned_and_counted': {'assignments': [{'partitionIndex': 0, 'brokerIds': [1]}]},
    'assigned_to_nobody': {'numPartitions': -1, 'replicationFactor': -1, 'assignments': [{'partitionIndex': 0, 'brokerIds': []}]},
    'assigned_twice': {'numPartitions': -1, 'replicationFactor': -1, 'assignments': [{'partitionIndex': 0, 'brokerIds': [1]}, {'partitionIndex': 0, 'brokerIds': [1]}]},
    'assigned_with_a_gap': {'numPartitions': -1, 'replicationFactor': -1, 'assignments': [{'partitionIndex': 0, 'brokerIds': [1]}, {'partitionIndex': 2, 'brokerIds': [1]}]},
    'assigned_from_one': {'numPartitions': -1, 'replicationFactor': -1, 'assignments': [{'partitionIndex': 1, 'brokerIds': [1]}]},
    'assigned_to_one_broker_twice': {'numPartitions': -1, 'replicationFactor': -1, 'assignments': [{'partitionIndex': 0, 'brokerIds': [1, 1]}]},
    'assigned_to_unknown_broker': {'numPartitions': -1, 'replicationFactor': -1, 'assignments': [{'partitionIndex': 0, 'brokerIds': [99]}]},
    'internal_name': {'name': '__consumer_offsets'},
}, created)


@operation
def create_twice(k):
    create(k, new(k.make()))


@operation
def create_duplicate_in_request(k):
    create(k, new(k.topic()), new(k.topic()))


@operation
def create_colliding_names(k):
    """Kafka's metric names cannot tell "." from "_"."""
    create(k, new(k.topic('.x')))
    create(k, new(k.topic('_x')))


@operation
def create_right_and_wrong_together(k):
    create(k, new(k.topic('a')), new(k.topic('b'), partitions=0), new('a b'))


@operation
def create_none(k):
    create(k)


@operation
def create_validated_only(k):
    create(k, new(k.topic(), 3), validate=True)
    create(k, new(k.topic(), 0), validate=True)
    metadata(k, k.topic())


@operation
def create_each_version(k):
    for version in range(2, 8):
        create(k, new(k.topic(f'v{version}')), version=version)


@operation
def metadata_unknown(k):
    metadata(k, k.topic())


@operation
def metadata_invalid_name(k):
    metadata(k, 'a b')


@operation
def metadata_empty_name(k):
    metadata(k, '')


@operation
def metadata_of_nothing(k):
    metadata(k)


@operation
def metadata_auto_creates(k):
    metadata(k, k.topic(), auto=True, until=lambda answer: not codes(answer))


@operation
def metadata_auto_creates_no_invalid_name(k):
    metadata(k, 'a b', auto=True)


@operation
def metadata_each_version(k):
    k.make()
    for version in range(0, 14):
        values = {'topics': [{'name': k.topic()}]}
        if version >= 4:
            values['allowAutoTopicCreation'] = False
        k.ask('Metadata', version, **values)


@operation
def metadata_by_id(k):
    topic = k.make(partitions=2)
    k.ask('Metadata', 12, topics=[{'topicId': k.id_of(topic), 'name': None}], allowAutoTopicCreation=False)


@operation
def metadata_by_unknown_id(k):
    k.ask('Metadata', 12, topics=[{'topicId': uuid.UUID(int=1 << 70), 'name': None}], allowAutoTopicCreation=False)


@operation
def metadata_by_id_and_name(k):
    topic = k.make()
    k.ask('Metadata', 12, topics=[{'topicId': k.id_of(topic), 'name': topic}], allowAutoTopicCreation=False)


@operation
def metadata_twice_the_same(k):
    topic = k.make()
    metadata(k, topic, topic)


@operation
def metadata_null_name_before_ids(k):
    k.ask('Metadata', 10, topics=[{'name': None}], allowAutoTopicCreation=False)


@operation
def describe_topic_partitions(k):
    a, b = k.make(k.topic('a'), 3), k.make(k.topic('b'), 2)
    ask = lambda limit, names, cursor=None: k.ask('DescribeTopicPartitions', 0, topics=[{'name': name} for name in names], responsePartitionLimit=limit, cursor=cursor)
    ask(100, [b, a])
    ask(2, [a, b])
    ask(2, [a, b], {'topicName': a, 'partitionIndex': 2})
    ask(100, [a, b], {'topicName': b, 'partitionIndex': 0})
    ask(100, [a], {'topicName': a, 'partitionIndex': 9})
    ask(0, [a])


@operation
def describe_topic_partitions_of_unknown(k):
    k.ask('DescribeTopicPartitions', 0, topics=[{'name': k.topic()}, {'name': 'a b'}], responsePartitionLimit=10, cursor=None)


@operation
def describe_topic_partitions_bad_cursor(k):
    topic = k.make()
    k.ask('DescribeTopicPartitions', 0, topics=[{'name': topic}], responsePartitionLimit=10, cursor={'topicName': topic, 'partitionIndex': -1})


def grow(k, **fields):
    validate = fields.pop('validate', False)
    return k.ask('CreatePartitions', 3, topics=[{'name': k.topic(), 'assignments': None, **fields}], timeoutMs=5000, validateOnly=validate)


def grown(k, fields):
    """A topic of two partitions that grows."""
    k.make(partitions=2)
    if not codes(grow(k, **fields)) and not fields.get('validate'):
        k.wait_for(k.topic(), fields['count'])
    metadata(k, k.topic())


operations_of({
    'by_one': {'count': 3},
    'to_the_same': {'count': 2},
    'to_fewer': {'count': 1},
    'to_none': {'count': 0},
    'to_less_than_none': {'count': -1},
    'validated_only': {'count': 4, 'validate': True},
    'assigned': {'count': 3, 'assignments': [{'brokerIds': [1]}]},
    'assigned_too_many': {'count': 3, 'assignments': [{'brokerIds': [1]}, {'brokerIds': [1]}]},
    'assigned_too_few': {'count': 4, 'assignments': [{'brokerIds': [1]}]},
    'assigned_none': {'count': 3, 'assignments': []},
    'assigned_to_unknown_broker': {'count': 3, 'assignments': [{'brokerIds': [42]}]},
    'assigned_to_nobody': {'count': 3, 'assignments': [{'brokerIds': []}]},
    'assigned_to_one_twice': {'count': 3, 'assignments': [{'brokerIds': [1, 1]}]},
}, grown)


@operation
def grow_unknown(k):
    grow(k, count=3)


@operation
def grow_twice_in_request(k):
    topic = k.make()
    wish = {'name': topic, 'count': 3, 'assignments': None}
    k.ask('CreatePartitions', 3, topics=[wish, wish], timeoutMs=5000, validateOnly=False)


@operation
def delete(k):
    topic = k.make()
    k.ask('DeleteTopics', 5, topicNames=[topic], timeoutMs=5000)
    metadata(k, topic, until=lambda answer: codes(answer))


@operation
def delete_unknown(k):
    k.ask('DeleteTopics', 5, topicNames=[k.topic()], timeoutMs=5000)


@operation
def delete_invalid_name(k):
    k.ask('DeleteTopics', 5, topicNames=['a b'], timeoutMs=5000)


@operation
def delete_twice_in_request(k):
    topic = k.make()
    k.ask('DeleteTopics', 5, topicNames=[topic, topic], timeoutMs=5000)


@operation
def delete_none(k):
    k.ask('DeleteTopics', 5, topicNames=[], timeoutMs=5000)


@operation
def delete_by_id(k):
    topic = k.make()
    k.ask('DeleteTopics', 6, topics=[{'name': None, 'topicId': k.id_of(topic)}], timeoutMs=5000)


@operation
def delete_by_unknown_id(k):
    k.ask('DeleteTopics', 6, topics=[{'name': None, 'topicId': uuid.UUID(int=1 << 70)}], timeoutMs=5000)


@operation
def delete_by_zero_id(k):
    k.ask('DeleteTopics', 6, topics=[{'name': None, 'topicId': uuid.UUID(int=0)}], timeoutMs=5000)


@operation
def delete_by_id_and_name(k):
    topic = k.make()
    k.ask('DeleteTopics', 6, topics=[{'name': topic, 'topicId': k.id_of(topic)}], timeoutMs=5000)


@operation
def delete_by_id_and_name_apart(k):
    topic = k.make()
    k.ask('DeleteTopics', 6, topics=[{'name': topic}, {'name': None, 'topicId': k.id_of(topic)}], timeoutMs=5000)


@operation
def delete_each_version(k):
    for version in range(1, 6):
        k.ask('DeleteTopics', version, topicNames=[k.make(k.topic(str(version)))], timeoutMs=5000)


def delete_records(k, offset, partition=0):
    """A partition of three records that is cut."""
    topic = k.make()
    k.fill(topic)
    k.ask('DeleteRecords', 2, topics=[{'name': topic, 'partitions': [{'partitionIndex': partition, 'offset': offset}]}], timeoutMs=5000)
    for special in (-2, -1, 0):
        k.ask('ListOffsets', 7, replicaId=-1, isolationLevel=0, topics=[{'name': topic, 'partitions': [{'partitionIndex': 0, 'timestamp': special}]}])
    k.ask('Fetch', 12, replicaId=-1, maxWaitMs=0, minBytes=0, maxBytes=1 << 20, sessionEpoch=-1, topics=[{'topic': topic, 'partitions': [{'partition': 0, 'fetchOffset': 0, 'partitionMaxBytes': 1 << 20}]}])


operations_of({'middle': 1, 'all': -1, 'end': 3, 'beyond_the_end': 4, 'nothing': 0, 'negative': -2, 'unknown_partition': (1, 7), 'negative_partition': (1, -1)}, delete_records)


@operation
def delete_records_twice(k):
    topic = k.make()
    k.fill(topic)
    for offset in (2, 1):
        k.ask('DeleteRecords', 2, topics=[{'name': topic, 'partitions': [{'partitionIndex': 0, 'offset': offset}]}], timeoutMs=5000)


@operation
def delete_records_of_unknown_topic(k):
    k.ask('DeleteRecords', 2, topics=[{'name': k.topic(), 'partitions': [{'partitionIndex': 0, 'offset': 1}]}], timeoutMs=5000)


@operation
def delete_records_of_compacted_topic(k):
    topic = k.make(cleanup_policy='compact')
    k.do('Produce', 9, **produced(topic, batch([b'a'], keys=[b'k'])))
    k.ask('DeleteRecords', 2, topics=[{'name': topic, 'partitions': [{'partitionIndex': 0, 'offset': 1}]}], timeoutMs=5000)


@operation
def elect_leaders(k):
    topic = k.make()
    for kind in (0, 1, 2):
        k.ask('ElectLeaders', 2, electionType=kind, topicPartitions=[{'topic': topic, 'partitions': [0, 4]}, {'topic': k.topic('none'), 'partitions': [0]}], timeoutMs=5000)


@operation
def list_reassignments(k):
    topic = k.make()
    k.ask('ListPartitionReassignments', 0, timeoutMs=5000, topics=[{'name': topic, 'partitionIndexes': [0]}])
    k.ask('ListPartitionReassignments', 0, timeoutMs=5000, topics=[{'name': k.topic('none'), 'partitionIndexes': [0]}])
    k.ask('ListPartitionReassignments', 0, timeoutMs=5000, topics=None)


@operation
def alter_reassignments(k):
    topic = k.make()
    wish = lambda replicas: [{'name': topic, 'partitions': [{'partitionIndex': 0, 'replicas': replicas}]}]
    for replicas in ([1], None, [99], []):
        k.ask('AlterPartitionReassignments', 0, timeoutMs=5000, topics=wish(replicas))
