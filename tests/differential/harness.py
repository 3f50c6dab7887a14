"""Operations and what they are carried out with.

An operation is a function that takes a `Side` and asks it things; each answer it asks for with `ask` is recorded and compared, what
it does with `do` is only preparation. It must give the same requests to both sides.
"""
import socket
import time
import uuid

from client import Client, Closed
from compare import Symbols
from messages import Malformed
from records import TIME, batch, take_apart

OPERATIONS = []
# Coordinators that are being loaded, and transactions that are being ended: every client asks again.
ASK_AGAIN = {14, 15, 16}
PATIENCE_S = 10


def operation(function):
    name = f'{function.__module__.removeprefix("operations.")}.{function.__name__}'
    OPERATIONS.append((name, function))
    return function


def operations_of(names, template):
    """Makes an operation of each case: name → arguments of the template."""
    for name, arguments in names.items():
        def run(side, arguments=arguments):
            template(side, *arguments) if isinstance(arguments, tuple) else template(side, arguments)
        run.__name__, run.__module__ = f'{template.__name__}_{name}', template.__module__
        operation(run)


class Side:
    """One broker during one operation."""

    def __init__(self, broker, name):
        self.broker, self.name, self.recorded = broker, name.replace('.', '_') + broker.tag, []
        self.symbols = Symbols(broker.topic_names, broker.ports)
        self.clients = {}
        self.user = None

    def topic(self, suffix=''):
        """A name that only this operation has."""
        return self.name + suffix

    group = tx = topic

    def client(self, which='plain'):
        if which not in self.clients:
            listener = 'sasl' if which.startswith('sasl') else 'plain'
            self.clients[which] = Client(self.broker.messages, self.broker.addresses[listener])
        return self.clients[which]

    def close(self):
        for client in self.clients.values():
            client.close()
        self.clients.clear()

    def do(self, api, version, on='plain', until=None, **values):
        """Asks without recording. Asks again while a coordinator is being loaded, or until an answer is right."""
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                answer = self.client(on).ask(api, version, values)
            except (Closed, Malformed, socket.timeout) as error:
                self.clients.pop(on).close()
                return {'connection': 'no answer in time' if isinstance(error, socket.timeout) else str(error)}
            self.learn(answer)
            self.symbols.plain('', answer)
            again = codes(answer) & ASK_AGAIN if until is None else not until(answer)
            if not again or time.monotonic() > end:
                return answer
            time.sleep(0.05)

    def ask(self, api, version, on='plain', until=None, **values):
        answer = self.do(api, version, on=on, until=until, **values)
        self.record(f'{api} v{version}', answer)
        return answer

    def record(self, what, answer):
        self.recorded.append((f'{len(self.recorded) + 1} {what}', self.symbols.plain('', opened(answer))))

    def learn(self, answer):
        """Remembers which id is which topic's."""
        if isinstance(answer, dict):
            name = next((answer[n] for n in ('name', 'topicName', 'topic') if isinstance(answer.get(n), str)), None)
            if isinstance(answer.get('topicId'), uuid.UUID) and answer['topicId'].int and name:
                self.broker.topic_names[answer['topicId']] = name
            for inner in answer.values():
                self.learn(inner)
        elif isinstance(answer, list):
            for inner in answer:
                self.learn(inner)

    # What many operations begin with.

    def make(self, topic=None, partitions=1, **configs):
        """Makes a topic and waits until it can be used; returns its name."""
        topic = topic or self.topic()
        settings = [{'name': name.replace('_', '.'), 'value': value} for name, value in configs.items()]
        made = self.do('CreateTopics', 7, topics=[{'name': topic, 'numPartitions': partitions, 'replicationFactor': 1, 'configs': settings}], timeoutMs=10000)
        assert made['topics'][0]['errorCode'] == 0, made
        self.wait_for(topic, partitions)
        return topic

    def wait_for(self, topic, partitions=1):
        ready = lambda answer: len(answer['topics'][0]['partitions']) >= partitions and not codes(answer)
        self.do('Metadata', 12, topics=[{'name': topic}], allowAutoTopicCreation=False, until=ready)
        # Kafka's broker may tell of a leader a moment before the leader is one.
        wanted = [{'partitionIndex': partition, 'timestamp': -1} for partition in range(partitions)]
        self.do('ListOffsets', 7, replicaId=-1, isolationLevel=0, topics=[{'name': topic, 'partitions': wanted}], until=lambda answer: not codes(answer))

    def id_of(self, topic):
        return next(id for id, name in list(self.broker.topic_names.items()) if name == topic)

    def produce(self, topic, records, partition=0, **values):
        return self.do('Produce', 9, **produced(topic, records, partition, **values))

    def fill(self, topic, count=3, partition=0):
        """Writes records with times a second apart, each in a batch of its own."""
        for n in range(count):
            self.produce(topic, batch([b'v%d' % n], timestamp=TIME + 1000 * n), partition)

    def end_offset(self, topic, partition=0):
        answer = self.do('ListOffsets', 7, replicaId=-1, isolationLevel=0, topics=[{'name': topic, 'partitions': [{'partitionIndex': partition, 'timestamp': -1}]}])
        return answer['topics'][0]['partitions'][0]['offset']

    def producer(self, tx=None, timeout_ms=60000):
        """Returns id and epoch of a new producer."""
        answer = self.do('InitProducerId', 4, transactionalId=tx, transactionTimeoutMs=timeout_ms, until=settled)
        return answer['producerId'], answer['producerEpoch']

    def join(self, group, on='plain', member='', instance=None, protocols=(('range', b'sub'),), session=10000, rebalance=5000, kind='consumer'):
        """Joins a classic group, as a client does that has no id yet."""
        fields = dict(groupId=group, sessionTimeoutMs=session, rebalanceTimeoutMs=rebalance, memberId=member, groupInstanceId=instance, protocolType=kind,
                      protocols=[{'name': name, 'metadata': data} for name, data in protocols])
        answer = self.do('JoinGroup', 7, on=on, **fields)
        if answer.get('errorCode') == 79:
            answer = self.do('JoinGroup', 7, on=on, **{**fields, 'memberId': answer['memberId']})
        return answer

    def stable(self, group, **fields):
        """Makes a group of one member; returns member id and generation."""
        joined = self.join(group, **fields)
        member, generation = joined['memberId'], joined['generationId']
        self.do('SyncGroup', 5, groupId=group, generationId=generation, memberId=member, protocolType='consumer', protocolName='range', assignments=[{'memberId': member, 'assignment': b'mine'}])
        return member, generation


def produced(topic, records, partition=0, acks=-1, tx=None):
    return dict(transactionalId=tx, acks=acks, timeoutMs=5000, topicData=[{'name': topic, 'partitionData': [{'index': partition, 'records': records}]}])


def settled(answer):
    """The transaction before is over and the coordinator is there."""
    return not codes(answer) & (ASK_AGAIN | {51})


def codes(answer):
    """All error codes of an answer but 0."""
    if isinstance(answer, dict):
        own = {value for name, value in answer.items() if name.endswith('rrorCode') and value}
        return own.union(*(codes(value) for value in answer.values()))
    if isinstance(answer, list):
        return set().union(*(codes(item) for item in answer))
    return set()


def opened(answer):
    """The records of an answer, taken apart."""
    if isinstance(answer, dict):
        return {name: take_apart(value) if name == 'records' and isinstance(value, bytes) else opened(value) for name, value in answer.items()}
    if isinstance(answer, list):
        return [opened(item) for item in answer]
    return answer
