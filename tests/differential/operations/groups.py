"""Groups of the classic protocol: joining, generations, committed offsets, what is said of them."""
import uuid

from harness import codes, operation, operations_of
from records import batch


def commit(k, group, topic, *, version=8, member='', generation=-1, offset=5, partition=0, metadata='m', epoch=-1, **more):
    entry = {'partitionIndex': partition, 'committedOffset': offset, 'committedMetadata': metadata}
    if version >= 6:
        entry['committedLeaderEpoch'] = epoch
    k.ask('OffsetCommit', version, groupId=group, generationIdOrMemberEpoch=generation, memberId=member, topics=[{'name': topic, 'partitions': [entry]}], **more)


def offsets(k, group, topic=None, partitions=(0,), version=7, **more):
    fields = {'requireStable': False} if version >= 7 else {}
    fields.update(more)
    topics = None if topic is None else [{'name': topic, 'partitionIndexes': list(partitions)}]
    if version < 8:
        k.ask('OffsetFetch', version, groupId=group, topics=topics, **fields)
    else:
        k.ask('OffsetFetch', version, groups=[{'groupId': group, 'topics': topics}], **fields)


def describe(k, *groups, version=6):
    return k.ask('DescribeGroups', version, groups=list(groups), includeAuthorizedOperations=True)


@operation
def find_coordinator(k):
    for kind in (0, 1, 2, 7):
        k.ask('FindCoordinator', 3, key=k.group(), keyType=kind)
    k.ask('FindCoordinator', 0, key=k.group())
    k.ask('FindCoordinator', 4, keyType=0, coordinatorKeys=['a', 'b'])
    k.ask('FindCoordinator', 6, keyType=1, coordinatorKeys=['a'])
    k.ask('FindCoordinator', 6, keyType=2, coordinatorKeys=['a', 'g:AAAAAAAAAAAAAAAAAAAAAA:0'])


@operation
def find_coordinator_of_empty_name(k):
    k.ask('FindCoordinator', 3, key='', keyType=0)
    k.ask('FindCoordinator', 3, key='', keyType=1)
    k.ask('FindCoordinator', 4, keyType=0, coordinatorKeys=[''])
    k.ask('FindCoordinator', 4, keyType=0, coordinatorKeys=[])


def join(k, group, version=7, **fields):
    values = dict(groupId=group, sessionTimeoutMs=10000, memberId='', protocolType='consumer', protocols=[{'name': 'range', 'metadata': b'm'}])
    if version >= 1:
        values['rebalanceTimeoutMs'] = 5000
    values.update(fields)
    return k.ask('JoinGroup', version, **values)


def joined(k, fields):
    """Joins a new group in some way."""
    join(k, k.group(), **fields)


operations_of({
    'without_id': {},
    'without_id_old_version': {'version': 3},
    'unknown_member': {'memberId': 'nobody'},
    'empty_group': {'groupId': ''},
    'session_too_short': {'sessionTimeoutMs': 10},
    'session_too_long': {'sessionTimeoutMs': 2_000_000},
    'no_protocols': {'protocols': []},
    'no_protocol_type': {'protocolType': ''},
    'static_member': {'groupInstanceId': 'i', 'version': 5},
    'static_member_new_version': {'groupInstanceId': 'i', 'version': 9},
    'static_member_with_unknown_id': {'groupInstanceId': 'i', 'memberId': 'nobody'},
    'empty_instance': {'groupInstanceId': ''},
    'with_reason': {'version': 8, 'reason': 'because', 'groupInstanceId': 'i'},
}, joined)


