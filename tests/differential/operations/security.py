"""Logins, passwords, rules; and what somebody is told who may do nothing."""
import base64
import hashlib
import hmac

from harness import codes, operation, operations_of, produced, settled
from records import batch

ANY, MATCH, LITERAL, PREFIXED = 1, 2, 3, 4
TOPIC, GROUP, CLUSTER, TRANSACTIONAL_ID, TOKEN, USER = 2, 3, 4, 5, 6, 7
ALL, READ, WRITE, CREATE, DELETE, ALTER, DESCRIBE, CLUSTER_ACTION = 2, 3, 4, 5, 6, 7, 8, 9
DENY, ALLOW = 2, 3


def login(k, user='alice', password='alice', on='sasl', record=False):
    (k.ask if record else k.do)('SaslHandshake', 1, on=on, mechanism='PLAIN')
    return (k.ask if record else k.do)('SaslAuthenticate', 2, on=on, authBytes=b'\0%s\0%s' % (user.encode(), password.encode()))


@operation
def plain(k):
    login(k, record=True)
    k.ask('Metadata', 12, on='sasl', topics=[], allowAutoTopicCreation=False)


@operation
def plain_wrong_password(k):
    login(k, password='wrong', record=True)
    k.ask('Metadata', 12, on='sasl', topics=[], allowAutoTopicCreation=False)


@operation
def plain_unknown_user(k):
    login(k, user='nobody', record=True)


@operation
def plain_malformed(k):
    for text in (b'', b'alice', b'\0alice', b'\0\0', b'\0alice\0alice\0more', b'other\0alice\0alice'):
        k.do('SaslHandshake', 1, on='sasl', mechanism='PLAIN')
        k.ask('SaslAuthenticate', 2, on='sasl', authBytes=text)
        k.close()


@operation
def each_version(k):
    for version in (0, 1, 2):
        k.do('SaslHandshake', 1, on='sasl', mechanism='PLAIN')
        k.ask('SaslAuthenticate', version, on='sasl', authBytes=b'\0alice\0alice')
        k.close()


@operation
def unknown_mechanism(k):
    for mechanism in ('GSSAPI', 'OAUTHBEARER', '', 'plain'):
        k.ask('SaslHandshake', 1, on='sasl', mechanism=mechanism)
        k.close()


@operation
def unknown_mechanism_then_right(k):
    k.ask('SaslHandshake', 1, on='sasl', mechanism='NONE')
    k.ask('SaslHandshake', 1, on='sasl', mechanism='PLAIN')


@operation
def authenticate_without_handshake(k):
    k.ask('SaslAuthenticate', 2, on='sasl', authBytes=b'\0alice\0alice')


@operation
def request_before_login(k):
    k.ask('Metadata', 12, on='sasl', topics=[], allowAutoTopicCreation=False)


@operation
def api_versions_before_login(k):
    answer = k.do('ApiVersions', 3, on='sasl', clientSoftwareName='a', clientSoftwareVersion='1')
    k.record('ApiVersions', {'errorCode': answer['errorCode']})


@operation
def login_where_none_is_wanted(k):
    k.ask('SaslHandshake', 1, mechanism='PLAIN')
    k.ask('SaslAuthenticate', 2, authBytes=b'\0alice\0alice')


@operation
def login_again(k):
    """KIP-368."""
    login(k, record=True)
    login(k, record=True)
    login(k, user='admin', password='admin', record=True)


# SCRAM.

def scram(k, user, password, mechanism='SCRAM-SHA-256', first=None, wrong_proof=False):
    """A whole exchange; returns the last answer."""
    algorithm = {'SCRAM-SHA-256': 'sha256', 'SCRAM-SHA-512': 'sha512'}[mechanism]
    k.ask('SaslHandshake', 1, on='sasl', mechanism=mechanism)
    bare = f'n={user},r=clientnonce'
    answer = k.do('SaslAuthenticate', 2, on='sasl', authBytes=(first or 'n,,' + bare).encode())
    text = answer.get('authBytes', b'').decode()
    k.record('challenge', {**answer, 'authBytes': ','.join(part for part in text.split(',') if part[:2] not in ('r=', 's='))})
    if codes(answer) or 'connection' in answer:
        return
    server = dict(part.split('=', 1) for part in text.split(','))
    salted = hashlib.pbkdf2_hmac(algorithm, password.encode(), base64.b64decode(server['s']), int(server['i']))
    key = hmac.digest(salted, b'Client Key', algorithm)
    without = f'c=biws,r={server["r"]}'
    signature = hmac.digest(hashlib.new(algorithm, key).digest(), f'{bare},{text},{without}'.encode(), algorithm)
    proof = bytes(a ^ b for a, b in zip(key, signature))
    if wrong_proof:
        proof = bytes(len(proof))
    answer = k.do('SaslAuthenticate', 2, on='sasl', authBytes=f'{without},p={base64.b64encode(proof).decode()}'.encode())
    k.record('proof', {**answer, 'authBytes': answer.get('authBytes', b'')[:2]})


