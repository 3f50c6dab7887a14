"""Differences that are meant, each with its reason; docs/reference/differences-from-kafka.md shows the same table.

Each names the fields that may differ and the values on both sides, so that another answer to the same operation is still told.
"""
import pathlib
import re
from dataclasses import dataclass

BEGIN, END = '<!-- begin: tests/differential/known.py -->', '<!-- end -->'
SETTINGS_PAGE = pathlib.Path(__file__).resolve().parent.parent.parent / 'docs/reference/kafka-settings.md'


@dataclass(frozen=True)
class Known:
    id: str
    # Regular expressions: the operation's whole name; something in `step: field` → the whole value of Kafka and of Tripline.
    operation: str
    fields: dict
    reason: str
    # Which of the fields differ depends on which part of Kafka is first.
    is_timed: bool = False

    def gone(self, used):
        """Returns the fields that did not differ, all kinds of differences that occurred being used."""
        if self.is_timed and any((self.id, part) in used for part in self.fields):
            return []
        return [part for part in self.fields if (self.id, part) not in used]

    def explained_by(self, operation, field, kafka, tripline):
        """Returns the part that explains a difference, if there is one."""
        if not re.fullmatch(self.operation, operation):
            return None
        return next((part for part, (left, right) in self.fields.items()
                     if re.search(part, field) and re.fullmatch(left, str(kafka), re.S) and re.fullmatch(right, str(tripline), re.S)), None)


# Whole parts of an answer that one side does not give.
NODE = "{'nodeId': 1, 'host': '127.0.0.1', 'port': 'own port', 'rack': None}"
BATCH = r"{'baseOffset': [012], 'length': \d+, 'partitionLeaderEpoch': 0, 'crcIsRight': True, .*"
DEFAULT_CONFIG = r"{'name': '[a-z0-9.]+', 'value': '[^']*', 'readOnly': False, 'configSource': 5, 'isSensitive': False}"
# A fetch of three records that Kafka refuses.
FETCHED = {r'(highWatermark|lastStableOffset)$': ('-1', '3'), r'partitions\[0\].logStartOffset$': ('-1', '0')}


def made(code, is_told=True):
    """A topic that Kafka refuses to make, and that is made; also told by the operation's next step."""
    created = {r'CreateTopics.*topicId$': ('no id', 'id of .*'), r'CreateTopics.*errorCode$': (str(code), '0'), r'CreateTopics.*errorMessage$': ('some text', 'None'),
               r'CreateTopics.*(numPartitions|replicationFactor)$': ('-1', '1'), r'CreateTopics.*configs\[[a-z0-9.]+\]$': ('absent', DEFAULT_CONFIG)}
    told = {r'Metadata.*throttleTimeMs$': ('absent', '0'), r'Metadata.*brokers$': ('absent', rf'\[{NODE}\]'), r'Metadata.*clusterId$': ('absent', 'a cluster'),
            r'Metadata.*controllerId$': ('absent', '1'), r'Metadata.*topics$': ('absent', r"\[{'errorCode': 0, 'name': .*, 'isInternal': False, 'partitions': \[{'errorCode': 0, .*")}
    return created | told if is_told else created


# What the broker tells of itself: the settings of the page, and these.
TOLD = re.findall(r'^\| `([a-z.]+)` \|', SETTINGS_PAGE.read_text(), re.M) + [
    'background.threads', 'log.cleaner.threads', 'log.cleanup.policy', 'num.io.threads', 'num.network.threads', 'num.recovery.threads.per.data.dir',
    'num.replica.fetchers', 'sasl.kerberos.min.time.before.relogin']
