"""Differences that are meant, each with its reason; docs/reference/differences-from-kafka.md shows the same table."""
import re
from dataclasses import dataclass

BEGIN, END = '<!-- begin: tests/differential/known.py -->', '<!-- end -->'


@dataclass(frozen=True)
class Known:
    id: str
    # Regular expressions: the operation's whole name, something in `step: field`, the whole value on each side.
    operation: str
    field: str
    reason: str
    kafka: str = '.*'
    tripline: str = '.*'

    def explains(self, operation, field, kafka, tripline):
        return bool(re.fullmatch(self.operation, operation) and re.search(self.field, field) and re.fullmatch(self.kafka, str(kafka), re.S)
                    and re.fullmatch(self.tripline, str(tripline), re.S))


KNOWN = [
    # What one node without a controller is.
    Known('Copies above one are accepted', r'topics.created_three_copies', '.', 'A topic made with a replication factor above the number of brokers is made with one copy, so that settings written for a cluster work unchanged.'),
    Known('There are no internal topics', r'topics.created_internal_name|transactions.offsets_.*', r'CreateTopics|Metadata|__consumer_offsets', 'Offsets and transactions are kept in a journal of the log, not in `__consumer_offsets` and `__transaction_state`; DescribeTransactions names no such topic.'),
    Known('`min.insync.replicas` is not set for the cluster', r'.*', r'configs\[min.insync.replicas\]', 'Kafka\'s controller writes a value for all brokers when eligible leader replicas are on; there is one replica here and the value is the default 1.'),
    Known('Followers are not served', r'fetch.fetched_as_replica', '.', 'A fetch that names a follower is answered as a consumer\'s; Kafka says that it is not the leader for it. There are no followers.'),
    Known('The last fetched epoch is not looked at', r'fetch.fetched_last_fetched_epoch_too_new', '.', 'There is one leader, whose epoch is always 0, so no log has diverged.'),
    Known('Room on the disk is not told', r'cluster.describe_log_dirs', r'(total|usable)Bytes', 'DescribeLogDirs answers -1 (unknown) for the size of the volume and what is free on it; sizes of partitions are told.', tripline='-1'),
    # APIs, features and settings that are not there.
    Known('APIs that are not served', r'cluster.(api_versions.*|delegation_tokens|telemetry_subscriptions)', r'apiKeys\[|connection', 'Delegation tokens, client telemetry, moving replicas between directories, Raft voters, share groups and streams groups are not there. ApiVersions tells the truth, and clients do without.', tripline="absent|the connection was closed"),
    Known('Versions of ApiVersions', r'cluster.api_versions.*', r'(minVersion|maxVersion)$', 'ApiVersions lists the versions that are served: older ones than Kafka 4 knows, for older clients.'),
    Known('Features that are not there', r'cluster.api_versions.*', r'Features\[', 'Only the features that mean something on one node are listed: `group.version` and `transaction.version`.', tripline='absent'),
    Known('No coordinators of share groups', r'groups.find_coordinator', r'coordinators\[g:', 'Share groups are not there.'),
    Known('No client metrics', r'configs.client_metrics', '.', 'Subscriptions of client metrics (KIP-714) are refused as a type of resource that is not there.'),
    Known('Settings of groups', r'configs.group', r'configs\[(share|streams|consumer.assignment)\.', 'Groups have the settings that have an effect here, those of the consumer protocol; share and streams groups and the pause between assignments are not there.', tripline='absent'),
    Known('Settings of the broker', r'configs.(broker|broker_all|broker_default|change_broker)', r'configs\[', 'DescribeConfigs of the broker tells the settings that Tripline has, which are read-only while it runs, and some of Kafka\'s that tools set and read back. Defaults that are Tripline\'s own, such as PEM certificates, are told as they are.'),
    Known('Unknown settings of the broker are refused', r'configs.change_broker', r'2 IncrementalAlterConfigs.*errorCode', 'Kafka keeps names that it does not know; here a typing error is told.', kafka='0', tripline='40'),
    Known('Small segments', r'topics.created_config_small_segment', '.', '`segment.bytes` below 1 MiB is taken, as Kafka did before version 4.'),
    Known('Settings of older versions', r'topics.created_config_old_format', '.', '`message.format.version` and others that Kafka 4 has dropped are taken without an effect, so that older tools work.'),
    Known('Names that differ in "." and "_" only', r'topics.create_colliding_names', '.', 'Kafka refuses the second one because its metrics cannot tell them apart; here they can.'),
    # Errors told better.
    Known('Words beside an error code', r'.*', r'rrorMessage$', 'Where Kafka answers a code without words, Tripline says what is wrong.', kafka='None|empty text', tripline='some text'),
    Known('Errors that Kafka calls unknown', r'produce.one_batch_(unknown_codec|codec_is_not_what_it_says|garbage_records)|configs.changed_unknown_operation|security.made_(any|match)_.*', r'errorCode$|logStartOffset$', 'Where Kafka answers UNKNOWN_SERVER_ERROR for malformed requests, Tripline names the error.'),
    Known('Odd fetches are carried out', r'fetch.fetched_(negative_bytes|strange_isolation)', '.', 'Kafka answers UNKNOWN_SERVER_ERROR to a negative limit or an unknown isolation level; here they mean the least and `read_uncommitted`.'),
    Known('Answers instead of closed connections', r'security.(authenticate_without_handshake|made_unknown_operation|rules_filtered_wrong)', r'connection', 'Kafka closes the connection on some malformed requests; Tripline answers INVALID_REQUEST or refuses the login first.', kafka='the connection was closed', tripline='an answer'),
    Known('Unknown kinds of patterns are refused', r'security.rules_filtered_wrong', r'errorCode', 'A filter of rules with pattern type 0 is answered with INVALID_REQUEST instead of nothing.', kafka='0', tripline='42'),
    Known('Rules without a host are refused', r'security.made_empty_host', '.', 'A rule with an empty host would never match.', tripline='42|some text'),
    Known('Metadata of a topic without name and id', r'topics.metadata_null_name_before_ids', '.', 'The malformed part of the request is answered with an error, the brokers are told all the same.'),
    Known('Users in a refused DescribeUserScramCredentials', r'security.denied_describe_scram', '.', 'The users that were asked for are told with the error; Kafka tells an empty name.'),
    Known('A credential that is removed and set in one request', r'security.scram_credentials_wrong', r'results\[u\]', 'Told as a duplicate, not as a removal of what is not there.', kafka='91', tripline='92'),
    Known('The same filter twice in DeleteAcls', r'security.rules_made_and_found', r'filterResults\[\]#2.matchingAcls', 'A rule is listed with the first filter that removed it.', tripline='absent'),
    # Produce and fetch.
    Known('A partition named twice in one request', r'(produce|fetch).same_partition_twice', '.', 'Each is carried out; Kafka lets the last one count.'),
    Known('The newest timestamp of a batch', r'produce.one_batch_(max_timestamp_wrong|negative_timestamp)', r'maxTimestamp', 'Kafka computes it anew from the records; Tripline believes the header, as batches stay opaque. All client libraries send the right one.'),
    Known('The append time of repeated batches', r'produce.sequences_.*again', r'logAppendTimeMs', 'An idempotent batch that came before is answered with -1 on topics with CreateTime, as the first time.', tripline='-1'),
    Known('No cut batches', r'fetch.many_partitions', r'records', 'An answer ends with the last whole batch; Kafka adds the part of the next one that fits, which clients throw away.', tripline='absent'),
    Known('A deleted topic in a fetch session', r'fetch.session_topic_deleted', r'errorCode', 'Told as UNKNOWN_TOPIC_ID, as outside a session; both make the client ask for metadata.', kafka='3', tripline='100'),
    # Groups.
    Known('Groups without members and offsets', r'groups.delete_offsets|transactions.offsets_committed', r'(OffsetDelete|DescribeGroups)', 'A group is forgotten with its last offset; Kafka keeps it, empty, until it cleans up. Offsets of an open transaction do not make a group yet.'),
    Known('Subscriptions by pattern', r'consumer_groups.(beaten_pattern|pattern_finds_topics)', '.', 'A pattern is looked up at once; in Kafka with a later heartbeat.'),
    Known('The assignment epoch of an empty group', r'consumer_groups.*', r'assignmentEpoch', 'Follows the group epoch; Kafka leaves it where it was when the last member went.'),
    # Transactions.
    Known('The coordinator epoch of producers', r'(produce|transactions).*', r'coordinatorEpoch', 'Is always 0; Kafka tells -1 until a transaction of the producer has ended in the partition.', kafka='-1', tripline='0'),
    Known('When a transaction began', r'transactions.(committed|aborted)', r'transactionStartTimeMs', 'Is told while the transaction is open.', kafka='now', tripline='-1'),
    Known('Partitions of a transaction without records', r'transactions.added_and_nothing_written', r'Fetch', 'Get no end marker: there is nothing to end.'),
    Known('InitProducerId ends an open transaction', r'transactions.(fenced|fenced_by_old_versions|init_aborts_what_is_open)', r'InitProducerId', 'At once and with one new epoch; Kafka answers CONCURRENT_TRANSACTIONS while it aborts and raises the epoch twice.'),
]


def find(operation, field, kafka, tripline):
    return next((entry for entry in KNOWN if entry.explains(operation, field, kafka, tripline)), None)


def table():
    """The table of the page."""
    return '| Difference | Reason |\n| --- | --- |\n' + ''.join(f'| {entry.id} | {entry.reason} |\n' for entry in KNOWN)


def untold(page):
    """Returns what the page and this table do not agree on."""
    text = page.read_text() if page.exists() else ''
    shown = text.partition(BEGIN)[2].partition(END)[0].strip()
    return [] if shown == table().strip() else [f'{page.name} does not show the table of tests/differential/known.py: run.py --table prints it']