def credential(k, user, mechanism=1, iterations=4096, password='secret', salt=b'salt' * 4, record=True):
    algorithm = 'sha256' if mechanism == 1 else 'sha512'
    salted = hashlib.pbkdf2_hmac(algorithm, password.encode(), salt, max(iterations, 1))
    (k.ask if record else k.do)('AlterUserScramCredentials', 0, deletions=[], upsertions=[{'name': user, 'mechanism': mechanism, 'iterations': iterations, 'salt': salt, 'saltedPassword': salted}])


def scram_told(k, *users, until=None):
    k.ask('DescribeUserScramCredentials', 0, users=[{'name': user} for user in users], until=until)


@operation
def scram_works(k):
    user = k.topic()
    credential(k, user)
    credential(k, user, mechanism=2, iterations=8192)
    scram_told(k, user, until=lambda answer: len(answer['results'][0]['credentialInfos']) == 2)
    scram(k, user, 'secret')
    k.close()
    scram(k, user, 'secret', 'SCRAM-SHA-512')


@operation
def scram_wrong(k):
    user = k.topic()
    credential(k, user, record=False)
    k.do('DescribeUserScramCredentials', 0, users=[{'name': user}], until=lambda answer: answer['results'][0]['credentialInfos'])
    scram(k, user, 'secret', wrong_proof=True)
    k.close()
    scram(k, user, 'wrong')
    k.close()
    scram(k, user, 'secret', 'SCRAM-SHA-512')
    k.close()
    scram(k, 'nobody', 'secret')
    k.close()
    scram(k, user, 'secret', first='nonsense')


@operation
def scram_credentials_wrong(k):
    credential(k, k.topic(), iterations=100)
    credential(k, k.topic(), iterations=100_000)
    credential(k, '')
    credential(k, k.topic(), mechanism=0)
    credential(k, k.topic(), mechanism=9)
    credential(k, k.topic(), salt=b'')
    delete = lambda user, mechanism: k.ask('AlterUserScramCredentials', 0, deletions=[{'name': user, 'mechanism': mechanism}], upsertions=[])
    delete(k.topic(), 1)
    delete(k.topic(), 9)
    delete('', 1)
    k.ask('AlterUserScramCredentials', 0, deletions=[], upsertions=[])
    k.ask('AlterUserScramCredentials', 0, deletions=[{'name': 'u', 'mechanism': 1}], upsertions=[{'name': 'u', 'mechanism': 1, 'iterations': 4096, 'salt': b's', 'saltedPassword': b'p'}])


@operation
def scram_told_wrong(k):
    user = k.topic()
    credential(k, user, record=False)
    scram_told(k, k.topic('none'))
    scram_told(k, user, user, until=lambda answer: codes(answer) != {91})
    scram_told(k, '')
    k.ask('AlterUserScramCredentials', 0, deletions=[{'name': user, 'mechanism': 1}], upsertions=[])
    scram_told(k, user, until=codes)


# Rules.

def rule(name, kind=TOPIC, pattern=LITERAL, who='User:alice', host='*', operation=READ, permission=ALLOW):
    return {'resourceType': kind, 'resourceName': name, 'resourcePatternType': pattern, 'principal': who, 'host': host, 'operation': operation, 'permissionType': permission}


def allow(k, *rules, record=False):
    return (k.ask if record else k.do)('CreateAcls', 3, creations=list(rules))