BROKER = {
    rf'configs\[(?!({"|".join(map(re.escape, TOLD))})\])[^\]]+\]$': ('{.*}', 'absent'),
    r'configs\[(acks.all.may.be.lost.in.power.failure|plain.sasl.jaas.config|queued.max.answer.bytes|(follower|leader).replication.throttled.rate)\]$': ('absent', '{.*}'),
    # Kafka changes these while it runs.
    r'configs\[(compression.type|listeners|log.retention.(bytes|ms)|log.segment.bytes|max.connections(.per.ip)?|message.max.bytes|sasl.enabled.mechanisms|ssl.client.auth'
    r'|ssl.(key|trust)store.(location|type))\].readOnly$': ('False', 'True'),
    # Given to Kafka by the tool that starts it.
    r'configs\[(advertised.listeners|default.replication.factor|group.initial.rebalance.delay.ms|node.id|sasl.enabled.mechanisms)\].configSource$': ('4', '5'),
    r'configs\[default.replication.factor\].synonyms\[default.replication.factor\].source$': ('4', '5'),
    r'configs\[default.replication.factor\].synonyms\[default.replication.factor\]#2$': ("{.*'value': '1', 'source': 5}", 'absent'),
    r'configs\[advertised.listeners\].value$': ('PLAINTEXT://.*,SASL_PLAINTEXT://.*', 'None'),
    r'configs\[listeners\].value$': ('PLAINTEXT://.*,CONTROLLER://.*,SASL_PLAINTEXT://.*', r'PLAINTEXT://127.0.0.1:\d+,SASL_PLAINTEXT://127.0.0.1:\d+'),
    # Settings of the authorizer, which Kafka does not know itself.
    r'configs\[(super.users|allow.everyone.if.no.acl.found)\].isSensitive$': ('True', 'False'),
    r'configs\[super.users\].configType$': ('0', '2'),
    r'configs\[allow.everyone.if.no.acl.found\].configType$': ('0', '1'),
    r'configs\[super.users\](.synonyms\[super.users\])?.value$': ('None', 'User:ANONYMOUS;User:admin'),
    r'configs\[super.users\].synonyms\[super.users\]#2$': ('absent', "{'name': 'super.users', 'value': '', 'source': 5}"),
    r'configs\[allow.everyone.if.no.acl.found\].value$': ('None', 'false'),
    # Other defaults.
    r'configs\[group.consumer.migration.policy\].value$': ('bidirectional', 'disabled'),
    r'configs\[max.connections\].value$': ('2147483647', '10000'),
    r'configs\[queued.max.request.bytes\].value$': ('-1', '268435456'),
    r'configs\[ssl.(key|trust)store.type\].value$': ('JKS', 'PEM'),
}

