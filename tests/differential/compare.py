"""Makes the answers of two brokers comparable, field by field.

What no two brokers share becomes a symbol instead of being left out: the third topic id seen in an operation is `id of NAME` or `id#3`, a
clock's time is `now`, a port is `own port`. So a missing id, a time of zero or another broker's port still shows.
"""
import re
import time
import uuid

from records import TIME

# What tells the items of a list apart, whatever their order.
IDENTITY = ['name', 'topicName', 'topic', 'resourceType', 'resourceName', 'patternType', 'groupId', 'transactionalId', 'user', 'key', 'entityType', 'entityName', 'partitionIndex', 'partition', 'partitionId',
            'index', 'nodeId', 'brokerId', 'memberId', 'groupInstanceId', 'apiKey', 'topicId', 'producerId', 'mechanism', 'principal', 'operation', 'coordinatorKey']
IDS_OF_MEMBERS = {'memberId', 'leader', 'protocolLeader'}
SIZES = {'totalBytes', 'usableBytes'}
UUID = re.compile(r'[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}')
SHORT_ID = re.compile(r'[A-Za-z0-9_-]{22}')
LONG = 160
ABSENT = 'absent'
MESSAGES = {'errorMessage', 'batchIndexErrorMessage'}


class Symbols:
    """What one operation has seen on one side."""

    def __init__(self, topic_names, ports):
        self.topic_names, self.ports = topic_names, ports
        self.seen = {}

    def number(self, kind, value):
        of_kind = self.seen.setdefault(kind, {})
        return f'{kind}#{of_kind.setdefault(value, len(of_kind) + 1)}'

    def plain(self, field, value):
        """Returns a value that can be compared."""
        if isinstance(value, dict):
            return {name: self.plain(name, inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self.plain(field, inner) for inner in value]
        if isinstance(value, bytes):
            try:
                text = value.decode()
                return text if text.isprintable() and len(text) < LONG else f'{len(value)} bytes {value[:LONG].hex()}'
            except UnicodeDecodeError:
                return f'{len(value)} bytes {value[:LONG].hex()}'
        if isinstance(value, uuid.UUID):
            if value.int == 0:
                return 'no id'
            return f'id of {self.topic_names[value]}' if value in self.topic_names else self.number('id', value)
        if isinstance(value, str):
            return self.text(field, value)
        if isinstance(value, int) and not isinstance(value, bool):
            return self.integer(field, value)
        return value

    def text(self, field, value):
        if field in MESSAGES:
            return 'some text' if value else 'empty text'
        if field == 'clusterId':
            return 'a cluster'
        if field == 'logDir':
            return 'a directory'
        if field in IDS_OF_MEMBERS and (UUID.search(value) or SHORT_ID.fullmatch(value)):
            return self.number('member', value)
        return value

    def integer(self, field, value):
        if field == 'port' or field == 'leaderPort':
            return 'own port' if value in self.ports else value
        if field == 'producerId' and value >= 0:
            return self.number('producer', value)
        if field == 'sessionId' and value != 0:
            return self.number('session', value)
        if field in SIZES:
            return 'some' if value > 0 else value
        if field == 'finalizedFeaturesEpoch':
            return 'some' if value >= 0 else value
        if 'time' in field.lower() and abs(value - time.time() * 1000) < 3_600_000:
            return 'now'
        if 'time' in field.lower() and abs(value - TIME) < 100_000:
            return f'TIME{value - TIME:+}'
        return value


def label(item):
    """What tells an item of a list apart from the others."""
    names = [name for name in IDENTITY if name in item and not isinstance(item[name], (dict, list))]
    if 'topicId' in names and names.index('topicId') > 0 and item[names[0]] not in ('', None):
        names.remove('topicId')
    if isinstance(item.get('entity'), list):
        return ','.join(sorted(label(part) for part in item['entity']))
    if 'lastOffsetDelta' in item:
        names = ['baseOffset']
    return ','.join(str(item[name]) for name in names)


def by_label(items):
    found, seen = {}, {}
    for item in items:
        name = label(item)
        seen[name] = seen.get(name, 0) + 1
        found[f'[{name}]' + (f'#{seen[name]}' if seen[name] > 1 else '')] = item
    return found


def differences(kafka, tripline, path=''):
    """Yields path, Kafka's value and Tripline's value where they are not the same. The order of a list does not matter."""
    if not path and ('connection' in kafka) != ('connection' in tripline):
        yield 'connection', kafka.get('connection', 'an answer'), tripline.get('connection', 'an answer')
    elif isinstance(kafka, dict) and isinstance(tripline, dict):
        for name in list(kafka) + [name for name in tripline if name not in kafka]:
            inner = name if name.startswith('[') or not path else f'.{name}'
            yield from differences(kafka.get(name, ABSENT), tripline.get(name, ABSENT), path + inner)
    elif is_structs(kafka) and is_structs(tripline):
        yield from differences(by_label(kafka), by_label(tripline), path)
    elif isinstance(kafka, list) and isinstance(tripline, list):
        if sorted(kafka, key=str) != sorted(tripline, key=str):
            yield path, kafka, tripline
    elif kafka != tripline:
        yield path, kafka, tripline


def is_structs(value):
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)
