# client: aiokafka
# install: pip aiokafka cramjam
"""aiokafka: codecs, idempotence, transactions, a group."""
import asyncio, os
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

B = os.environ['BOOTSTRAP']


async def main():
    for codec in (None, 'gzip', 'snappy', 'lz4', 'zstd'):
        producer = AIOKafkaProducer(bootstrap_servers=B, compression_type=codec, enable_idempotence=True)
        await producer.start()
        for i in range(100):
            await producer.send('aio', b'v%d' % i, key=b'k')
        await producer.stop()
    producer = AIOKafkaProducer(bootstrap_servers=B, transactional_id='aio')
    await producer.start()
    async with producer.transaction():
        await producer.send_and_wait('aio', b'committed')
    try:
        async with producer.transaction():
            await producer.send_and_wait('aio', b'aborted')
            raise ValueError
    except ValueError:
        pass
    await producer.stop()
    consumer = AIOKafkaConsumer('aio', bootstrap_servers=B, group_id='aio', auto_offset_reset='earliest', isolation_level='read_committed')
    await consumer.start()
    found = []
    while len(found) < 501:
        found += [m.value for batch in (await asyncio.wait_for(consumer.getmany(timeout_ms=1000), 20)).values() for m in batch]
    assert b'committed' in found and b'aborted' not in found
    await consumer.commit()
    await consumer.stop()

asyncio.run(asyncio.wait_for(main(), 60))
