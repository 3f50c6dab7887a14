# client: aiokafka
# install: pip aiokafka cramjam
"""aiokafka: codecs, nulls, headers, idempotence, a group with a second member, times, transactions, admin, logins."""
import asyncio, os, ssl, time
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

B, N = os.environ['BOOTSTRAP'], os.environ['NAME']


async def until(holds, what, seconds=60):
    end = time.time() + seconds
    while not holds():
        assert time.time() < end, f'after {seconds} s still not: {what}'
        await asyncio.sleep(0.05)


async def codecs():
    for codec in (None, 'gzip', 'snappy', 'lz4', 'zstd'):
        async with AIOKafkaProducer(bootstrap_servers=B, compression_type=codec, enable_idempotence=True, linger_ms=5) as producer:
            sent = [await producer.send(N, f'v{i}'.encode() if i % 5 else None, key=f'k{i}'.encode() if i % 3 or i % 5 == 0 else None, partition=i % 4,
                                        timestamp_ms=1000 + i, headers=[('h', b'x'), ('e', b'')]) for i in range(100)]
            await asyncio.gather(*sent)


class Member:
    def __init__(self):
        self.found, self.ends = [], False
        self.consumer = AIOKafkaConsumer(N, bootstrap_servers=B, group_id=N, auto_offset_reset='earliest', heartbeat_interval_ms=300)
        self.task = asyncio.create_task(self.run())

    async def run(self):
        async with self.consumer:
            while not self.ends:
                for batch in (await self.consumer.getmany(timeout_ms=100)).values():
                    self.found += batch
            await self.consumer.commit()

    def share(self):
        return {p.partition for p in self.consumer.assignment()}

    async def leave(self):
        self.ends = True
        await asyncio.wait_for(self.task, 20)


async def group():
    first = Member()
    await until(lambda: len(first.found) >= 500, 'one member reads all')
    for m in first.found:
        i = m.timestamp - 1000
        assert m.partition == i % 4 and m.value == (f'v{i}'.encode() if i % 5 else None) and m.headers == (('h', b'x'), ('e', b'')), m
        assert m.key == (f'k{i}'.encode() if i % 3 or i % 5 == 0 else None), m
    second = Member()
    await until(lambda: len(first.share()) == len(second.share()) == 2 and not first.share() & second.share(), 'two members share')
    async with AIOKafkaProducer(bootstrap_servers=B) as producer:
        for i in range(100):
            await producer.send_and_wait(N, b'second', partition=i % 4)
    await until(lambda: len(first.found) + len(second.found) >= 600, 'two members read all')
    assert len(second.found) == 50 and {m.partition for m in second.found} == second.share()
    await second.leave()
    await until(lambda: len(first.share()) == 4, 'the member left has all')
    await first.leave()
    assert len(first.found) == 550


async def times():
    consumer = AIOKafkaConsumer(bootstrap_servers=B)
    await consumer.start()
    partition = TopicPartition(N, 1)
    found = (await consumer.offsets_for_times({partition: 1050}))[partition]
    assert (found.offset, found.timestamp) == (13, 1053), found
    assert (await consumer.end_offsets([partition]))[partition] == 150
    consumer.assign([partition])
    consumer.seek(partition, 13)
    assert (await consumer.getone()).value == b'v53'
    await consumer.stop()


async def transactions():
    topic = f'{N}-tx'
    async with AIOKafkaProducer(bootstrap_servers=B, transactional_id=N) as producer:
        async with producer.transaction():
            await producer.send_and_wait(topic, b'committed', partition=0)
            await producer.send_offsets_to_transaction({TopicPartition(N, 0): 5}, f'{N}-tx')
        try:
            async with producer.transaction():
                await producer.send_and_wait(topic, b'aborted', partition=0)
                await producer.send_offsets_to_transaction({TopicPartition(N, 0): 9}, f'{N}-tx')
                raise ValueError
        except ValueError:
            pass
    for isolation, expected in (('read_committed', [b'committed']), ('read_uncommitted', [b'committed', b'aborted'])):
        async with AIOKafkaConsumer(topic, bootstrap_servers=B, auto_offset_reset='earliest', isolation_level=isolation) as consumer:
            found, quiet = [], 0
            while quiet < 3:
                got = [m.value for batch in (await consumer.getmany(timeout_ms=500)).values() for m in batch]
                found, quiet = found + got, 0 if got else quiet + 1
            assert found == expected, (isolation, found)


async def admin():
    client = AIOKafkaAdminClient(bootstrap_servers=B)
    await client.start()
    topic = f'{N}-admin'
    await client.create_topics([NewTopic(topic, 2, 1)])
    await client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {'retention.ms': '5000'})])
    assert '5000' in str(await client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)]))
    await client.create_partitions({topic: NewPartitions(5)})
    assert len((await client.describe_topics([topic]))[0]['partitions']) == 5
    offsets = await client.list_consumer_group_offsets(f'{N}-tx')
    assert offsets[TopicPartition(N, 0)].offset == 5, offsets
    await client.delete_topics([topic])
    assert topic not in await client.list_topics()
    await client.close()


async def logins():
    context = ssl.create_default_context(cafile=os.environ['CA_FILE'])

    def producer(mechanism, password):
        return AIOKafkaProducer(bootstrap_servers=os.environ['BOOTSTRAP_SASL_SSL'], security_protocol='SASL_SSL', ssl_context=context,
                                sasl_mechanism=mechanism, sasl_plain_username=os.environ['SASL_USER'], sasl_plain_password=password)
    for mechanism in ('PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'):
        async with producer(mechanism, os.environ['SASL_PASSWORD']) as client:
            await client.send_and_wait(f'{N}-login', b'v')
    wrong = producer('SCRAM-SHA-512', 'wrong')
    try:
        await wrong.start()
        raise SystemExit('a wrong password is taken')
    except KafkaError:
        await wrong.stop()
    context.load_cert_chain(os.environ['CLIENT_CERT'], os.environ['CLIENT_KEY'])
    async with AIOKafkaProducer(bootstrap_servers=os.environ['BOOTSTRAP_SSL'], security_protocol='SSL', ssl_context=context) as client:
        await client.send_and_wait(f'{N}-login', b'v')


async def main():
    client = AIOKafkaAdminClient(bootstrap_servers=B)
    await client.start()
    await client.create_topics([NewTopic(N, 4, 1), NewTopic(f'{N}-tx', 1, 1)])
    await client.close()
    for step in (codecs, group, times, transactions, admin, logins):
        await step()

asyncio.run(asyncio.wait_for(main(), 150))
print('codecs, nulls, headers, rebalance, times, transactions, admin, PLAIN, SCRAM, mTLS')
