"""Transactions: ids and epochs, partitions, ends, offsets within, fencing, and what is told about them."""
from harness import codes, operation, operations_of, produced, settled
from operations.groups import offsets
from records import TIME, TRANSACTIONAL, batch


def init(k, tx=None, version=4, timeout_ms=60000, producer=-1, epoch=-1, until=settled, **more):
    fields = dict(transactionalId=tx, transactionTimeoutMs=timeout_ms)
    if version >= 3:
        fields |= dict(producerId=producer, producerEpoch=epoch)
    return k.ask('InitProducerId', version, until=until, **fields, **more)


def add(k, producer, epoch, topic, *partitions, tx=None, record=True, until=settled):
    """Adds partitions to a transaction."""
    return (k.ask if record else k.do)('AddPartitionsToTxn', 3, until=until, v3AndBelowTransactionalId=k.tx() if tx is None else tx, v3AndBelowProducerId=producer,
                                       v3AndBelowProducerEpoch=epoch, v3AndBelowTopics=[{'name': topic, 'partitions': list(partitions) or [0]}])


def write(k, producer, epoch, topic, sequence=0, tx=None, version=9, record=True):
    records = batch([b't%d' % sequence], producer_id=producer, epoch=epoch, sequence=sequence, attributes=TRANSACTIONAL)
    return (k.ask if record else k.do)('Produce', version, **produced(topic, records, tx=tx or k.tx()))


def end(k, producer, epoch, commit=True, version=3, tx=None, record=True, until=settled):
    return (k.ask if record else k.do)('EndTxn', version, until=until, transactionalId=k.tx() if tx is None else tx, producerId=producer, producerEpoch=epoch, committed=commit)


def read(k, topic, level=1, until=None):
    k.ask('Fetch', 12, maxWaitMs=0, minBytes=0, maxBytes=1 << 20, isolationLevel=level, sessionEpoch=-1, until=until,
          topics=[{'topic': topic, 'partitions': [{'partition': 0, 'fetchOffset': 0, 'partitionMaxBytes': 1 << 20}]}])


def stable_at(offset):
    return lambda answer: answer['responses'][0]['partitions'][0]['lastStableOffset'] >= offset


def about(k, *ids, until=None):
    k.ask('DescribeTransactions', 0, transactionalIds=list(ids) or [k.tx()], until=until)


def begun(k):
    """A transaction with one record."""
    topic = k.make()
    producer, epoch = k.producer(k.tx())
    add(k, producer, epoch, topic, record=False)
    write(k, producer, epoch, topic, record=False)
    return topic, producer, epoch


@operation
def committed(k):
    topic = k.make()
    producer, epoch = k.producer(k.tx())
    about(k)
    add(k, producer, epoch, topic)
    about(k)
    write(k, producer, epoch, topic)
    k.ask('DescribeProducers', 0, topics=[{'name': topic, 'partitionIndexes': [0]}])
    read(k, topic)
    end(k, producer, epoch)
    read(k, topic, until=stable_at(2))
    read(k, topic, level=0)
    about(k, until=lambda answer: answer['transactionStates'][0]['transactionState'] == 'CompleteCommit')
    k.ask('DescribeProducers', 0, topics=[{'name': topic, 'partitionIndexes': [0]}])


@operation
def aborted(k):
    topic, producer, epoch = begun(k)
    end(k, producer, epoch, commit=False)
    read(k, topic, until=stable_at(2))
    about(k, until=lambda answer: answer['transactionStates'][0]['transactionState'] == 'CompleteAbort')


@operation
def committed_in_the_second_protocol(k):
    """KIP-890: each end raises the epoch."""
    topic = k.make()
    producer, epoch = k.producer(k.tx())
    write(k, producer, epoch, topic, version=12)
    about(k)
    answer = end(k, producer, epoch, version=5)
    read(k, topic, until=stable_at(2))
    write(k, producer, epoch, topic, sequence=1, version=12)
    write(k, producer, answer['producerEpoch'], topic, version=12)
    end(k, producer, answer['producerEpoch'], version=5, commit=False)
    read(k, topic, until=stable_at(4))
    end(k, producer, answer['producerEpoch'], version=5, commit=False)


@operation
def empty_ends_in_the_second_protocol(k):
    producer, epoch = k.producer(k.tx())
    first = end(k, producer, epoch, version=5, commit=False)
    end(k, producer, first['producerEpoch'], version=5, commit=True)
    end(k, producer, epoch, version=5, commit=False)