@operation
def join_and_sync(k):
    """The life of a group of one."""
    group = k.group()
    required = join(k, group)
    member = required['memberId']
    answer = join(k, group, memberId=member)
    describe(k, group)
    generation = answer['generationId']
    k.ask('Heartbeat', 4, groupId=group, generationId=generation, memberId=member)
    k.ask('SyncGroup', 5, groupId=group, generationId=generation, memberId=member, protocolType='consumer', protocolName='range', assignments=[{'memberId': member, 'assignment': b'mine'}])
    describe(k, group)
    k.ask('Heartbeat', 4, groupId=group, generationId=generation, memberId=member)
    k.ask('SyncGroup', 5, groupId=group, generationId=generation, memberId=member, protocolType='consumer', protocolName='range', assignments=[])
    join(k, group, memberId=member)
    k.ask('LeaveGroup', 5, groupId=group, members=[{'memberId': member, 'reason': 'done'}])
    describe(k, group)
    k.ask('DeleteGroups', 2, groupsNames=[group])
    describe(k, group)


@operation
def join_with_another_protocol_type(k):
    k.stable(k.group())
    join(k, k.group(), protocolType='connect', groupInstanceId='other')


@operation
def join_with_another_protocol(k):
    k.stable(k.group())
    join(k, k.group(), protocols=[{'name': 'roundrobin', 'metadata': b''}], groupInstanceId='other')


@operation
def sync_wrong(k):
    member, generation = k.stable(k.group())
    ask = lambda **f: k.ask('SyncGroup', 5, **{**dict(groupId=k.group(), generationId=generation, memberId=member, protocolType='consumer', protocolName='range', assignments=[]), **f})
    ask(generationId=generation + 1)
    ask(generationId=-1)
    ask(memberId='nobody')
    ask(groupId='')
    ask(groupId=k.group('none'))
    ask(protocolType='connect')
    ask(protocolName='sticky')
    ask(protocolName=None, protocolType=None)
    ask(groupInstanceId='i')


@operation
def heartbeat_wrong(k):
    member, generation = k.stable(k.group())
    ask = lambda **f: k.ask('Heartbeat', 4, **{**dict(groupId=k.group(), generationId=generation, memberId=member), **f})
    ask(generationId=generation + 1)
    ask(generationId=generation - 1)
    ask(memberId='nobody')
    ask(memberId='')
    ask(groupId='')
    ask(groupId=k.group('none'))
    ask(groupInstanceId='i')


@operation
def leave_wrong(k):
    member, _ = k.stable(k.group())
    ask = lambda members, group=k.group(): k.ask('LeaveGroup', 5, groupId=group, members=members)
    ask([{'memberId': 'nobody'}])
    ask([{'memberId': '', 'groupInstanceId': 'i'}])
    ask([{'memberId': 'nobody', 'groupInstanceId': 'i'}])
    ask([])
    ask([{'memberId': member}], k.group('none'))
    ask([{'memberId': member}], '')
    ask([{'memberId': 'nobody'}, {'memberId': member}, {'memberId': member}])


@operation
def leave_old_versions(k):
    for version in (0, 2):
        member, _ = k.stable(k.group(str(version)))
        k.ask('LeaveGroup', version, groupId=k.group(str(version)), memberId='nobody')
        k.ask('LeaveGroup', version, groupId=k.group(str(version)), memberId=member)


@operation
def static_member_comes_back(k):
    group = k.group()
    member, generation = k.stable(group, instance='i')
    describe(k, group)
    again = join(k, group, version=9, groupInstanceId='i')
    k.ask('Heartbeat', 4, groupId=group, generationId=generation, memberId=member, groupInstanceId='i')
    k.ask('Heartbeat', 4, groupId=group, generationId=again['generationId'], memberId=again['memberId'], groupInstanceId='i')
    k.ask('SyncGroup', 5, groupId=group, generationId=generation, memberId=member, groupInstanceId='i', protocolType='consumer', protocolName='range', assignments=[])
    commit(k, group, k.make(), member=member, generation=generation, groupInstanceId='i')
    join(k, group, groupInstanceId='i', memberId=member)
    k.ask('LeaveGroup', 5, groupId=group, members=[{'memberId': member, 'groupInstanceId': 'i'}])
    k.ask('LeaveGroup', 5, groupId=group, members=[{'memberId': '', 'groupInstanceId': 'i'}])
    describe(k, group)


