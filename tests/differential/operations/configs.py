"""Settings of topics, groups, brokers and clients: told, changed, refused."""
from harness import operation, operations_of

TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP = 2, 4, 8, 16, 32
SET, DELETE, APPEND, SUBTRACT = 0, 1, 2, 3


def told(k, kind, name, keys=None, version=4, synonyms=True, until=None, documentation=False):
    values = dict(resources=[{'resourceType': kind, 'resourceName': name, 'configurationKeys': keys}], includeSynonyms=synonyms)
    if version >= 3:
        values['includeDocumentation'] = documentation
    k.ask('DescribeConfigs', version, until=until, **values)


@operation
def topic_defaults(k):
    told(k, TOPIC, k.make())


@operation
def topic_with_settings(k):
    topic = k.make(retention_ms='1000', cleanup_policy='compact', compression_type='lz4')
    told(k, TOPIC, topic)
    told(k, TOPIC, topic, synonyms=False)
    told(k, TOPIC, topic, ['retention.ms', 'no.such', 'cleanup.policy'])
    told(k, TOPIC, topic, [])
    told(k, TOPIC, topic, ['retention.ms', 'retention.ms'])
    for version in (1, 2, 3):
        told(k, TOPIC, topic, ['retention.ms', 'preallocate'], version=version)


@operation
def topic_unknown(k):
    told(k, TOPIC, k.topic())


@operation
def topic_invalid_name(k):
    told(k, TOPIC, 'a b')
    told(k, TOPIC, '')


@operation
def kind_unknown(k):
    for kind in (0, 1, 3, 5, 77):
        told(k, kind, 'x')


@operation
def broker(k):
    told(k, BROKER, '1', ['num.partitions', 'log.retention.hours', 'message.max.bytes', 'auto.create.topics.enable', 'log.segment.bytes', 'compression.type',
                          'min.insync.replicas', 'default.replication.factor', 'offsets.retention.minutes', 'group.min.session.timeout.ms', 'log.cleanup.policy', 'super.users'])


@operation
def broker_all(k):
    told(k, BROKER, '1', synonyms=False)


@operation
def broker_unknown(k):
    told(k, BROKER, '99', ['num.partitions'])
    told(k, BROKER, 'x', ['num.partitions'])


@operation
def broker_default(k):
    told(k, BROKER, '')


@operation
def broker_logger(k):
    told(k, BROKER_LOGGER, '99')
    told(k, BROKER_LOGGER, 'x')


@operation
def group(k):
    told(k, GROUP, k.group())
    told(k, GROUP, '')


@operation
def client_metrics(k):
    told(k, CLIENT_METRICS, 'subscription')


@operation
def same_resource_twice(k):
    topic = k.make()
    one = {'resourceType': TOPIC, 'resourceName': topic, 'configurationKeys': ['retention.ms']}
    k.ask('DescribeConfigs', 4, resources=[one, one], includeSynonyms=False, includeDocumentation=False)


def change(k, kind, name, *changes, validate=False, record=True):
    configs = [{'name': config, 'configOperation': how, 'value': value} for config, how, value in changes]
    return (k.ask if record else k.do)('IncrementalAlterConfigs', 1, resources=[{'resourceType': kind, 'resourceName': name, 'configs': configs}], validateOnly=validate)


def changed(k, changes):
    """Settings of a topic that are changed one by one, then all that were named."""
    topic = k.make(retention_ms='5000', cleanup_policy='delete')
    change(k, TOPIC, topic, *changes)
    names = sorted({name for name, _, _ in changes if name})
    told(k, TOPIC, topic, names)