@operation
def nothing_in_it(k):
    producer, epoch = k.producer(k.tx())
    end(k, producer, epoch)
    end(k, producer, epoch, commit=False)


@operation
def added_and_nothing_written(k):
    topic = k.make()
    producer, epoch = k.producer(k.tx())
    add(k, producer, epoch, topic)
    end(k, producer, epoch)
    read(k, topic, level=0, until=stable_at(1))


@operation
def ended_twice(k):
    _, producer, epoch = begun(k)
    end(k, producer, epoch, record=False)
    end(k, producer, epoch)
    end(k, producer, epoch, commit=False)


@operation
def fenced(k):
    topic, producer, epoch = begun(k)
    init(k, k.tx())
    add(k, producer, epoch, topic)
    write(k, producer, epoch, topic, sequence=1)
    end(k, producer, epoch)
    k.ask('AddOffsetsToTxn', 3, transactionalId=k.tx(), producerId=producer, producerEpoch=epoch, groupId=k.group())
    k.ask('TxnOffsetCommit', 3, transactionalId=k.tx(), producerId=producer, producerEpoch=epoch, groupId=k.group(), generationId=-1, memberId='',
          topics=[{'name': topic, 'partitions': [{'partitionIndex': 0, 'committedOffset': 4, 'committedMetadata': ''}]}])
    read(k, topic, until=stable_at(2))
    k.ask('InitProducerId', 4, transactionalId=k.tx(), transactionTimeoutMs=1000, producerId=producer, producerEpoch=epoch)


@operation
def fenced_by_old_versions(k):
    topic, producer, epoch = begun(k)
    init(k, k.tx())
    k.ask('AddPartitionsToTxn', 1, v3AndBelowTransactionalId=k.tx(), v3AndBelowProducerId=producer, v3AndBelowProducerEpoch=epoch, v3AndBelowTopics=[{'name': topic, 'partitions': [0]}])
    k.ask('EndTxn', 1, transactionalId=k.tx(), producerId=producer, producerEpoch=epoch, committed=True)
    k.ask('AddOffsetsToTxn', 1, transactionalId=k.tx(), producerId=producer, producerEpoch=epoch, groupId=k.group())


@operation
def init_each_version(k):
    for version in range(0, 7):
        init(k, k.tx(), version=version)
        init(k, None, version=version)


def inited(k, fields):
    """A first producer id in some way."""
    init(k, **{'tx': k.tx(), **fields})


operations_of({
    'empty_id': {'tx': ''},
    'no_id': {'tx': None},
    'no_time': {'timeout_ms': 0},
    'negative_time': {'timeout_ms': -1},
    'too_much_time': {'timeout_ms': 120_001},
    'no_id_and_no_time': {'tx': None, 'timeout_ms': 0},
    'producer_without_epoch': {'producer': 5},
    'epoch_without_producer': {'epoch': 5},
    'unknown_producer': {'producer': 999_999, 'epoch': 3},
    'producer_without_transaction': {'tx': None, 'producer': 5, 'epoch': 1},
}, inited)


@operation
def init_raises_the_epoch(k):
    producer, epoch = k.producer(k.tx())
    init(k, k.tx())
    init(k, k.tx(), producer=producer, epoch=epoch + 1)
    init(k, k.tx(), producer=producer, epoch=epoch + 1)
    init(k, k.tx(), producer=producer, epoch=epoch)
    init(k, k.tx(), producer=999_999, epoch=0)


@operation
def init_aborts_what_is_open(k):
    topic, _, _ = begun(k)
    init(k, k.tx(), until=None)
    init(k, k.tx())
    read(k, topic, until=stable_at(2))


@operation
def add_wrong(k):
    topic = k.make()
    producer, epoch = k.producer(k.tx())
    add(k, producer, epoch, k.topic('none'))
    add(k, producer, epoch, topic, 0, 7)
    add(k, producer, epoch, topic, -1)
    add(k, producer, epoch + 1, topic)
    add(k, producer, epoch - 1, topic)
    add(k, 999_999, epoch, topic)
    add(k, producer, epoch, topic, tx=k.tx('none'))
    add(k, producer, epoch, topic, tx='')
    about(k)


@operation
def add_in_batches(k):
    topic = k.make()
    producer, epoch = k.producer(k.tx())
    one = {'transactionalId': k.tx(), 'producerId': producer, 'producerEpoch': epoch, 'topics': [{'name': topic, 'partitions': [0]}]}
    for more in ({'verifyOnly': True}, {}, {'verifyOnly': True}):
        k.ask('AddPartitionsToTxn', 4, transactions=[{**one, **more}])
        k.ask('AddPartitionsToTxn', 5, transactions=[{**one, **more}])