def matching(name=None, kind=TOPIC, pattern=LITERAL, who=None, host=None, operation=1, permission=1):
    return {'resourceType': kind, 'resourceName': name, 'patternType': pattern, 'principal': who, 'host': host, 'operation': operation, 'permissionType': permission}


def rules(k, until=None, version=3, **filter):
    m = matching(**filter)
    fields = {'resourceTypeFilter': m['resourceType'], 'resourceNameFilter': m['resourceName'], 'patternTypeFilter': m['patternType'], 'principalFilter': m['principal'],
              'hostFilter': m['host'], 'operation': m['operation'], 'permissionType': m['permissionType']}
    return k.ask('DescribeAcls', version, until=until, **fields)


def remove(k, *filters, record=True):
    filters = [{'resourceTypeFilter': m['resourceType'], 'resourceNameFilter': m['resourceName'], 'patternTypeFilter': m['patternType'], 'principalFilter': m['principal'],
                'hostFilter': m['host'], 'operation': m['operation'], 'permissionType': m['permissionType']} for m in filters]
    return (k.ask if record else k.do)('DeleteAcls', 3, filters=filters)


def count(answer):
    return sum(len(resource['acls']) for resource in answer['resources'])


@operation
def rules_made_and_found(k):
    topic = k.topic()
    allow(k, rule(topic), rule(topic, operation=WRITE, permission=DENY, who='User:bob'), rule(topic, GROUP), rule(topic[:-2], pattern=PREFIXED, operation=ALL), record=True)
    rules(k, name=topic, until=lambda answer: count(answer) == 2)
    rules(k, name=topic, pattern=MATCH, who='User:alice')
    rules(k, name=topic, pattern=ANY)
    rules(k, name=topic, kind=1)
    rules(k, name=topic, who='User:bob')
    rules(k, name=topic, operation=READ)
    rules(k, name=topic, permission=DENY)
    rules(k, name=topic, host='10.0.0.1')
    rules(k, name=topic, host='*')
    rules(k, name=topic[:-2], pattern=PREFIXED)
    rules(k, name='*')
    rules(k, name=topic, version=1)
    remove(k, matching(topic, operation=READ), matching(topic, operation=READ), matching(topic, kind=GROUP), matching(topic[:-2], pattern=PREFIXED))
    remove(k, matching(topic))
    rules(k, name=topic, until=lambda answer: not count(answer))


def made(k, fields):
    """One rule, right or wrong."""
    allow(k, rule(**{'name': k.topic(), **fields}), record=True)


operations_of({
    'no_name': {'name': ''},
    'any_kind': {'kind': 1},
    'unknown_kind': {'kind': 99},
    'token': {'kind': TOKEN, 'operation': DESCRIBE},
    'user': {'kind': USER, 'operation': DESCRIBE},
    'cluster_other_name': {'kind': CLUSTER, 'operation': ALTER},
    'match_pattern': {'pattern': MATCH},
    'any_pattern': {'pattern': ANY},
    'any_operation': {'operation': 1},
    'unknown_operation': {'operation': 0},
    'operation_that_does_not_fit': {'operation': CLUSTER_ACTION},
    'any_permission': {'permission': 1},
    'principal_without_type': {'who': 'alice'},
    'empty_principal': {'who': ''},
    'strange_principal': {'who': 'Group:x'},
    'empty_host': {'host': ''},
    'host_that_is_none': {'host': 'some.host'},
    'prefixed_star': {'name': '*', 'pattern': PREFIXED, 'who': 'User:nobody'},
}, made)


@operation
def rule_made_twice(k):
    allow(k, rule(k.topic()), rule(k.topic()), record=True)
    rules(k, name=k.topic(), until=count)


@operation
def rules_filtered_wrong(k):
    rules(k, kind=0, name=k.topic())
    rules(k, kind=99, name=k.topic())
    rules(k, pattern=0, name=k.topic())
    rules(k, operation=0, name=k.topic())
    rules(k, permission=0, name=k.topic())
    remove(k, matching(k.topic(), kind=0))
    remove(k, matching(k.topic(), operation=0))


# Alice, who may do nothing but what a rule says.

def denied(k, api, version, values):
    """One request of somebody without any right."""
    k.make()
    login(k)
    fill = lambda value: {n: fill(v) for n, v in value.items()} if isinstance(value, dict) else [fill(v) for v in value] if isinstance(value, list) else k.topic() if value == 'TOPIC' else value
    k.ask(api, version, on='sasl', **fill(values))