@operation
def second_member_rebalances(k):
    """What the first one is told while the second one waits, and what both get."""
    group = k.group()
    first, generation = k.stable(group)
    second = k.do('JoinGroup', 7, on='plain2', groupId=group, sessionTimeoutMs=10000, rebalanceTimeoutMs=5000, memberId='', protocolType='consumer', protocols=[{'name': 'range', 'metadata': b'2'}])['memberId']
    fields = dict(groupId=group, sessionTimeoutMs=10000, rebalanceTimeoutMs=5000, protocolType='consumer')
    k.client('plain2').send('JoinGroup', 7, dict(fields, memberId=second, protocols=[{'name': 'range', 'metadata': b'2'}]))
    k.do('Heartbeat', 4, groupId=group, generationId=generation, memberId=first, until=codes)
    k.ask('Heartbeat', 4, groupId=group, generationId=generation, memberId=first)
    k.ask('SyncGroup', 5, groupId=group, generationId=generation, memberId=first, protocolType='consumer', protocolName='range', assignments=[])
    commit(k, group, k.make(), member=first, generation=generation)
    describe(k, group)
    k.ask('JoinGroup', 7, **fields, memberId=first, protocols=[{'name': 'range', 'metadata': b'1'}])
    answer = k.client('plain2').receive('JoinGroup', 7)
    k.record('JoinGroup of the second', answer)
    generation = answer['generationId']
    commit(k, group, k.topic(), member=first, generation=generation)
    k.client('plain2').send('SyncGroup', 5, dict(groupId=group, generationId=generation, memberId=second, protocolType='consumer', protocolName='range', assignments=[]))
    k.ask('SyncGroup', 5, groupId=group, generationId=generation, memberId=first, protocolType='consumer', protocolName='range',
          assignments=[{'memberId': first, 'assignment': b'one'}, {'memberId': second, 'assignment': b'two'}])
    k.record('SyncGroup of the second', k.client('plain2').receive('SyncGroup', 5))
    describe(k, group)
    k.ask('LeaveGroup', 5, groupId=group, members=[{'memberId': second}])
    k.ask('Heartbeat', 4, groupId=group, generationId=generation, memberId=first)


@operation
def protocol_is_voted_for(k):
    group = k.group()
    protocols = lambda *names: [{'name': name, 'metadata': name.encode()} for name in names]
    fields = dict(groupId=group, sessionTimeoutMs=10000, rebalanceTimeoutMs=5000, protocolType='consumer')
    first = k.join(group, instance='1', protocols=(('a', b''), ('b', b'')))['memberId']
    k.client('plain2').send('JoinGroup', 7, dict(fields, memberId='', groupInstanceId='2', protocols=protocols('a', 'b')))
    k.do('Heartbeat', 4, groupId=group, generationId=1, memberId=first, groupInstanceId='1', until=codes)
    k.ask('JoinGroup', 7, **fields, memberId=first, groupInstanceId='1', protocols=protocols('c', 'b'))
    k.record('JoinGroup of the second', k.client('plain2').receive('JoinGroup', 7))


@operation
def member_expires(k):
    group = k.group()
    k.stable(group, session=1000)
    describe(k, group)
    k.ask('DescribeGroups', 6, groups=[group], until=lambda answer: answer['groups'][0]['groupState'] == 'Empty')


@operation
def commit_without_group(k):
    commit(k, k.group(), k.make())
    offsets(k, k.group(), k.topic(), (0, 1))
    offsets(k, k.group())
    describe(k, k.group())


def committed(k, fields):
    """A commit from outside a group, then what is kept."""
    topic = k.make(partitions=2)
    commit(k, k.group(), **{'topic': topic, **fields})
    offsets(k, k.group(), topic, (0, 1))