operations_of({
    'set': [('retention.ms', SET, '7000')],
    'deleted': [('retention.ms', DELETE, None)],
    'deleted_not_set': [('segment.ms', DELETE, None)],
    'deleted_with_value': [('retention.ms', DELETE, '1')],
    'appended': [('cleanup.policy', APPEND, 'compact')],
    'appended_twice_the_same': [('cleanup.policy', APPEND, 'delete')],
    'subtracted': [('cleanup.policy', SUBTRACT, 'delete')],
    'subtracted_not_there': [('cleanup.policy', SUBTRACT, 'compact')],
    'appended_to_no_list': [('retention.ms', APPEND, '1')],
    'subtracted_from_no_list': [('retention.ms', SUBTRACT, '1')],
    'appended_to_default': [('leader.replication.throttled.replicas', APPEND, '0:1')],
    'set_null': [('retention.ms', SET, None)],
    'appended_null': [('cleanup.policy', APPEND, None)],
    'unknown': [('no.such.setting', SET, '1')],
    'unknown_deleted': [('no.such.setting', DELETE, None)],
    'empty_name': [('', SET, '1')],
    'invalid': [('retention.ms', SET, 'long')],
    'one_right_one_wrong': [('segment.ms', SET, '5000'), ('retention.ms', SET, 'long')],
    'same_twice': [('retention.ms', SET, '1'), ('retention.ms', SET, '2')],
    'unknown_operation': [('retention.ms', 9, '1')],
    'nothing': [],
    'without_an_effect_here': [('flush.ms', SET, '77'), ('unclean.leader.election.enable', SET, 'true')],
}, changed)


@operation
def change_validated_only(k):
    topic = k.make()
    change(k, TOPIC, topic, ('retention.ms', SET, '7'), validate=True)
    change(k, TOPIC, topic, ('retention.ms', SET, 'x'), validate=True)
    told(k, TOPIC, topic, ['retention.ms'])


@operation
def change_unknown_topic(k):
    change(k, TOPIC, k.topic(), ('retention.ms', SET, '7'))
    change(k, TOPIC, 'a b', ('retention.ms', SET, '7'))
    change(k, TOPIC, '', ('retention.ms', SET, '7'))


@operation
def change_unknown_kind(k):
    change(k, 0, 'x', ('retention.ms', SET, '7'))
    change(k, 77, 'x', ('retention.ms', SET, '7'))


@operation
def change_twice_in_request(k):
    topic = k.make()
    one = {'resourceType': TOPIC, 'resourceName': topic, 'configs': [{'name': 'retention.ms', 'configOperation': SET, 'value': '7'}]}
    k.ask('IncrementalAlterConfigs', 1, resources=[one, one], validateOnly=False)


@operation
def change_group(k):
    change(k, GROUP, k.group(), ('consumer.session.timeout.ms', SET, '50000'))
    told(k, GROUP, k.group(), ['consumer.session.timeout.ms'], until=lambda answer: answer['results'][0]['configs'] and answer['results'][0]['configs'][0]['value'] == '50000')
    change(k, GROUP, k.group(), ('consumer.session.timeout.ms', SET, '1'))
    change(k, GROUP, k.group(), ('consumer.heartbeat.interval.ms', SET, '70000'))
    change(k, GROUP, k.group(), ('no.such', SET, '1'))
    change(k, GROUP, '', ('consumer.session.timeout.ms', SET, '50000'))
    change(k, GROUP, k.group(), ('consumer.session.timeout.ms', DELETE, None))
    told(k, GROUP, k.group(), ['consumer.session.timeout.ms'], until=lambda answer: answer['results'][0]['configs'] and answer['results'][0]['configs'][0]['value'] == '45000')


@operation
def change_broker(k):
    change(k, BROKER, '1', ('num.partitions', SET, '9'))
    change(k, BROKER, '1', ('no.such.setting', SET, '9'))
    change(k, BROKER, '99', ('log.cleaner.threads', SET, '1'))
    change(k, BROKER, 'x', ('log.cleaner.threads', SET, '1'))
    change(k, BROKER, '1', ('background.threads', SET, 'many'))
    change(k, BROKER, '1', ('background.threads', SET, '0'))
    change(k, BROKER, '1', ('background.threads', SET, '11'))
    told(k, BROKER, '1', ['background.threads'], until=lambda answer: answer['results'][0]['configs'] and answer['results'][0]['configs'][0]['value'] == '11')
    change(k, BROKER, '1', ('background.threads', DELETE, None))
    change(k, BROKER, '', ('background.threads', SET, '12'))
    told(k, BROKER, '', until=lambda answer: any(config['name'] == 'background.threads' for config in answer['results'][0]['configs']))
    change(k, BROKER, '', ('background.threads', DELETE, None))


