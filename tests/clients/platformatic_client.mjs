// @platformatic/kafka: produce and consume by a group.
// client: @platformatic/kafka
// install: npm @platformatic/kafka
import { Admin, Consumer, Producer, stringDeserializers, stringSerializers } from '@platformatic/kafka'

const base = { clientId: 'platformatic', bootstrapBrokers: [process.env.BOOTSTRAP] }
const admin = new Admin(base)
await admin.createTopics({ topics: ['platformatic'], partitions: 2, replicas: 1 })
const producer = new Producer({ ...base, serializers: stringSerializers })
await producer.send({ messages: [...Array(50)].map((_, i) => ({ topic: 'platformatic', key: 'k' + i, value: 'v' + i })) })
const consumer = new Consumer({ ...base, groupId: 'platformatic', deserializers: stringDeserializers })
let count = 0
for await (const message of await consumer.consume({ topics: ['platformatic'], mode: 'earliest' })) {
  if (!message.value.startsWith('v')) process.exit(1)
  if (++count === 50) break
}
await consumer.close(true)
await producer.close()
await admin.close()
process.exit(0)
