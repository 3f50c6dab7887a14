# client: kafka-python
# install: pip kafka-python lz4 python-snappy zstandard crc32c
"""kafka-python: codecs, a group, offsets by time."""
import os
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

B = os.environ['BOOTSTRAP']
for codec in (None, 'gzip', 'snappy', 'lz4', 'zstd'):
    producer = KafkaProducer(bootstrap_servers=B, compression_type=codec, acks='all')
    sent = [producer.send('kp', key=b'k%d' % i, value=b'v' * 100, headers=[('h', b'x')], timestamp_ms=1000 + i) for i in range(100)]
    producer.flush()
    assert all(future.succeeded() for future in sent)
    producer.close()
consumer = KafkaConsumer('kp', bootstrap_servers=B, group_id='kp', auto_offset_reset='earliest', consumer_timeout_ms=10000)
found = 0
for message in consumer:
    assert message.headers == [('h', b'x')]
    found += 1
    if found == 500:
        break
assert found == 500
consumer.commit()
assert sum(consumer.end_offsets(consumer.assignment()).values()) == 500
partition = TopicPartition('kp', sorted(p.partition for p in consumer.assignment())[0])
assert consumer.offsets_for_times({partition: 0})[partition].offset == 0
consumer.close()
