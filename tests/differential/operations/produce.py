"""Produce: what is taken in, what is refused and with which offsets and times it is answered."""
import uuid

from harness import operation, operations_of, produced
from records import CONTROL, GZIP, LOG_APPEND_TIME, LZ4, SNAPPY, TIME, TRANSACTIONAL, ZSTD, batch, old_message

LONG = [b'x' * 300]


def read_back(k, topic, partition=0):
    """Shows what lies in a partition."""
    k.ask('Fetch', 12, replicaId=-1, maxWaitMs=0, minBytes=0, maxBytes=1 << 20, isolationLevel=0, sessionId=0, sessionEpoch=-1,
          topics=[{'topic': topic, 'partitions': [{'partition': partition, 'currentLeaderEpoch': -1, 'fetchOffset': 0, 'lastFetchedEpoch': -1, 'partitionMaxBytes': 1 << 20}]}])


def one_batch(k, records, configs=None, read=True):
    """Writes one batch to a new topic."""
    topic = k.make(**(configs or {}))
    k.ask('Produce', 9, **produced(topic, records))
    if read:
        read_back(k, topic)


operations_of({
    'plain': batch([b'a', b'b', b'c']),
    'with_keys_and_headers': batch([b'a', None], keys=[None, b'k'], headers=[(b'h', b'1'), (b'h', None)]),
    'gzip': batch(LONG, codec=GZIP),
    'snappy': batch(LONG, codec=SNAPPY),
    'lz4': batch(LONG, codec=LZ4),
    'zstd': batch(LONG, codec=ZSTD),
    'unknown_codec': batch([b'a'], codec=5),
    'codec_is_not_what_it_says': batch([b'a'], attributes=ZSTD, raw=b'not zstd'),
    'bad_crc': batch([b'a'], crc=1),
    'bad_magic': batch([b'a'], magic=3),
    'negative_magic': batch([b'a'], magic=-1),
    'cut': batch([b'abcdef'], cut=4),
    'length_beyond_the_end': batch([b'a'], length=1000),
    'length_too_small': batch([b'a'], length=20),
    'negative_length': batch([b'a'], length=-1),
    'empty': b'',
    'no_records_in_batch': batch([]),
    'two_batches': batch([b'a']) + batch([b'b']),
    'count_too_high': batch([b'a', b'b'], count=3),
    'count_too_low': batch([b'a', b'b'], count=1),
    'negative_count': batch([b'a'], count=-1),
    'last_delta_wrong': batch([b'a', b'b'], last_delta=5),
    'deltas_with_a_gap': batch([b'a', b'b'], deltas=[0, 2], last_delta=2),
    'deltas_from_one': batch([b'a', b'b'], deltas=[1, 2], last_delta=2),
    'control_batch': batch([b'a'], attributes=CONTROL),
    'transactional_without_id': batch([b'a'], attributes=TRANSACTIONAL),
    'log_append_time_bit': batch([b'a'], attributes=LOG_APPEND_TIME),
    'base_offset_not_zero': batch([b'a'], base_offset=7),
    'leader_epoch_set': batch([b'a'], leader_epoch=9),
    'max_timestamp_wrong': batch([b'a', b'b'], max_timestamp=TIME + 5000),
    'timestamps_apart': batch([b'a', b'b', b'c'], timestamps=[TIME, TIME + 7, TIME + 3]),
    'no_timestamp': batch([b'a'], timestamp=-1),
    'negative_timestamp': batch([b'a'], timestamp=-2),
    'timestamp_far_ahead': batch([b'a'], timestamp=4_000_000_000_000),
    'some_timestamps_far_ahead': batch([b'a', b'b'], timestamps=[TIME, 4_000_000_000_000]),
    'garbage_records': batch([b'a'], raw=b'\xff' * 40),
    'format_1': old_message(b'a', key=b'k'),
    'format_0': old_message(b'a', magic=0),
    'format_1_several': old_message(b'a') + old_message(b'b', offset=1, timestamp=TIME + 5),
    'format_1_bad_crc': old_message(b'a', crc=1),
    'garbage': b'\0' * 100,
    'random_bytes': bytes(range(64)),
    'idempotent_of_nobody': batch([b'a'], producer_id=999_999, epoch=0, sequence=0),
    'producer_id_without_sequence': batch([b'a'], producer_id=999_999, epoch=0, sequence=-1),
}, one_batch)