operations_of({
    'produce': ('Produce', 9, produced('TOPIC', batch())),
    'produce_transactional': ('Produce', 9, produced('TOPIC', batch(), tx='t')),
    'fetch': ('Fetch', 12, dict(maxWaitMs=0, minBytes=0, sessionEpoch=-1, topics=[{'topic': 'TOPIC', 'partitions': [{'partition': 0, 'fetchOffset': 0, 'partitionMaxBytes': 100}]}])),
    'fetch_unknown': ('Fetch', 12, dict(maxWaitMs=0, minBytes=0, sessionEpoch=-1, topics=[{'topic': 'none', 'partitions': [{'partition': 0, 'fetchOffset': 0, 'partitionMaxBytes': 100}]}])),
    'list_offsets': ('ListOffsets', 7, dict(replicaId=-1, topics=[{'name': 'TOPIC', 'partitions': [{'partitionIndex': 0, 'timestamp': -1}]}])),
    'metadata': ('Metadata', 12, dict(topics=[{'name': 'TOPIC'}], allowAutoTopicCreation=False, includeTopicAuthorizedOperations=True)),
    'metadata_unknown': ('Metadata', 12, dict(topics=[{'name': 'none'}], allowAutoTopicCreation=True)),
    'metadata_all': ('Metadata', 12, dict(topics=None, allowAutoTopicCreation=False)),
    'describe_topic_partitions': ('DescribeTopicPartitions', 0, dict(topics=[{'name': 'TOPIC'}], responsePartitionLimit=10, cursor=None)),
    'offset_commit': ('OffsetCommit', 8, dict(groupId='g', generationIdOrMemberEpoch=-1, memberId='', topics=[{'name': 'TOPIC', 'partitions': [{'partitionIndex': 0, 'committedOffset': 1}]}])),
    'offset_fetch': ('OffsetFetch', 7, dict(groupId='g', topics=[{'name': 'TOPIC', 'partitionIndexes': [0]}])),
    'offset_fetch_groups': ('OffsetFetch', 8, dict(groups=[{'groupId': 'g', 'topics': None}])),
    'offset_delete': ('OffsetDelete', 0, dict(groupId='g', topics=[{'name': 'TOPIC', 'partitions': [{'partitionIndex': 0}]}])),
    'offset_for_leader_epoch': ('OffsetForLeaderEpoch', 4, dict(replicaId=-2, topics=[{'topic': 'TOPIC', 'partitions': [{'partition': 0, 'leaderEpoch': 0}]}])),
    'find_coordinator': ('FindCoordinator', 3, dict(key='g', keyType=0)),
    'find_coordinator_of_transaction': ('FindCoordinator', 3, dict(key='t', keyType=1)),
    'join_group': ('JoinGroup', 7, dict(groupId='g', sessionTimeoutMs=10000, rebalanceTimeoutMs=100, memberId='', protocolType='consumer', protocols=[{'name': 'range', 'metadata': b''}])),
    'sync_group': ('SyncGroup', 5, dict(groupId='g', generationId=1, memberId='m', protocolType='consumer', protocolName='range', assignments=[])),
    'heartbeat': ('Heartbeat', 4, dict(groupId='g', generationId=1, memberId='m')),
    'leave_group': ('LeaveGroup', 5, dict(groupId='g', members=[{'memberId': 'm'}])),
    'describe_groups': ('DescribeGroups', 5, dict(groups=['g'], includeAuthorizedOperations=True)),
    'list_groups': ('ListGroups', 5, {}),
    'delete_groups': ('DeleteGroups', 2, dict(groupsNames=['g'])),
    'consumer_group_heartbeat': ('ConsumerGroupHeartbeat', 1, dict(groupId='g', memberId='m', memberEpoch=0, rebalanceTimeoutMs=1000, topicPartitions=[], subscribedTopicNames=['TOPIC'])),
    'consumer_group_describe': ('ConsumerGroupDescribe', 1, dict(groupIds=['g'])),
    'create_topics': ('CreateTopics', 7, dict(topics=[{'name': 'x', 'numPartitions': 1, 'replicationFactor': 1}], timeoutMs=1000)),
    'delete_topics': ('DeleteTopics', 5, dict(topicNames=['TOPIC'], timeoutMs=1000)),
    'delete_topics_unknown': ('DeleteTopics', 5, dict(topicNames=['none'], timeoutMs=1000)),
    'create_partitions': ('CreatePartitions', 3, dict(topics=[{'name': 'TOPIC', 'count': 3, 'assignments': None}], timeoutMs=1000)),
    'delete_records': ('DeleteRecords', 2, dict(topics=[{'name': 'TOPIC', 'partitions': [{'partitionIndex': 0, 'offset': 0}]}], timeoutMs=1000)),
    'describe_configs': ('DescribeConfigs', 4, dict(resources=[{'resourceType': 2, 'resourceName': 'TOPIC', 'configurationKeys': None}, {'resourceType': 4, 'resourceName': '1', 'configurationKeys': None}, {'resourceType': 32, 'resourceName': 'g', 'configurationKeys': None}])),
    'incremental_alter_configs': ('IncrementalAlterConfigs', 1, dict(resources=[{'resourceType': 2, 'resourceName': 'TOPIC', 'configs': [{'name': 'retention.ms', 'configOperation': 0, 'value': '1'}]}])),
    'alter_configs': ('AlterConfigs', 2, dict(resources=[{'resourceType': 2, 'resourceName': 'TOPIC', 'configs': []}])),
    'describe_cluster': ('DescribeCluster', 1, dict(includeClusterAuthorizedOperations=True)),
    'describe_log_dirs': ('DescribeLogDirs', 4, dict(topics=None)),
    'describe_producers': ('DescribeProducers', 0, dict(topics=[{'name': 'TOPIC', 'partitionIndexes': [0]}])),
    'describe_transactions': ('DescribeTransactions', 0, dict(transactionalIds=['t'])),
    'list_transactions': ('ListTransactions', 1, {}),
    'init_producer_id': ('InitProducerId', 4, dict(transactionalId=None, transactionTimeoutMs=1000)),
    'init_producer_id_transactional': ('InitProducerId', 4, dict(transactionalId='t', transactionTimeoutMs=1000)),
    'add_partitions': ('AddPartitionsToTxn', 3, dict(v3AndBelowTransactionalId='t', v3AndBelowProducerId=1, v3AndBelowProducerEpoch=0, v3AndBelowTopics=[{'name': 'TOPIC', 'partitions': [0]}])),
    'add_partitions_in_batches': ('AddPartitionsToTxn', 4, dict(transactions=[])),
    'add_offsets': ('AddOffsetsToTxn', 3, dict(transactionalId='t', producerId=1, producerEpoch=0, groupId='g')),
    'end_txn': ('EndTxn', 3, dict(transactionalId='t', producerId=1, producerEpoch=0, committed=True)),
    'txn_offset_commit': ('TxnOffsetCommit', 3, dict(transactionalId='t', groupId='g', producerId=1, producerEpoch=0, topics=[{'name': 'TOPIC', 'partitions': [{'partitionIndex': 0, 'committedOffset': 1}]}])),
    'describe_acls': ('DescribeAcls', 3, dict(resourceTypeFilter=1, resourceNameFilter=None, patternTypeFilter=1, principalFilter=None, hostFilter=None, operation=1, permissionType=1)),
    'create_acls': ('CreateAcls', 3, dict(creations=[rule('x')])),
    'delete_acls': ('DeleteAcls', 3, dict(filters=[{'resourceTypeFilter': 2, 'resourceNameFilter': 'x', 'patternTypeFilter': 3, 'principalFilter': None, 'hostFilter': None, 'operation': 1, 'permissionType': 1}])),
    'describe_scram': ('DescribeUserScramCredentials', 0, dict(users=[{'name': 'x'}])),
    'alter_scram': ('AlterUserScramCredentials', 0, dict(deletions=[{'name': 'x', 'mechanism': 1}], upsertions=[])),
    'describe_quotas': ('DescribeClientQuotas', 1, dict(components=[], strict=False)),
    'alter_quotas': ('AlterClientQuotas', 1, dict(entries=[{'entity': [{'entityType': 'user', 'entityName': 'x'}], 'ops': [{'key': 'producer_byte_rate', 'value': 1.0, 'remove': False}]}], validateOnly=False)),
    'elect_leaders': ('ElectLeaders', 2, dict(electionType=0, topicPartitions=[{'topic': 'TOPIC', 'partitions': [0]}], timeoutMs=1000)),
    'list_reassignments': ('ListPartitionReassignments', 0, dict(timeoutMs=1000, topics=None)),
    'list_config_resources': ('ListConfigResources', 1, dict(resourceTypes=[32])),
}, denied)