operations_of({
    'unknown_topic': {'topic': 'no_such_topic'},
    'unknown_partition': {'partition': 7},
    'negative_offset': {'offset': -1},
    'very_negative_offset': {'offset': -5},
    'long_metadata': {'metadata': 'x' * 4097},
    'longest_metadata': {'metadata': 'x' * 4096},
    'null_metadata': {'metadata': None},
    'leader_epoch': {'epoch': 3},
    'unknown_member': {'member': 'nobody', 'generation': 1},
    'member_without_generation': {'member': 'nobody'},
    'generation_without_member': {'generation': 1},
    'unknown_instance': {'groupInstanceId': 'i'},
    'retention_time': {'version': 4, 'retentionTimeMs': 1000},
    'version_9': {'version': 9},
}, committed)


@operation
def commit_to_empty_group_name(k):
    commit(k, '', k.make())


@operation
def commit_each_version(k):
    topic = k.make()
    for version in range(2, 10):
        commit(k, k.group(), topic, version=version, offset=version)
        offsets(k, k.group(), topic)


@operation
def commit_of_a_member(k):
    topic = k.make()
    member, generation = k.stable(k.group())
    commit(k, k.group(), topic, member=member, generation=generation)
    commit(k, k.group(), topic, member=member, generation=generation + 1)
    commit(k, k.group(), topic, member='nobody', generation=generation)
    commit(k, k.group(), topic)
    commit(k, k.group(), topic, member=member, generation=generation, groupInstanceId='i')
    offsets(k, k.group(), topic)
    offsets(k, k.group(), topic, version=9)


@operation
def commit_by_topic_id(k):
    topic = k.make()
    entry = {'partitionIndex': 0, 'committedOffset': 4, 'committedLeaderEpoch': -1, 'committedMetadata': 'm'}
    for id in (k.id_of(topic), uuid.UUID(int=1 << 70)):
        k.ask('OffsetCommit', 10, groupId=k.group(), generationIdOrMemberEpoch=-1, memberId='', topics=[{'topicId': id, 'partitions': [entry]}])
        k.ask('OffsetFetch', 10, groups=[{'groupId': k.group(), 'topics': [{'topicId': id, 'partitionIndexes': [0]}]}], requireStable=False)
    k.ask('OffsetFetch', 10, groups=[{'groupId': k.group(), 'topics': None}], requireStable=False)


@operation
def fetch_offsets_of_unknown_group(k):
    topic = k.make()
    for version in range(1, 8):
        offsets(k, k.group(), topic, version=version)
    for version in (8, 9):
        offsets(k, k.group(), topic, version=version)
        offsets(k, k.group(), version=version)
    offsets(k, k.group())


@operation
def fetch_offsets_of_empty_group_name(k):
    offsets(k, '', k.make())
    offsets(k, '', k.topic(), version=8)


@operation
def fetch_offsets_of_unknown_topic(k):
    offsets(k, k.group(), k.topic())


@operation
def fetch_offsets_as_member(k):
    topic = k.make()
    member, generation = k.stable(k.group())
    commit(k, k.group(), topic, member=member, generation=generation)
    for who, epoch in ((member, generation), (member, generation + 1), ('nobody', 1), (None, -1), (None, 4)):
        k.ask('OffsetFetch', 9, groups=[{'groupId': k.group(), 'memberId': who, 'memberEpoch': epoch, 'topics': [{'name': topic, 'partitionIndexes': [0]}]}], requireStable=False)


@operation
def fetch_offsets_of_several_groups(k):
    topic = k.make()
    commit(k, k.group('a'), topic, offset=1)
    commit(k, k.group('b'), topic, offset=2)
    wanted = [{'groupId': k.group(name), 'topics': [{'name': topic, 'partitionIndexes': [0]}]} for name in ('a', 'b', 'none')]
    k.ask('OffsetFetch', 8, groups=wanted, requireStable=True)


@operation
def delete_offsets(k):
    topic = k.make(partitions=2)
    commit(k, k.group(), topic)
    ask = lambda group, name, *partitions: k.ask('OffsetDelete', 0, groupId=group, topics=[{'name': name, 'partitions': [{'partitionIndex': p} for p in partitions]}])
    ask(k.group(), topic, 0, 1, 7)
    ask(k.group(), k.topic('none'), 0)
    ask(k.group('none'), topic, 0)
    ask('', topic, 0)
    offsets(k, k.group(), topic)
    describe(k, k.group())