LIMITED = {'message_timestamp_before_max_ms': '1000'}
operations_of({
    'log_append_time': (batch([b'a', b'b']), {'message_timestamp_type': 'LogAppendTime'}),
    'log_append_time_gzip': (batch(LONG, codec=GZIP), {'message_timestamp_type': 'LogAppendTime'}),
    'too_large': (batch([b'x' * 2000]), {'max_message_bytes': '1000'}),
    'exactly_the_limit': (batch([b'x' * 931]), {'max_message_bytes': '1000'}),
    'too_old': (batch([b'a']), LIMITED),
    'one_of_three_too_old': (batch([b'a', b'b', b'c'], timestamps=[TIME] * 3), LIMITED),
    'too_old_but_append_time': (batch([b'a']), {**LIMITED, 'message_timestamp_type': 'LogAppendTime'}),
    'no_key_for_compaction': (batch([b'a', b'b'], keys=[b'k', None]), {'cleanup_policy': 'compact'}),
    'key_for_compaction': (batch([b'a', None], keys=[b'k', b'k']), {'cleanup_policy': 'compact'}),
    'recompressed_to_gzip': (batch([b'a', b'b']), {'compression_type': 'gzip'}),
    'uncompressed_from_gzip': (batch(LONG, codec=GZIP), {'compression_type': 'uncompressed'}),
    'too_large_for_the_broker': (batch([b'x' * 1_100_000]), None, False),
}, one_batch)


@operation
def unknown_topic(k):
    k.ask('Produce', 9, **produced(k.topic(), batch()))


@operation
def unknown_partition(k):
    k.ask('Produce', 9, **produced(k.make(), batch(), partition=5))


@operation
def negative_partition(k):
    k.ask('Produce', 9, **produced(k.make(), batch(), partition=-1))


@operation
def invalid_topic_name(k):
    k.ask('Produce', 9, **produced('not a name!', batch()))


@operation
def invalid_acks(k):
    k.ask('Produce', 9, **produced(k.make(), batch(), acks=2))


@operation
def one_ack(k):
    topic = k.make()
    k.ask('Produce', 9, **produced(topic, batch(), acks=1))


@operation
def no_acks(k):
    topic = k.make()
    k.client().send('Produce', 9, produced(topic, batch(), acks=0))
    k.ask('ListOffsets', 7, replicaId=-1, isolationLevel=0, topics=[{'name': topic, 'partitions': [{'partitionIndex': 0, 'timestamp': -1}]}])


@operation
def no_acks_and_an_error(k):
    k.make()
    k.client().send('Produce', 9, produced(k.topic('none'), batch(), acks=0))
    k.ask('ApiVersions', 0)


@operation
def same_partition_twice(k):
    topic = k.make()
    partition = {'index': 0, 'records': batch()}
    k.ask('Produce', 9, transactionalId=None, acks=-1, timeoutMs=1000, topicData=[{'name': topic, 'partitionData': [partition, partition]}])


@operation
def no_topics(k):
    k.ask('Produce', 9, transactionalId=None, acks=-1, timeoutMs=1000, topicData=[])


@operation
def right_and_wrong_together(k):
    topic = k.make(partitions=2)
    k.ask('Produce', 9, transactionalId=None, acks=-1, timeoutMs=1000, topicData=[
        {'name': topic, 'partitionData': [{'index': 0, 'records': batch()}, {'index': 1, 'records': batch(crc=1)}, {'index': 2, 'records': batch()}]},
        {'name': k.topic('none'), 'partitionData': [{'index': 0, 'records': batch()}]},
    ])


@operation
def each_version(k):
    topic = k.make()
    for version in range(3, 13):
        k.ask('Produce', version, **produced(topic, batch()))


@operation
def by_topic_id(k):
    topic = k.make()
    data = [{'topicId': k.id_of(topic), 'partitionData': [{'index': 0, 'records': batch()}, {'index': 3, 'records': batch()}]}]
    k.ask('Produce', 13, transactionalId=None, acks=-1, timeoutMs=1000, topicData=data)