KNOWN = [
    # What one node without a controller is.
    Known('Copies above one are accepted', r'topics.created_three_copies', made(38),
          'A topic made with a replication factor above the number of brokers is made with one copy, so that settings written for a cluster work unchanged.'),
    Known('There are no internal topics', r'topics.created_internal_name|transactions.offsets_.*', made(36) | {r'DescribeTransactions.*topics\[__consumer_offsets\]$': (r"{'topic': '__consumer_offsets', 'partitions': \[[01]\]}", 'absent')},
          'Offsets and transactions are kept in a journal of the log, not in `__consumer_offsets` and `__transaction_state`; DescribeTransactions names no such topic.'),
    Known('`min.insync.replicas` is not set for the cluster', r'.*', {
        r'configs\[min.insync.replicas\](.synonyms\[min.insync.replicas\])?.(configSource|source)$': ('3', '5'),
        r'configs\[min.insync.replicas\].synonyms\[min.insync.replicas\]#[23]$': (r"{'name': 'min.insync.replicas', 'value': '1', 'source': [45]}", 'absent'),
        r'configs\[min.insync.replicas\].readOnly$': ('False', 'True'),
        r'results\[4,\].configs\[min.insync.replicas\]$': ("{'name': 'min.insync.replicas', 'value': '1', 'readOnly': False, 'configSource': 3, .*", 'absent')},
          "Kafka's controller writes a value for all brokers when eligible leader replicas are on; there is one replica here and the value is the default 1."),
    Known('Followers are not served', r'fetch.fetched_as_replica', FETCHED | {r'partitions\[0\].errorCode$': ('6', '0'), r'records\[[012]\]$': ('absent', BATCH)},
          "A fetch that names a follower is answered as a consumer's; Kafka says that it is not the leader for it. There are no followers."),
    Known('The last fetched epoch is not looked at', r'fetch.fetched_last_fetched_epoch_too_new', FETCHED | {r'partitions\[0\].errorCode$': ('1', '0'), r'records\[2\]$': ('absent', BATCH)},
          'There is one leader, whose epoch is always 0, so no log has diverged.'),
    Known('Room on the disk is not told', r'cluster.describe_log_dirs', {r'(total|usable)Bytes$': ('some', '-1')},
          'DescribeLogDirs answers -1 (unknown) for the size of the volume and what is free on it; sizes of partitions are told.'),
    # APIs, features and settings that are not there.
    Known('APIs that are not served', r'cluster.(api_versions.*|delegation_tokens|telemetry_subscriptions)', {
        r'apiKeys\[(27|3[89]|4[01]|64|7[6-9]|8[01345-9]|9[0-2])\]$': (r"{'apiKey': \d+, 'minVersion': \d, 'maxVersion': \d}", 'absent'),
        r'connection$': ('an answer', 'the connection was closed')},
          'Delegation tokens, client telemetry, moving replicas between directories, Raft voters, share groups and streams groups are not there. ApiVersions tells the truth, and clients do without.'),
    Known('Versions of ApiVersions', r'cluster.api_versions.*', {r'apiKeys\[([1289]|19|20)\].minVersion$': ('[124]', '0')},
          'ApiVersions lists the versions that are served: older ones than Kafka 4 knows, for older clients.'),
    Known('Features that are not there', r'cluster.api_versions.*', {r'Features\[(metadata|kraft|share|streams|eligible.leader.replicas).version\]$': ('{.*}', 'absent')},
          'Only the features that mean something on one node are listed: `group.version` and `transaction.version`.'),
    Known('No coordinators of share groups', r'groups.find_coordinator', {r'coordinators\[g:.*,1\]$': ("{.*'nodeId': 1, .*'errorCode': 0, .*", 'absent'), r'coordinators\[g:.*,-1\]$': ('absent', "{.*'nodeId': -1, .*'errorCode': 42, .*")},
          'Share groups are not there.'),
    Known('No client metrics', r'configs.client_metrics', {
        r'results\[16,subscription\].errorCode$': ('0', '42'), r'results\[16,subscription\].errorMessage$': ('empty text', 'some text'),
        r'results\[16,subscription\].configs\[(interval.ms|match|metrics)\]$': ('{.*}', 'absent')},
          'Subscriptions of client metrics (KIP-714) are refused as a type of resource that is not there.'),
    Known('Settings of groups', r'configs.group', {r'configs\[(share|streams|consumer.assignment)\.[a-z.]*\]$': ('{.*}', 'absent')},
          'Groups have the settings that have an effect here, those of the consumer protocol; share and streams groups and the pause between assignments are not there.'),
    Known('Settings of the broker', r'configs.(broker|broker_all)', BROKER,
          "DescribeConfigs of the broker tells the settings that Tripline has, which are read-only while it runs, and some of Kafka's that tools set and read back. Defaults that are Tripline's own, such as PEM certificates, are told as they are."),
    Known('Unknown settings of the broker are refused', r'configs.change_broker', {r'2 IncrementalAlterConfigs.*errorCode$': ('0', '40')},
          'Kafka keeps names that it does not know; here a typing error is told.'),
    Known('Small segments', r'topics.created_config_small_segment', made(40) | {r'configs\[segment.bytes\]$': ('absent', "{'name': 'segment.bytes', 'value': '14', 'readOnly': False, 'configSource': 1, 'isSensitive': False}")},
          '`segment.bytes` below 1 MiB is taken, as Kafka did before version 4.'),
    Known('Settings of older versions', r'topics.created_config_old_format', made(40),
          '`message.format.version` and others that Kafka 4 has dropped are taken without an effect, so that older tools work.'),
    Known('Names that differ in "." and "_" only', r'topics.create_colliding_names', made(17, is_told=False),
          'Kafka refuses the second one because its metrics cannot tell them apart; here they can.'),
    # Errors told better.
    Known('Words beside an error code', r'.*', {r'rrorMessage$': ('None|empty text', 'some text')},
          'Where Kafka answers a code without words, Tripline says what is wrong.'),
    Known('Errors that Kafka calls unknown', r'produce.one_batch_(unknown_codec|codec_is_not_what_it_says|garbage_records)|configs.changed_unknown_operation|security.made_(any|match)_.*', {
        r'(configs_changed_unknown_operation\]|CreateAcls v3: results\[\])\.errorCode$': ('-1', '42'),
        r'one_batch_unknown_codec.*errorCode$': ('-1', '76'), r'one_batch_codec_is_not_what_it_says.*errorCode$': ('-1', '2'),
        r'one_batch_garbage_records.*errorCode$': ('-1', '87'), r'one_batch_codec_is_not_what_it_says.*logStartOffset$': ('0', '-1')},
          'Where Kafka answers UNKNOWN_SERVER_ERROR for malformed requests, Tripline names the error.'),
    Known('Odd fetches are carried out', r'fetch.fetched_(negative_bytes|strange_isolation)', FETCHED | {r'errorCode$': ('-1', '0'), r'abortedTransactions$': (r'\[\]', 'None'), r'records\[[012]\]$': ('absent', BATCH)},
          'Kafka answers UNKNOWN_SERVER_ERROR to a negative limit or an unknown isolation level; here they mean the least and `read_uncommitted`.'),
    Known('Answers instead of closed connections', r'security.(authenticate_without_handshake|made_unknown_operation|rules_filtered_wrong)', {r'connection$': ('the connection was closed', 'an answer')},
          'Kafka closes the connection on some malformed requests; Tripline answers INVALID_REQUEST or refuses the login first.'),
    Known('Unknown kinds of patterns are refused', r'security.rules_filtered_wrong', {r'errorCode$': ('0', '42')},
          'A filter of rules with pattern type 0 is answered with INVALID_REQUEST instead of nothing.'),
    Known('Rules without a host are refused', r'security.made_empty_host', {r'results\[\].errorCode$': ('0', '42')},
          'A rule with an empty host would never match.'),
    Known('Metadata of a topic without name and id', r'topics.metadata_null_name_before_ids', {
        r'brokers\[1\]$': ('absent', NODE), r'clusterId$': ('None', 'a cluster'), r'controllerId$': ('-1', '1'),
        r'topics\[,no id\]$': ("{'errorCode': 42, 'name': '', .*", 'absent'), r'topics\[None,no id\]$': ('absent', "{'errorCode': 100, 'name': None, .*")},
          'The malformed part of the request is answered with an error, the brokers are told all the same.'),
    Known('Users in a refused DescribeUserScramCredentials', r'security.denied_describe_scram', {
        r'results\[\]$': ("{'user': '', 'errorCode': 31, .*", 'absent'), r'results\[x\]$': ('absent', "{'user': 'x', 'errorCode': 31, .*")},
          'The users that were asked for are told with the error; Kafka tells an empty name.'),
    Known('A credential that is removed and set in one request', r'security.scram_credentials_wrong', {r'results\[u\].errorCode$': ('91', '92')},
          'Told as a duplicate, not as a removal of what is not there.'),
    Known('The same filter twice in DeleteAcls', r'security.rules_made_and_found', {r'filterResults\[\]#2.matchingAcls\[2,.*,3,User:alice,3\]$': ("{'errorCode': 0, .*", 'absent')},
          'A rule is listed with the first filter that removed it.'),
    # Produce and fetch.
    Known('A partition named twice in one request', r'(produce|fetch).same_partition_twice', {
        r'partitions\[0\].records\[0\]$': ('absent', BATCH), r'partitions\[0\]#2$': ('absent', "{'partitionIndex': 0, 'errorCode': 0, 'highWatermark': 3, .*"),
        r'partitionResponses\[0\]#2$': ('absent', "{'index': 0, 'errorCode': 0, 'baseOffset': 1, .*")},
          'Each is carried out; Kafka lets the last one count.'),
    Known('The newest timestamp of a batch', r'produce.one_batch_(max_timestamp_wrong|negative_timestamp)', {r'max_timestamp_wrong.*maxTimestamp$': (r'TIME\+0', r'TIME\+5000'), r'negative_timestamp.*maxTimestamp$': ('-1', '-2')},
          'Kafka computes it anew from the records; Tripline believes the header, as batches stay opaque. All client libraries send the right one.'),
    Known('The append time of repeated batches', r'produce.sequences_.*again', {r'logAppendTimeMs$': (r'TIME\+0', '-1')},
          'An idempotent batch that came before is answered with -1 on topics with CreateTime, as the first time.'),
    Known('No cut batches', r'fetch.many_partitions', {r'records\[\]$': (r"{'baseOffset': 1, 'cutAt': \d+}", 'absent')},
          'An answer ends with the last whole batch; Kafka adds the part of the next one that fits, which clients throw away.'),
    Known('A deleted topic in a fetch session', r'fetch.session_topic_deleted', {r'errorCode$': ('3', '100')},
          'Told as UNKNOWN_TOPIC_ID, as outside a session; both make the client ask for metadata.'),
    # Groups.
    Known('Groups without members and offsets', r'groups.delete_offsets|transactions.offsets_committed', {
        r'3 OffsetDelete.*errorCode$': ('0', '69'), r'3 OffsetDelete.*topics\[groups_delete_offsets[a-z0-9]*none\]$': (r"{.*'partitions': \[{'partitionIndex': 0, 'errorCode': 3}\]}", 'absent'),
        r'7 DescribeGroups.*errorCode$': ('0', '69'), r'DescribeGroups.*groupState$': ('Empty', 'Dead'), r'7 DescribeGroups.*authorizedOperations$': ('3400', '-2147483648')},
          'A group is forgotten with its last offset; Kafka keeps it, empty, until it cleans up. Offsets of an open transaction do not make a group yet.'),
    Known('Subscriptions by pattern', r'consumer_groups.(beaten_pattern|pattern_finds_topics)', {
        r'ConsumerGroupHeartbeat.*assignment$': ('{.*}', 'None'), r'(memberEpoch|assignmentEpoch|groupEpoch)$': ('1', '2'), r'groupState$': ('Assigning|Reconciling', 'Stable'),
        r'(a|.targetA)ssignment.topicPartitions\[.*\]$': ('absent', r"{'topicId': 'id of .*', 'partitions': \[0, 1\]}")},
          'A pattern is looked up at once; in Kafka with a later heartbeat.', is_timed=True),
    Known('The assignment epoch of an empty group', r'consumer_groups.*', {r'life_of_a_member.*assignmentEpoch$': ('4', '5'), r'static_member_comes_back.*assignmentEpoch$': ('2', '3')},
          'Follows the group epoch; Kafka leaves it where it was when the last member went.'),
    # Transactions.
    Known('The coordinator epoch of producers', r'(produce|transactions).*', {r'coordinatorEpoch$': ('-1', '0')},
          'Is always 0; Kafka tells -1 until a transaction of the producer has ended in the partition.'),
    Known('When a transaction began', r'transactions.(committed|aborted)', {r'transactionStartTimeMs$': ('now', '-1')},
          'Is told while the transaction is open.'),
    Known('Partitions of a transaction without records', r'transactions.added_and_nothing_written', {
        r'Fetch.*(highWatermark|lastStableOffset)$': ('1', '0'), r'Fetch.*records\[0\]$': (r"{'baseOffset': 0, .*'attributes': 48, .*", 'absent')},
          'Get no end marker: there is nothing to end.'),
    Known('InitProducerId ends an open transaction', r'transactions.(fenced|fenced_by_old_versions|init_aborts_what_is_open)', {
        r'InitProducerId.*producerEpoch$': ('2|-1', '1'), r'InitProducerId.*errorCode$': ('51', '0'), r'InitProducerId.*producerId$': ('-1', 'producer#1')},
          'At once and with one new epoch; Kafka answers CONCURRENT_TRANSACTIONS while it aborts and raises the epoch twice.'),
]


def find(operation, field, kafka, tripline):
    """Returns the known difference and the part of it that explains this one."""
    for entry in KNOWN:
        if part := entry.explained_by(operation, field, kafka, tripline):
            return entry, part
    return None


def table():
    """The table of the page."""
    return '| Difference | Reason |\n| --- | --- |\n' + ''.join(f'| {entry.id} | {entry.reason} |\n' for entry in KNOWN)


def untold(page):
    """Returns what the page and this table do not agree on."""
    text = page.read_text() if page.exists() else ''
    shown = text.partition(BEGIN)[2].partition(END)[0].strip()
    return [] if shown == table().strip() else [f'{page.name} does not show the table of tests/differential/known.py: run.py --table prints it']
