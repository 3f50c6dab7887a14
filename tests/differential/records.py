"""Record batches: made for produce requests, as wrong as wanted, and taken apart from fetch answers.

    v2:  base offset 8, length 4, leader epoch 4, magic 1, crc32c 4, attributes 2, last offset delta 4, base timestamp 8,
         max timestamp 8, producer id 8, producer epoch 2, base sequence 4, count 4, records
"""
import gzip
import struct
import time
import zlib

from messages import Reader

GZIP, SNAPPY, LZ4, ZSTD = 1, 2, 3, 4
LOG_APPEND_TIME, TRANSACTIONAL, CONTROL = 8, 16, 32
# Yesterday. Kafka rolls segments and deletes them by the time in the records, so it may not be long ago.
TIME = int(time.time()) // 100 * 100_000 - 86_400_000

_TABLE = []
for _byte in range(256):
    for _ in range(8):
        _byte = _byte >> 1 ^ 0x82f63b78 if _byte & 1 else _byte >> 1
    _TABLE.append(_byte)


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xff] ^ crc >> 8
    return crc ^ 0xffffffff


def zigzag(value):
    value = value << 1 ^ value >> 63
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7f | 0x80)
        value >>= 7
    return bytes(out + bytes([value]))


def sized(data):
    return zigzag(-1) if data is None else zigzag(len(data)) + data


def record(delta, value, key=None, timestamp_delta=0, headers=()):
    body = b'\0' + zigzag(timestamp_delta) + zigzag(delta) + sized(key) + sized(value) + zigzag(len(headers))
    for name, content in headers:
        body += sized(name) + sized(content)
    return sized(body)


def xxh32(data):
    """The checksum of an LZ4 frame's header; it is shorter than 16 bytes."""
    p2, p3, p4, p5 = 2246822519, 3266489917, 668265263, 374761393
    mask = 0xffffffff
    turn = lambda value, by: (value << by | value >> 32 - by) & mask
    total = p5 + len(data)
    while len(data) >= 4:
        total = turn(total + int.from_bytes(data[:4], 'little') * p3 & mask, 17) * p4 & mask
        data = data[4:]
    for byte in data:
        total = turn(total + byte * p5 & mask, 11) * 2654435761 & mask
    total = (total ^ total >> 15) * p2 & mask
    total = (total ^ total >> 13) * p3 & mask
    return total ^ total >> 16


def compress(codec, data):
    """Frames of each codec that hold the data as it is; all decoders take them."""
    if codec == GZIP:
        return gzip.compress(data, mtime=0)
    if codec == SNAPPY:
        out, rest = bytearray(), len(data)
        while rest >= 0x80:
            out.append(rest & 0x7f | 0x80)
            rest >>= 7
        out.append(rest)
        for at in range(0, len(data), 60):
            piece = data[at:at + 60]
            out += bytes([len(piece) - 1 << 2]) + piece
        return bytes(out)
    if codec == LZ4:
        header = b'\x60\x40'
        sum_byte = bytes([xxh32(header) >> 8 & 0xff])
        return b'\x04\x22\x4d\x18' + header + sum_byte + struct.pack('<I', len(data) | 0x80000000) + data + bytes(4)
    if codec == ZSTD:
        # One segment, its size in two bytes, one raw block.
        assert 256 <= len(data) < 65536
        return b'\x28\xb5\x2f\xfd\x60' + struct.pack('<H', len(data) - 256) + (len(data) << 3 | 1).to_bytes(3, 'little') + data
    return data


def batch(values=(b'a',), *, codec=0, attributes=0, base_offset=0, leader_epoch=-1, magic=2, timestamp=TIME, max_timestamp=None, producer_id=-1,
          epoch=-1, sequence=-1, count=None, last_delta=None, crc=None, keys=None, deltas=None, raw=None, timestamps=None, headers=(), length=None, cut=0):
    """A batch of records with the given values; everything can be said differently than it is."""
    records = raw
    if records is None:
        steps = timestamps or [timestamp] * len(values)
        records = b''.join(
            record(n if deltas is None else deltas[n], value, keys[n] if keys else None, steps[n] - timestamp, headers) for n, value in enumerate(values))
    if max_timestamp is None:
        max_timestamp = max(timestamps) if timestamps else timestamp
    if codec in (GZIP, SNAPPY, LZ4, ZSTD):
        records = compress(codec, records)
    count = len(values) if count is None else count
    last_delta = len(values) - 1 if last_delta is None else last_delta
    body = struct.pack('>hiqqqhii', attributes | codec, last_delta, timestamp, max_timestamp, producer_id, epoch, sequence, count) + records
    crc = crc32c(body) if crc is None else crc
    whole = struct.pack('>ibI', leader_epoch, magic, crc) + body
    whole = whole[:len(whole) - cut] if cut else whole
    return struct.pack('>qi', base_offset, len(whole) if length is None else length) + whole


def old_message(value, *, magic=1, codec=0, key=None, offset=0, timestamp=TIME, crc=None):
    """A message of format 0 or 1."""
    flat = lambda data: struct.pack('>i', -1) if data is None else struct.pack('>i', len(data)) + data
    body = struct.pack('>bb', magic, codec) + (struct.pack('>q', timestamp) if magic else b'') + flat(key) + flat(value)
    crc = zlib.crc32(body) if crc is None else crc
    return struct.pack('>qiI', offset, len(body) + 4, crc) + body


def signed(reader):
    value = reader.varint()
    return value >> 1 ^ -(value & 1)


def take_apart(data):
    """Returns the batches of an answer as dicts."""
    batches = []
    while len(data) >= 12:
        base_offset, length = struct.unpack('>qi', data[:12])
        if len(data) < 12 + length:
            batches.append({'baseOffset': base_offset, 'cutAt': len(data)})
            break
        body, data = data[12:12 + length], data[12 + length:]
        leader_epoch, magic, crc = struct.unpack('>ibI', body[:9])
        if magic != 2:
            batches.append({'baseOffset': base_offset, 'magic': body[4], 'bytes': body})
            continue
        attributes, last_delta, base_timestamp, max_timestamp, producer_id, epoch, sequence, count = struct.unpack('>hiqqqhii', body[9:49])
        found = {
            'baseOffset': base_offset, 'length': length, 'partitionLeaderEpoch': leader_epoch, 'crcIsRight': crc == crc32c(body[9:]), 'attributes': attributes,
            'lastOffsetDelta': last_delta, 'baseTimestamp': base_timestamp, 'maxTimestamp': max_timestamp, 'producerId': producer_id, 'producerEpoch': epoch,
            'baseSequence': sequence, 'recordsCount': count,
        }
        if attributes & 7 == GZIP:
            found['records'] = records_of(gzip.decompress(body[49:]), count)
        elif attributes & 7:
            found['compressed'] = body[49:]
        else:
            found['records'] = records_of(body[49:], count)
        batches.append(found)
    return batches


def records_of(data, count):
    reader, found = Reader(data), []
    for _ in range(count):
        end = signed(reader) + reader.at
        reader.take(1)
        timestamp_delta, offset_delta = signed(reader), signed(reader)
        key_size = signed(reader)
        key = None if key_size < 0 else reader.take(key_size)
        value_size = signed(reader)
        value = None if value_size < 0 else reader.take(value_size)
        headers = []
        for _ in range(signed(reader)):
            name = reader.take(signed(reader))
            size = signed(reader)
            headers.append([name, None if size < 0 else reader.take(size)])
        found.append({'offsetDelta': offset_delta, 'timestampDelta': timestamp_delta, 'key': key, 'value': value, 'headers': headers, 'endsRight': reader.at == end})
    return found
