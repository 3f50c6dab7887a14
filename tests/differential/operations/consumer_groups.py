"""Groups of the consumer protocol (KIP-848): heartbeats, epochs, static members, what is described."""
import uuid

from harness import operation, operations_of
from operations.groups import commit, describe, join, offsets

MEMBER = 'aaaaaaaaaaaaaaaaaaaaa-'


def assigned(answer):
    return answer.get('assignment') is not None


def beat(k, topic=None, record=True, member=MEMBER, epoch=0, version=1, until=None, **more):
    fields = dict(groupId=k.group(), memberId=member, memberEpoch=epoch)
    if epoch == 0:
        fields |= dict(rebalanceTimeoutMs=5000, topicPartitions=[], subscribedTopicNames=[topic or k.topic()])
    fields.update(more)
    return (k.ask if record else k.do)('ConsumerGroupHeartbeat', version, until=until, **fields)


def about(k, *groups):
    k.ask('ConsumerGroupDescribe', 1, groupIds=list(groups) or [k.group()], includeAuthorizedOperations=True)


def beaten(k, fields):
    """A first heartbeat in some way."""
    k.make(partitions=2)
    beat(k, **fields)
    about(k)


operations_of({
    'plain': {},
    'empty_group': {'groupId': ''},
    'no_member_id': {'member': ''},
    'no_member_id_old_version': {'member': '', 'version': 0},
    'epoch_of_nobody': {'epoch': 3},
    'leave_of_nobody': {'epoch': -1},
    'very_negative_epoch': {'epoch': -5},
    'static_leave_of_nobody': {'epoch': -2, 'instanceId': 'i'},
    'static_leave_without_instance': {'epoch': -2},
    'no_topics': {'subscribedTopicNames': None},
    'empty_topics': {'subscribedTopicNames': []},
    'unknown_topic': {'subscribedTopicNames': ['no_such_topic']},
    'invalid_topic': {'subscribedTopicNames': ['a b']},
    'no_timeout': {'rebalanceTimeoutMs': -1},
    'no_partitions_told': {'topicPartitions': None},
    'partitions_told_at_first': {'topicPartitions': [{'topicId': uuid.UUID(int=1 << 70), 'partitions': [0]}]},
    'empty_instance': {'instanceId': ''},
    'instance': {'instanceId': 'i'},
    'empty_rack': {'rackId': ''},
    'rack': {'rackId': 'r'},
    'unknown_assignor': {'serverAssignor': 'nonsense'},
    'range_assignor': {'serverAssignor': 'range'},
    'uniform_assignor': {'serverAssignor': 'uniform'},
    'empty_assignor': {'serverAssignor': ''},
    'pattern': {'subscribedTopicNames': None, 'subscribedTopicRegex': 'consumer_groups_beaten_pattern.*'},
    'bad_pattern': {'subscribedTopicNames': None, 'subscribedTopicRegex': '('},
    'empty_pattern': {'subscribedTopicRegex': ''},
}, beaten)


@operation
def life_of_a_member(k):
    topic = k.make(partitions=2)
    first = beat(k)
    epoch = first['memberEpoch']
    beat(k, epoch=epoch)
    owned = [{'topicId': k.id_of(topic), 'partitions': [0, 1]}]
    beat(k, epoch=epoch, topicPartitions=owned)
    about(k)
    describe(k, k.group())
    beat(k, epoch=epoch + 1)
    beat(k, epoch=epoch - 1, topicPartitions=owned)
    beat(k, epoch=epoch - 1)
    beat(k, member='somebody else', epoch=epoch)
    beat(k, epoch=epoch, subscribedTopicNames=[topic, topic + 'x'])
    beat(k, epoch=epoch + 1)
    beat(k, epoch=0)
    beat(k, epoch=-1)
    about(k)
    k.ask('DeleteGroups', 2, groupsNames=[k.group()])
    about(k)


@operation
def two_members_share(k):
    topic = k.make(partitions=2)
    id = k.id_of(topic)
    other = 'bbbbbbbbbbbbbbbbbbbbb-'
    a = beat(k, member=MEMBER)
    beat(k, member=MEMBER, epoch=a['memberEpoch'], topicPartitions=[{'topicId': id, 'partitions': [0, 1]}])
    b = beat(k, member=other)
    about(k)
    kept = beat(k, member=MEMBER, epoch=a['memberEpoch'])
    left = (kept['assignment'] or {'topicPartitions': []})['topicPartitions']
    done = beat(k, member=MEMBER, epoch=a['memberEpoch'], topicPartitions=left)
    b = beat(k, member=other, epoch=b['memberEpoch'])
    about(k)
    beat(k, member=MEMBER, epoch=-1)
    b = beat(k, member=other, epoch=b['memberEpoch'])
    beat(k, member=other, epoch=b['memberEpoch'], topicPartitions=[{'topicId': id, 'partitions': [0, 1]}])
    about(k)