@operation
def allowed_to_read(k):
    """Describe comes with read, by a rule for a prefix; write does not."""
    topic = k.make()
    allow(k, rule('security_allowed_to_read', pattern=PREFIXED), rule(k.group(), GROUP))
    login(k)
    k.ask('Metadata', 12, on='sasl', topics=[{'name': topic}], allowAutoTopicCreation=False, includeTopicAuthorizedOperations=True, until=lambda answer: not codes(answer))
    k.ask('Fetch', 12, on='sasl', maxWaitMs=0, minBytes=0, sessionEpoch=-1, topics=[{'topic': topic, 'partitions': [{'partition': 0, 'fetchOffset': 0, 'partitionMaxBytes': 100}]}])
    k.ask('Produce', 9, on='sasl', **produced(topic, batch()))
    k.ask('OffsetCommit', 8, on='sasl', groupId=k.group(), generationIdOrMemberEpoch=-1, memberId='', topics=[{'name': topic, 'partitions': [{'partitionIndex': 0, 'committedOffset': 1}]}, {'name': 'none', 'partitions': [{'partitionIndex': 0, 'committedOffset': 1}]}])
    k.ask('DescribeGroups', 5, on='sasl', groups=[k.group()], includeAuthorizedOperations=True)
    k.ask('DeleteGroups', 2, on='sasl', groupsNames=[k.group()])
    allow(k, rule(topic, permission=DENY))
    k.ask('Metadata', 12, on='sasl', topics=[{'name': topic}], allowAutoTopicCreation=False, until=codes)
    k.ask('Fetch', 12, on='sasl', maxWaitMs=0, minBytes=0, sessionEpoch=-1, topics=[{'topic': topic, 'partitions': [{'partition': 0, 'fetchOffset': 0, 'partitionMaxBytes': 100}]}])


