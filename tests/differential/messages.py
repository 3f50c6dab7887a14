"""Kafka's messages, encoded and decoded by Kafka's own definitions of them.

The definitions are read out of the jar of Kafka's clients when the test runs, so that nothing of Tripline's own codec decides
what is sent and what is seen. A message is a dict: field names as in the definitions, with a small first letter.
"""
import json
import re
import struct
import uuid
import zipfile

NUMBERS = {'int8': '>b', 'int16': '>h', 'uint16': '>H', 'int32': '>i', 'uint32': '>I', 'int64': '>q', 'float64': '>d'}
TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*')


class Malformed(Exception):
    """Bytes that are no message of this kind."""


def small(name):
    return name[0].lower() + name[1:]


def range_of(text, last=32767):
    """`2+`, `1-3`, `4` or `none` as the first and the last version."""
    if not text or text == 'none':
        return (1, 0)
    if text.endswith('+'):
        return (int(text[:-1]), last)
    first, _, end = text.partition('-')
    return (int(first), int(end or first))


def within(version, versions):
    return versions[0] <= version <= versions[1]


class Field:
    def __init__(self, definition, structs):
        self.name = small(definition['name'])
        self.versions = range_of(definition['versions'])
        self.nullable = range_of(definition.get('nullableVersions'))
        self.tagged = range_of(definition.get('taggedVersions'))
        self.tag = definition.get('tag')
        kind = definition['type']
        self.is_array = kind.startswith('[]')
        self.kind = kind.removeprefix('[]')
        self.default = definition.get('default')
        if 'fields' in definition:
            structs[self.kind] = [Field(field, structs) for field in definition['fields']]

    def default_value(self):
        if self.default == 'null':
            return None
        if self.is_array:
            return []
        if self.kind in NUMBERS:
            number = str(self.default or '0')
            return float(number) if self.kind == 'float64' else int(number, 0)
        return {'bool': str(self.default).lower() == 'true', 'string': self.default or '', 'bytes': b'', 'records': None, 'uuid': uuid.UUID(int=0)}.get(self.kind, {})


class Message:
    def __init__(self, definition):
        self.structs = {}
        for common in definition.get('commonStructs', []):
            self.structs[common['name']] = [Field(field, self.structs) for field in common['fields']]
        self.fields = [Field(field, self.structs) for field in definition['fields']]
        self.api_key = definition.get('apiKey')
        self.versions = range_of(definition['validVersions'])
        self.flexible = range_of(definition.get('flexibleVersions'))

    def encode(self, version, values):
        return self._struct(self.fields, version, values, within(version, self.flexible))

    def _struct(self, fields, version, values, flexible):
        unknown = set(values) - {field.name for field in fields if within(version, field.versions)}
        if unknown:
            raise ValueError(f'version {version} has no field {sorted(unknown)}')
        out, tags = [], []
        for field in fields:
            if not within(version, field.versions):
                continue
            value = values.get(field.name, field.default_value())
            if field.tag is not None and within(version, field.tagged):
                if value != field.default_value():
                    tags.append((field.tag, self._value(field, version, value, flexible)))
            else:
                out.append(self._value(field, version, value, flexible))
        if flexible:
            out.append(varint(len(tags)))
            for tag, value in sorted(tags):
                out.append(varint(tag) + varint(len(value)) + value)
        return b''.join(out)

    def _value(self, field, version, value, flexible):
        if field.is_array:
            if value is None:
                return varint(0) if flexible else struct.pack('>i', -1)
            length = varint(len(value) + 1) if flexible else struct.pack('>i', len(value))
            return length + b''.join(self._single(field.kind, version, item, flexible) for item in value)
        if field.kind in self.structs and field.nullable[0] <= field.nullable[1]:
            if value is None:
                return struct.pack('>b', -1)
            return struct.pack('>b', 1) + self._single(field.kind, version, value, flexible)
        return self._single(field.kind, version, value, flexible)

    def _single(self, kind, version, value, flexible):
        if kind in NUMBERS:
            return struct.pack(NUMBERS[kind], value)
        if kind == 'bool':
            return struct.pack('>b', value)
        if kind == 'uuid':
            return value.bytes
        if kind in self.structs:
            return self._struct(self.structs[kind], version, value, flexible)
        if value is None:
            return varint(0) if flexible else struct.pack('>h' if kind == 'string' else '>i', -1)
        data = value.encode() if kind == 'string' else value
        if flexible:
            return varint(len(data) + 1) + data
        return struct.pack('>h' if kind == 'string' else '>i', len(data)) + data

    def decode(self, version, data):
        reader = Reader(data)
        values = self._read_struct(self.fields, version, reader, within(version, self.flexible))
        if reader.at != len(data):
            raise Malformed(f'{len(data) - reader.at} bytes behind the end')
        return values

    def _read_struct(self, fields, version, reader, flexible):
        values, tagged = {}, {}
        for field in fields:
            if not within(version, field.versions):
                continue
            if field.tag is not None and within(version, field.tagged):
                tagged[field.tag] = field
                values[field.name] = field.default_value()
            else:
                values[field.name] = self._read(field, version, reader, flexible)
        if flexible:
            for _ in range(reader.varint()):
                tag, size = reader.varint(), reader.varint()
                end = reader.at + size
                if tag in tagged:
                    values[tagged[tag].name] = self._read(tagged[tag], version, reader, flexible)
                    if reader.at != end:
                        raise Malformed(f'tag {tag} has {size} bytes')
                else:
                    values[f'unknownTag{tag}'] = reader.take(size)
        return values

    def _read(self, field, version, reader, flexible):
        if field.is_array:
            count = reader.varint() - 1 if flexible else reader.number('>i')
            return None if count < 0 else [self._read_single(field.kind, version, reader, flexible) for _ in range(count)]
        if field.kind in self.structs and field.nullable[0] <= field.nullable[1] and reader.number('>b') < 0:
            return None
        return self._read_single(field.kind, version, reader, flexible)

    def _read_single(self, kind, version, reader, flexible):
        if kind in NUMBERS:
            return reader.number(NUMBERS[kind])
        if kind == 'bool':
            return bool(reader.number('>b'))
        if kind == 'uuid':
            return uuid.UUID(bytes=reader.take(16))
        if kind in self.structs:
            return self._read_struct(self.structs[kind], version, reader, flexible)
        length = reader.varint() - 1 if flexible else reader.number('>h' if kind == 'string' else '>i')
        if length < 0:
            return None
        data = reader.take(length)
        return data.decode() if kind == 'string' else data


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        if size < 0 or self.at + size > len(self.data):
            raise Malformed(f'{size} bytes wanted at {self.at} of {len(self.data)}')
        self.at += size
        return self.data[self.at - size:self.at]

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7f) << shift
            if byte < 0x80:
                return value
            shift += 7


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7f | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def load(jar):
    """All requests and responses and the two messages of the classic protocol, by name."""
    messages = {}
    with zipfile.ZipFile(jar) as files:
        for path in files.namelist():
            name = re.fullmatch(r'common/message/(\w+)\.json', path)
            if name:
                text = TOKEN.sub(lambda token: '' if token[0].startswith('//') else token[0], files.read(path).decode())
                definition = json.loads(text)
                if definition.get('type') in ('request', 'response', 'data') and definition['validVersions'] != 'none':
                    messages[name[1]] = Message(definition)
    return messages
