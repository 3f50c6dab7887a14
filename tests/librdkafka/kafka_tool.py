#!/usr/bin/env python3
"""What librdkafka's tests ask of kafka-topics.sh and kafka-acls.sh, by the admin calls of a client library: these tests have time
limits that two starts of a Java virtual machine use up, and Kafka's own tool refuses settings that the tests use.

usage: kafka_tool.py topics|acls --bootstrap-server ADDRESS FLAG...     needs confluent-kafka
"""
import argparse, sys
from confluent_kafka.admin import (AclBinding, AclBindingFilter, AclOperation, AclPermissionType, AdminClient, NewPartitions, NewTopic, ResourcePatternType,
                                   ResourceType)

ap = argparse.ArgumentParser(allow_abbrev=False)
ap.add_argument('tool', choices=['topics', 'acls'])
ap.add_argument('--bootstrap-server', required=True)
for flag in ('create', 'alter', 'delete', 'add', 'remove', 'force'):
    ap.add_argument(f'--{flag}', action='store_true')
ap.add_argument('--topic', required=True)
ap.add_argument('--partitions', type=int, default=-1)
ap.add_argument('--replication-factor', type=int, default=-1)
ap.add_argument('--config', action='append', default=[])
for side in ('allow', 'deny'):
    ap.add_argument(f'--{side}-principal')
    ap.add_argument(f'--{side}-host', default='*')
ap.add_argument('--operation', default='All')
a = ap.parse_args()
admin = AdminClient({'bootstrap.servers': a.bootstrap_server})


def done(futures):
    for future in futures.values():
        future.result(20)


if a.tool == 'topics' and a.create:
    done(admin.create_topics([NewTopic(a.topic, a.partitions, a.replication_factor, config=dict(setting.split('=', 1) for setting in a.config))]))
elif a.tool == 'topics' and a.alter:
    done(admin.create_partitions([NewPartitions(a.topic, a.partitions)]))
elif a.tool == 'topics' and a.delete:
    done(admin.delete_topics([a.topic]))
elif a.tool == 'acls' and (a.add or a.remove):
    allows = a.allow_principal is not None
    kind = AclPermissionType.ALLOW if allows else AclPermissionType.DENY
    rule = (ResourceType.TOPIC, a.topic, ResourcePatternType.LITERAL, a.allow_principal if allows else a.deny_principal, a.allow_host if allows else a.deny_host,
            AclOperation[a.operation.upper()], kind)
    done(admin.create_acls([AclBinding(*rule)]) if a.add else admin.delete_acls([AclBindingFilter(*rule)]))
else:
    sys.exit(f'nothing that is known here: {sys.argv}')