def subscription(*topics):
    """What a consumer says when it joins: version 0 of the consumer's protocol."""
    out = b'\0\0' + len(topics).to_bytes(4, 'big')
    for topic in topics:
        out += len(topic).to_bytes(2, 'big') + topic.encode()
    return out + b'\xff\xff\xff\xff'


@operation
def delete_offsets_of_subscribed_topic(k):
    a, b = k.make(k.topic('a')), k.make(k.topic('b'))
    member, generation = k.stable(k.group(), protocols=(('range', subscription(a)),))
    for topic in (a, b):
        commit(k, k.group(), topic, member=member, generation=generation)
    wanted = [{'name': topic, 'partitions': [{'partitionIndex': 0}]} for topic in (a, b)]
    k.ask('OffsetDelete', 0, groupId=k.group(), topics=wanted)
    offsets(k, k.group())


@operation
def delete_offsets_of_other_protocol(k):
    topic = k.make()
    k.join(k.group(), kind='connect')
    k.ask('OffsetDelete', 0, groupId=k.group(), topics=[{'name': topic, 'partitions': [{'partitionIndex': 0}]}])


@operation
def delete_groups(k):
    commit(k, k.group('a'), k.make())
    k.stable(k.group('busy'))
    k.ask('DeleteGroups', 2, groupsNames=[k.group('a'), k.group('busy'), k.group('none'), ''])
    k.ask('DeleteGroups', 2, groupsNames=[k.group('a'), k.group('a')])
    offsets(k, k.group('a'), k.topic())
    k.ask('DeleteGroups', 0, groupsNames=[])


@operation
def describe_unknown(k):
    for version in (0, 4, 5, 6):
        values = {'includeAuthorizedOperations': True} if version >= 3 else {}
        k.ask('DescribeGroups', version, groups=[k.group(), ''], **values)


@operation
def describe_with_members(k):
    group = k.group()
    k.join(group, instance='i', protocols=(('range', b'one'), ('sticky', b'two')))
    for version in range(0, 7):
        k.ask('DescribeGroups', version, groups=[group])


@operation
def list_groups(k):
    commit(k, k.group('empty'), k.make())
    k.stable(k.group('stable'))
    k.join(k.group('joining'))
    k.join(k.group('connect'), kind='connect')

    def ask(version, **values):
        answer = k.do('ListGroups', version, **values)
        if 'groups' in answer:
            answer['groups'] = [group for group in answer['groups'] if group['groupId'].startswith(k.group())]
        k.record(f'ListGroups v{version} {values}', answer)
    for version in range(0, 6):
        ask(version)
    ask(5, statesFilter=['Stable'])
    ask(5, statesFilter=['stable', 'EMPTY'])
    ask(5, statesFilter=['Nonsense'])
    ask(5, typesFilter=['classic'])
    ask(5, typesFilter=['Consumer'])
    ask(5, typesFilter=['nonsense'])
    ask(5, statesFilter=['Empty'], typesFilter=['classic'])


@operation
def topic_with_offsets_is_deleted(k):
    topic = k.make()
    commit(k, k.group(), topic)
    k.do('DeleteTopics', 5, topicNames=[topic], timeoutMs=5000)
    k.do('Metadata', 12, topics=[{'name': topic}], allowAutoTopicCreation=False, until=codes)
    k.ask('OffsetFetch', 7, groupId=k.group(), topics=[{'name': topic, 'partitionIndexes': [0]}], requireStable=False,
          until=lambda answer: answer['topics'][0]['partitions'][0]['committedOffset'] == -1)
    offsets(k, k.group())


@operation
def offset_beyond_the_end_is_kept(k):
    topic = k.make()
    k.produce(topic, batch())
    commit(k, k.group(), topic, offset=1 << 40)
    offsets(k, k.group(), topic)