@operation
def static_member_comes_back(k):
    topic = k.make(partitions=2)
    first = beat(k, instanceId='i')
    owned = [{'topicId': k.id_of(topic), 'partitions': [0, 1]}]
    beat(k, epoch=first['memberEpoch'], instanceId='i', topicPartitions=owned)
    beat(k, member='other', instanceId='i')
    beat(k, epoch=-2, instanceId='i')
    about(k)
    beat(k, member='other', instanceId='i')
    beat(k, epoch=first['memberEpoch'], instanceId='i', topicPartitions=owned)
    beat(k, member='other', epoch=-2, instanceId='another')
    beat(k, member='other', epoch=-1, instanceId='i')
    about(k)


@operation
def commits(k):
    topic = k.make()
    epoch = beat(k)['memberEpoch']
    commit(k, k.group(), topic, member=MEMBER, generation=epoch, version=9)
    commit(k, k.group(), topic, member=MEMBER, generation=epoch, version=8)
    commit(k, k.group(), topic, member=MEMBER, generation=epoch + 1, version=9)
    commit(k, k.group(), topic, member=MEMBER, generation=epoch - 1, version=9)
    commit(k, k.group(), topic, member=MEMBER, generation=epoch + 1, version=8)
    commit(k, k.group(), topic, member='nobody', generation=epoch, version=9)
    commit(k, k.group(), topic, version=9)
    for who, at in ((MEMBER, epoch), (MEMBER, epoch + 1), (MEMBER, epoch - 1), ('nobody', epoch), (None, -1)):
        k.ask('OffsetFetch', 9, groups=[{'groupId': k.group(), 'memberId': who, 'memberEpoch': at, 'topics': [{'name': topic, 'partitionIndexes': [0]}]}], requireStable=False)
    offsets(k, k.group(), topic)
    k.ask('OffsetDelete', 0, groupId=k.group(), topics=[{'name': topic, 'partitions': [{'partitionIndex': 0}]}])
    k.ask('DeleteGroups', 2, groupsNames=[k.group()])
    beat(k, epoch=-1)
    commit(k, k.group(), topic, version=9)


@operation
def heartbeat_to_a_classic_group(k):
    k.make()
    k.stable(k.group(), protocols=(('range', b'\0\0\0\0\0\0\xff\xff\xff\xff'),))
    beat(k, epoch=5)
    about(k)


@operation
def heartbeat_to_a_connect_group(k):
    k.make()
    k.join(k.group(), kind='connect')
    beat(k)


@operation
def heartbeat_to_an_empty_classic_group(k):
    topic = k.make()
    commit(k, k.group(), topic)
    beat(k)
    offsets(k, k.group(), topic)
    about(k)


@operation
def classic_requests_to_a_consumer_group(k):
    k.make()
    epoch = beat(k)['memberEpoch']
    k.ask('Heartbeat', 4, groupId=k.group(), generationId=epoch, memberId=MEMBER)
    k.ask('SyncGroup', 5, groupId=k.group(), generationId=epoch, memberId=MEMBER, protocolType='consumer', protocolName='range', assignments=[])
    k.ask('LeaveGroup', 5, groupId=k.group(), members=[{'memberId': 'nobody'}])
    describe(k, k.group())
    join(k, k.group(), protocolType='connect', groupInstanceId='c')


@operation
def listed(k):
    k.make()
    beat(k, record=False)
    for values in ({}, {'typesFilter': ['consumer']}, {'typesFilter': ['classic']}, {'statesFilter': ['Stable']}):
        answer = k.do('ListGroups', 5, **values)
        answer['groups'] = [group for group in answer['groups'] if group['groupId'] == k.group()]
        k.record(f'ListGroups {values}', answer)


@operation
def described_unknown(k):
    about(k, k.group('none'), '')


@operation
def described_classic(k):
    k.stable(k.group())
    about(k)


@operation
def topic_comes_later(k):
    """A member that waits for a topic gets its partitions once it is there."""
    first = beat(k, topic=k.topic())
    k.make()
    beat(k, epoch=first['memberEpoch'], until=lambda answer: assigned(answer) and answer['assignment']['topicPartitions'])
    about(k)


@operation
def partitions_are_added(k):
    topic = k.make()
    first = beat(k)
    k.do('CreatePartitions', 3, topics=[{'name': topic, 'count': 3, 'assignments': None}], timeoutMs=5000, validateOnly=False)
    k.wait_for(topic, 3)
    beat(k, epoch=first['memberEpoch'], topicPartitions=[{'topicId': k.id_of(topic), 'partitions': [0]}], until=assigned)


@operation
def pattern_finds_topics(k):
    k.make(k.topic('a'))
    k.make(k.topic('b'))
    first = beat(k, subscribedTopicNames=None, subscribedTopicRegex=k.topic('.*'), record=False)
    beat(k, epoch=first['memberEpoch'], until=lambda answer: assigned(answer) and len(answer['assignment']['topicPartitions']) == 2)
    about(k)