@operation
def replaced(k):
    """AlterConfigs: what is not named goes back to its default."""
    topic = k.make(retention_ms='5000', segment_ms='6000')
    ask = lambda name, configs, kind=TOPIC, validate=False: k.ask('AlterConfigs', 2, resources=[{'resourceType': kind, 'resourceName': name, 'configs': configs}], validateOnly=validate)
    ask(topic, [{'name': 'segment.ms', 'value': '7000'}], validate=True)
    ask(topic, [{'name': 'segment.ms', 'value': '7000'}])
    told(k, TOPIC, topic, ['retention.ms', 'segment.ms'], until=lambda answer: any(config['value'] == '7000' for config in answer['results'][0]['configs']))
    ask(topic, [{'name': 'segment.ms', 'value': 'x'}])
    ask(topic, [{'name': 'segment.ms', 'value': None}])
    ask(topic, [{'name': 'no.such', 'value': '1'}])
    ask(k.topic('none'), [{'name': 'segment.ms', 'value': '7000'}])
    ask('', [])
    ask('x', [], kind=77)
    ask(topic, [])


@operation
def resources_listed(k):
    change(k, GROUP, k.group(), ('consumer.session.timeout.ms', SET, '50000'), record=False)
    k.ask('ListConfigResources', 0)
    for kinds in ([GROUP], [BROKER], [CLIENT_METRICS], [77], [0]):
        answer = k.do('ListConfigResources', 1, resourceTypes=kinds)
        answer['configResources'] = [found for found in answer['configResources'] if kinds != [GROUP] or found['resourceName'] == k.group()]
        k.record(f'ListConfigResources {kinds}', answer)
    change(k, GROUP, k.group(), ('consumer.session.timeout.ms', DELETE, None), record=False)


def quota(k, entity, *ops, validate=False):
    k.ask('AlterClientQuotas', 1, entries=[{'entity': [{'entityType': kind, 'entityName': name} for kind, name in entity], 'ops': [{'key': key, 'value': value or 0.0, 'remove': value is None} for key, value in ops]}], validateOnly=validate)


def quotas(k, *components, strict=False, until=None):
    k.ask('DescribeClientQuotas', 1, until=until, components=[{'entityType': kind, 'matchType': how, 'match': name} for kind, how, name in components], strict=strict)


@operation
def quotas_of_nobody(k):
    quotas(k, ('user', 0, k.topic()))
    quotas(k, ('client-id', 0, k.topic()), strict=True)


@operation
def quotas_wrong(k):
    quotas(k, ('planet', 0, 'x'))
    quotas(k, ('user', 7, 'x'))
    quotas(k, ('user', 0, 'x'), ('user', 0, 'y'))
    quotas(k, ('', 0, 'x'))
    quotas(k, ('ip', 0, '127.0.0.1'), ('user', 0, 'x'))


@operation
def quotas_altered(k):
    user = k.topic()
    quota(k, [('user', user)], ('producer_byte_rate', 1e6), validate=True)
    quota(k, [('user', user)], ('producer_byte_rate', 1e6), ('consumer_byte_rate', 2e6))
    quotas(k, ('user', 0, user), until=lambda answer: answer['entries'])
    quota(k, [('user', user)], ('producer_byte_rate', None))
    quota(k, [('user', user), ('client-id', 'c')], ('request_percentage', 50.0))
    quotas(k, ('user', 0, user), until=lambda answer: len(answer['entries']) == 2)
    quotas(k, ('user', 0, user), strict=True)
    quota(k, [('user', user)], ('consumer_byte_rate', None))
    quota(k, [('user', user), ('client-id', 'c')], ('request_percentage', None))
    quotas(k, ('user', 0, user), until=lambda answer: not answer['entries'])


@operation
def quotas_altered_wrong(k):
    quota(k, [('user', k.topic())], ('no_such_rate', 1.0))
    quota(k, [('planet', 'x')], ('producer_byte_rate', 1.0))
    quota(k, [('user', k.topic())], ('producer_byte_rate', -1.0))
    quota(k, [], ('producer_byte_rate', 1.0))
    quota(k, [('ip', 'not an address')], ('connection_creation_rate', 1.0))
    quota(k, [('ip', '127.0.0.1')], ('producer_byte_rate', 1.0))