@operation
def end_wrong(k):
    _, producer, epoch = begun(k)
    end(k, producer, epoch + 1)
    end(k, 999_999, epoch)
    end(k, producer, epoch, tx=k.tx('none'))
    end(k, producer, epoch, tx='')
    end(k, producer, -1)
    about(k)


@operation
def write_wrong(k):
    topic, producer, epoch = begun(k)
    write(k, producer, epoch, topic, sequence=5)
    write(k, 999_999, epoch, topic)
    read(k, topic, level=0)


@operation
def write_with_a_newer_epoch(k):
    topic, producer, epoch = begun(k)
    write(k, producer, epoch + 1, topic, sequence=0)


@operation
def write_with_anothers_id(k):
    topic, producer, epoch = begun(k)
    write(k, producer, epoch, topic, sequence=1, tx=k.tx('none'))


@operation
def write_plain_records_meanwhile(k):
    topic, producer, epoch = begun(k)
    k.ask('Produce', 9, **produced(topic, batch([b'p'], producer_id=producer, epoch=epoch, sequence=1), tx=k.tx()))


@operation
def write_plain_records_without_id_meanwhile(k):
    topic, producer, epoch = begun(k)
    k.ask('Produce', 9, **produced(topic, batch([b'p'], producer_id=producer, epoch=epoch, sequence=1)))


@operation
def write_after_the_end(k):
    topic, producer, epoch = begun(k)
    end(k, producer, epoch, record=False)
    read(k, topic, until=stable_at(2))
    write(k, producer, epoch, topic, sequence=1)
    read(k, topic, level=0)


def commit_offset(k, producer, epoch, topic, version=3, group=None, partition=0, member='', generation=-1, instance=None, offset=9, metadata='', tx=None, until=settled):
    fields = dict(transactionalId=tx or k.tx(), producerId=producer, producerEpoch=epoch, groupId=k.group() if group is None else group,
                  topics=[{'name': topic, 'partitions': [{'partitionIndex': partition, 'committedOffset': offset, 'committedMetadata': metadata}]}])
    if version >= 3:
        fields |= dict(generationId=generation, memberId=member, groupInstanceId=instance)
    k.ask('TxnOffsetCommit', version, until=until, **fields)


def add_offsets(k, producer, epoch, group=None, version=3, tx=None, until=settled):
    k.ask('AddOffsetsToTxn', version, until=until, transactionalId=k.tx() if tx is None else tx, producerId=producer, producerEpoch=epoch, groupId=k.group() if group is None else group)


@operation
def offsets_committed(k):
    topic = k.make()
    producer, epoch = k.producer(k.tx())
    add_offsets(k, producer, epoch)
    about(k)
    commit_offset(k, producer, epoch, topic)
    offsets(k, k.group(), topic)
    offsets(k, k.group(), topic, requireStable=True)
    k.ask('DescribeGroups', 5, groups=[k.group()])
    end(k, producer, epoch)
    k.ask('OffsetFetch', 7, groupId=k.group(), topics=[{'name': topic, 'partitionIndexes': [0]}], requireStable=True, until=lambda answer: not codes(answer))


@operation
def offsets_aborted(k):
    topic = k.make()
    producer, epoch = k.producer(k.tx())
    add_offsets(k, producer, epoch)
    commit_offset(k, producer, epoch, topic)
    end(k, producer, epoch, commit=False)
    k.ask('OffsetFetch', 7, groupId=k.group(), topics=[{'name': topic, 'partitionIndexes': [0]}], requireStable=True, until=lambda answer: not codes(answer))


@operation
def offsets_wrong(k):
    topic = k.make()
    producer, epoch = k.producer(k.tx())
    commit_offset(k, producer, epoch, topic)
    add_offsets(k, producer, epoch + 1)
    add_offsets(k, 999_999, epoch)
    add_offsets(k, producer, epoch, tx=k.tx('none'))
    add_offsets(k, producer, epoch, tx='')
    add_offsets(k, producer, epoch, group='')
    add_offsets(k, producer, epoch)
    commit_offset(k, producer, epoch, k.topic('none'))
    commit_offset(k, producer, epoch, topic, partition=8)
    commit_offset(k, producer, epoch, topic, metadata='x' * 5000)
    commit_offset(k, producer, epoch, topic, group='')
    commit_offset(k, producer, epoch, topic, member='nobody', generation=3)
    commit_offset(k, producer, epoch, topic, member='nobody')
    commit_offset(k, producer, epoch, topic, generation=3)
    commit_offset(k, producer, epoch, topic, offset=-1)
    commit_offset(k, producer, epoch, topic, version=2)
    commit_offset(k, producer, epoch + 1, topic)
    commit_offset(k, producer, epoch - 1, topic)