@operation
def allowed_to_write(k):
    topic = k.make()
    allow(k, rule(topic, operation=WRITE), rule(k.tx(), TRANSACTIONAL_ID, operation=WRITE))
    login(k)
    k.ask('Metadata', 12, on='sasl', topics=[{'name': topic}], allowAutoTopicCreation=False, includeTopicAuthorizedOperations=True, until=lambda answer: not codes(answer))
    k.ask('Produce', 9, on='sasl', **produced(topic, batch()))
    k.ask('InitProducerId', 4, on='sasl', transactionalId=None, transactionTimeoutMs=1000)
    k.ask('InitProducerId', 4, on='sasl', transactionalId=k.tx(), transactionTimeoutMs=1000, until=settled)
    k.ask('Fetch', 12, on='sasl', maxWaitMs=0, minBytes=0, sessionEpoch=-1, topics=[{'topic': topic, 'partitions': [{'partition': 0, 'fetchOffset': 0, 'partitionMaxBytes': 100}]}])


@operation
def allowed_to_create(k):
    allow(k, rule(k.topic(), operation=CREATE))
    login(k)
    k.ask('CreateTopics', 7, on='sasl', topics=[{'name': k.topic(), 'numPartitions': 1, 'replicationFactor': 1}], timeoutMs=5000, until=lambda answer: answer['topics'][0]['errorCode'] != 29)
    k.ask('CreateTopics', 7, on='sasl', topics=[{'name': k.topic('other'), 'numPartitions': 1, 'replicationFactor': 1}], timeoutMs=1000)
    k.ask('DeleteTopics', 5, on='sasl', topicNames=[k.topic()], timeoutMs=1000)


@operation
def super_user(k):
    topic = k.make()
    login(k, 'admin', 'admin')
    k.ask('Produce', 9, on='sasl', **produced(topic, batch()))
    k.ask('Metadata', 12, on='sasl', topics=[{'name': topic}], allowAutoTopicCreation=False, includeTopicAuthorizedOperations=True)