@operation
def by_unknown_topic_id(k):
    data = [{'topicId': uuid.UUID(int=77 << 64 | 5), 'partitionData': [{'index': 0, 'records': batch()}]}]
    k.ask('Produce', 13, transactionalId=None, acks=-1, timeoutMs=1000, topicData=data)


@operation
def by_zero_topic_id(k):
    data = [{'topicId': uuid.UUID(int=0), 'partitionData': [{'index': 0, 'records': batch()}]}]
    k.ask('Produce', 13, transactionalId=None, acks=-1, timeoutMs=1000, topicData=data)


def sequences(k, *steps):
    """An idempotent producer that writes batches with these sequences; a step is (sequence, records) or (sequence, records, epoch)."""
    topic = k.make()
    producer, first_epoch = k.producer()
    for step in steps:
        sequence, count = step[:2]
        epoch = step[2] if len(step) > 2 else first_epoch
        k.ask('Produce', 9, **produced(topic, batch([b'v'] * count, producer_id=producer, epoch=epoch, sequence=sequence)))
    k.ask('DescribeProducers', 0, topics=[{'name': topic, 'partitionIndexes': [0]}])


operations_of({
    'in_order': ((0, 2), (2, 1), (3, 1)),
    'last_batch_again': ((0, 1), (1, 2), (1, 2)),
    'fifth_last_batch_again': ((0, 1), (1, 1), (2, 1), (3, 1), (4, 1), (0, 1)),
    'sixth_last_batch_again': ((0, 1), (1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (0, 1)),
    'gap': ((0, 1), (2, 1)),
    'first_not_zero': ((5, 1),),
    'same_start_other_end': ((0, 1), (1, 2), (1, 1)),
    'epoch_raised_from_zero': ((0, 1), (0, 1, 1), (1, 1, 1)),
    'epoch_raised_not_from_zero': ((0, 1), (1, 1, 1)),
    'epoch_fenced': ((0, 1, 1), (1, 1, 0)),
    'wraps': ((2147483646, 1), ),
    'negative_epoch': ((0, 1, -1),),
}, sequences)


@operation
def sequence_wraps_around(k):
    topic = k.make()
    producer, epoch = k.producer()
    k.ask('Produce', 9, **produced(topic, batch([b'v'] * 2, producer_id=producer, epoch=epoch, sequence=0)))
    k.ask('Produce', 9, **produced(topic, batch([b'v'] * 3, producer_id=producer, epoch=epoch, sequence=2147483647)))


@operation
def two_idempotent_batches_in_one_request(k):
    topic = k.make()
    producer, epoch = k.producer()
    both = batch([b'a'], producer_id=producer, epoch=epoch, sequence=0) + batch([b'b'], producer_id=producer, epoch=epoch, sequence=1)
    k.ask('Produce', 9, **produced(topic, both))


@operation
def transactional_without_adding_partition(k):
    """Since KIP-890 (version 12) the broker adds the partition itself; before it must be added."""
    topic = k.make()
    producer, epoch = k.producer(k.tx())
    records = batch([b'a'], producer_id=producer, epoch=epoch, sequence=0, attributes=TRANSACTIONAL)
    k.ask('Produce', 9, **produced(topic, records, tx=k.tx()))
    k.ask('Produce', 12, **produced(topic, records, tx=k.tx()))
    k.ask('EndTxn', 4, transactionalId=k.tx(), producerId=producer, producerEpoch=epoch, committed=True)
    k.do('Fetch', 12, maxWaitMs=0, minBytes=0, sessionEpoch=-1, topics=[{'topic': topic, 'partitions': [{'partition': 0, 'fetchOffset': 0, 'partitionMaxBytes': 1}]}],
         until=lambda answer: answer['responses'][0]['partitions'][0]['lastStableOffset'] == 2)
    read_back(k, topic)


@operation
def transactional_id_without_transactional_batch(k):
    topic = k.make()
    k.ask('Produce', 9, **produced(topic, batch(), tx=k.tx()))
