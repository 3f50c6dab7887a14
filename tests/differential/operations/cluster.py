"""The cluster as a whole, the versions of its APIs, requests that are none."""
import struct
import uuid

from harness import operation
from client import Closed


@operation
def api_versions(k):
    for version in range(0, 5):
        values = {'clientSoftwareName': 'differential', 'clientSoftwareVersion': '1.0'} if version >= 3 else {}
        k.ask('ApiVersions', version, **values)


@operation
def api_versions_bad_names(k):
    for name, number in (('', '1'), ('a b', '1'), ('-a', '1'), ('a', ''), ('a', '1!'), ('a' * 300, '1')):
        k.ask('ApiVersions', 3, clientSoftwareName=name, clientSoftwareVersion=number)


@operation
def api_versions_too_new(k):
    """Answered in version 0, as KIP-511 says."""
    k.client().send_body('ApiVersions', 99, b'')
    frame = k.client().receive_frame()
    answer = k.broker.messages['ApiVersionsResponse'].decode(0, frame[4:])
    k.record('ApiVersions v99', answer)


@operation
def describe_cluster(k):
    for version in range(0, 3):
        more = {'endpointType': 1} if version >= 1 else {}
        k.ask('DescribeCluster', version, includeClusterAuthorizedOperations=True, **more)
    k.ask('DescribeCluster', 2, includeClusterAuthorizedOperations=False, includeFencedBrokers=True, endpointType=1)


@operation
def describe_cluster_of_controllers(k):
    k.ask('DescribeCluster', 1, includeClusterAuthorizedOperations=False, endpointType=2)
    k.ask('DescribeCluster', 1, includeClusterAuthorizedOperations=False, endpointType=9)


@operation
def describe_log_dirs(k):
    topic = k.make(partitions=2)
    k.fill(topic)
    k.ask('DescribeLogDirs', 4, topics=[{'topic': topic, 'partitions': [0, 1, 9]}])
    k.ask('DescribeLogDirs', 4, topics=[{'topic': k.topic('none'), 'partitions': [0]}])
    k.ask('DescribeLogDirs', 1, topics=[{'topic': topic, 'partitions': [0]}])
    k.ask('DescribeLogDirs', 4, topics=[])


@operation
def describe_quorum(k):
    answer = k.do('DescribeQuorum', 0, topics=[{'topicName': '__cluster_metadata', 'partitions': [{'partitionIndex': 0}]}])
    k.record('DescribeQuorum', {'errorCode': answer.get('errorCode', 'absent'), 'connection': answer.get('connection')})


@operation
def delegation_tokens(k):
    k.ask('CreateDelegationToken', 3, renewers=[], maxLifetimeMs=-1, ownerPrincipalType=None, ownerPrincipalName=None)
    k.ask('DescribeDelegationToken', 3, owners=None)


@operation
def telemetry_subscriptions(k):
    k.ask('GetTelemetrySubscriptions', 0, clientInstanceId=uuid.UUID(int=0))


@operation
def update_features(k):
    k.ask('UpdateFeatures', 1, timeoutMs=1000, featureUpdates=[{'feature': 'group.version', 'maxVersionLevel': 1, 'upgradeType': 1}], validateOnly=True)


def broken(k, what):
    """What becomes of a connection."""
    try:
        answer = k.client().receive_frame()
        k.record(what, {'bytes': len(answer)})
    except Closed:
        k.record(what, {'connection': 'closed'})
        k.close()


@operation
def unknown_api(k):
    k.client().send_frame(struct.pack('>hhih', 999, 0, 1, -1))
    broken(k, 'api 999')


@operation
def unsupported_version(k):
    for api, version in (('Metadata', 99), ('Fetch', 99), ('Produce', 99), ('JoinGroup', 10), ('AddOffsetsToTxn', 9)):
        k.client().send_body(api, version, b'\0' * 20)
        broken(k, f'{api} {version}')


@operation
def cut_request(k):
    k.client().send_body('Metadata', 12, b'\x05')
    broken(k, 'cut')


@operation
def negative_frame(k):
    k.client().socket.sendall(struct.pack('>i', -5))
    broken(k, 'negative length')


@operation
def huge_frame(k):
    k.client().socket.sendall(struct.pack('>i', 2_000_000_000))
    broken(k, 'huge length')


@operation
def empty_frame(k):
    k.client().socket.sendall(struct.pack('>i', 0))
    broken(k, 'no bytes')