@operation
def offsets_of_a_member(k):
    topic = k.make()
    member, generation = k.stable(k.group())
    producer, epoch = k.producer(k.tx())
    add_offsets(k, producer, epoch)
    commit_offset(k, producer, epoch, topic, member=member, generation=generation + 1)
    commit_offset(k, producer, epoch, topic, member='nobody', generation=generation)
    commit_offset(k, producer, epoch, topic, member=member, generation=generation, instance='i')
    commit_offset(k, producer, epoch, topic, member=member, generation=generation)
    end(k, producer, epoch)
    k.ask('OffsetFetch', 7, groupId=k.group(), topics=[{'name': topic, 'partitionIndexes': [0]}], requireStable=True, until=lambda answer: not codes(answer))


@operation
def offsets_in_the_second_protocol(k):
    topic = k.make()
    producer, epoch = k.producer(k.tx())
    commit_offset(k, producer, epoch, topic, version=5)
    about(k)
    end(k, producer, epoch, version=5)
    k.ask('OffsetFetch', 7, groupId=k.group(), topics=[{'name': topic, 'partitionIndexes': [0]}], requireStable=True, until=lambda answer: not codes(answer))


@operation
def described_unknown(k):
    about(k, k.tx(), '')


@operation
def listed(k):
    _, producer, epoch = begun(k)
    k.producer(k.tx('idle'))

    def ask(version=2, **values):
        answer = k.do('ListTransactions', version, **values)
        answer['transactionStates'] = [state for state in answer.get('transactionStates', []) if state['transactionalId'].startswith(k.tx())]
        k.record(f'ListTransactions v{version} {sorted(values)}', answer)
    ask(0)
    ask(1, durationFilter=0)
    ask(1, durationFilter=3_600_000)
    ask(stateFilters=['Ongoing'])
    ask(stateFilters=['Empty', 'Nonsense'])
    ask(producerIdFilters=[producer])
    ask(producerIdFilters=[999_999])
    ask(transactionalIdPattern=k.tx() + '.*')
    ask(transactionalIdPattern='idle')
    ask(transactionalIdPattern='(')


@operation
def producers_described_wrong(k):
    topic = k.make()
    k.ask('DescribeProducers', 0, topics=[{'name': topic, 'partitionIndexes': [0, 5]}, {'name': k.topic('none'), 'partitionIndexes': [0]}, {'name': 'a b', 'partitionIndexes': [0]}])


@operation
def time_runs_out(k):
    """The coordinator aborts and fences."""
    topic = k.make()
    producer, epoch = k.producer(k.tx(), timeout_ms=500)
    add(k, producer, epoch, topic, record=False)
    write(k, producer, epoch, topic, record=False)
    read(k, topic, until=stable_at(2))
    write(k, producer, epoch, topic, sequence=1)
    end(k, producer, epoch)


@operation
def topic_is_deleted_meanwhile(k):
    topic, producer, epoch = begun(k)
    k.do('DeleteTopics', 5, topicNames=[topic], timeoutMs=5000)
    k.do('Metadata', 12, topics=[{'name': topic}], allowAutoTopicCreation=False, until=codes)
    end(k, producer, epoch)


@operation
def aborted_ones_are_told(k):
    """Two aborted transactions and one committed one between plain records."""
    topic = k.make()
    producer, epoch = k.producer(k.tx())
    for turn, commit in enumerate((False, True, False)):
        k.produce(topic, batch([b'plain'], timestamp=TIME))
        add(k, producer, epoch, topic, record=False)
        write(k, producer, epoch, topic, sequence=turn, record=False)
        end(k, producer, epoch, commit=commit, record=False)
        read(k, topic, until=stable_at(3 * turn + 3))
    read(k, topic, until=stable_at(9))
    read(k, topic, level=0)
    k.ask('Fetch', 12, maxWaitMs=0, minBytes=0, maxBytes=1 << 20, isolationLevel=1, sessionEpoch=-1, topics=[{'topic': topic, 'partitions': [{'partition': 0, 'fetchOffset': 3, 'partitionMaxBytes': 1 << 20}]}])
