#!/usr/bin/env python3
"""Writes src/shape_table.rs from the JSON message specifications in Kafka's clients jar (folder common/message).

usage: shapes.py FOLDER > src/shape_table.rs
"""
import json, pathlib, re, sys

SERVED = '''Produce Fetch ListOffsets Metadata OffsetCommit OffsetFetch FindCoordinator JoinGroup Heartbeat LeaveGroup SyncGroup DescribeGroups ListGroups
SaslHandshake ApiVersions CreateTopics DeleteTopics DeleteRecords InitProducerId OffsetForLeaderEpoch AddPartitionsToTxn AddOffsetsToTxn EndTxn TxnOffsetCommit
DescribeAcls CreateAcls DeleteAcls DescribeConfigs AlterConfigs DescribeLogDirs SaslAuthenticate CreatePartitions DeleteGroups ElectLeaders IncrementalAlterConfigs
ListPartitionReassignments OffsetDelete DescribeClientQuotas AlterClientQuotas DescribeUserScramCredentials AlterUserScramCredentials DescribeCluster DescribeProducers DescribeTransactions
ListTransactions AlterReplicaLogDirs AlterPartitionReassignments DescribeQuorum UpdateFeatures ConsumerGroupHeartbeat ConsumerGroupDescribe ListConfigResources DescribeTopicPartitions'''.split()
WIDTH = {'bool': 1, 'int8': 1, 'int16': 2, 'uint16': 2, 'int32': 4, 'uint32': 4, 'int64': 8, 'float64': 8, 'uuid': 16}
LAST = 'LAST'


def span(text):
    text = text.strip()
    if text == 'none':
        return None
    if text.endswith('+'):
        return int(text[:-1]), LAST
    first, _, final = text.partition('-')
    return int(first), int(final or first)


def kind(field, structs):
    type = field['type']
    array = type.startswith('[]')
    type = type.removeprefix('[]')
    if type in WIDTH:
        inner = f'Fixed({WIDTH[type]})'
    elif type == 'string':
        inner = 'Text'
    elif type in ('bytes', 'records'):
        inner = 'Bytes'
    else:
        fields = body(field.get('fields') or structs[type], structs)
        if array:
            return f'Array(&Struct({fields}))'
        return f'OptionStruct({fields})' if 'nullableVersions' in field else f'Struct({fields})'
    return f'Array(&{inner})' if array else inner


def body(fields, structs):
    out = []
    for field in fields:
        versions = span(field['versions'])
        tagged = span(field.get('taggedVersions', 'none'))
        if versions is None:
            continue
        if tagged:
            out.append(f't({field["tag"]}, {tagged[0]}, {tagged[1]}, {kind(field, structs)})')
            if tagged[0] <= versions[0]:
                continue
            versions = (versions[0], tagged[0] - 1)
        out.append(f'f({versions[0]}, {versions[1]}, {kind(field, structs)})')
    return '&[' + ', '.join(out) + ']'


folder = pathlib.Path(sys.argv[1])
print('''//! The shape of every request served: which fields there are in which version, as Kafka's own specifications say.
//!
//! Written by `shapes.py` from the JSON message specifications in Kafka's clients jar; do not edit.

use super::shape::Kind::{Array, Bytes, Fixed, OptionStruct, Struct, Text};
use super::shape::{LAST, Shape, f, t};

/// All requests by their API key, ascending.
#[rustfmt::skip]
pub(crate) const SHAPES: &[Shape] = &[''')
rows = []
for name in SERVED:
    text = (folder / f'{name}Request.json').read_text()
    spec = json.loads('\n'.join(line for line in text.split('\n') if not line.strip().startswith('//')))
    structs = {s['name']: s['fields'] for s in spec.get('commonStructs', [])}
    flexible = span(spec['flexibleVersions'])
    rows.append((spec['apiKey'], f'    Shape {{ api_key: {spec["apiKey"]}, flexible_from: {flexible[0] if flexible else LAST}, fields: {body(spec["fields"], structs)} }},'))
for _, row in sorted(rows):
    print(row)
print('];')
