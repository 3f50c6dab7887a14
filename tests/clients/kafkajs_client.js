// kafkajs: idempotence, transactions, a group, admin.
// client: kafkajs
// install: npm kafkajs
const { Kafka, CompressionTypes, logLevel } = require('kafkajs')
const assert = require('assert')

async function main() {
  const kafka = new Kafka({ brokers: [process.env.BOOTSTRAP], clientId: 'kafkajs', logLevel: logLevel.NOTHING })
  const admin = kafka.admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic: 'kafkajs', numPartitions: 3 }] })
  const producer = kafka.producer({ idempotent: true })
  await producer.connect()
  for (let i = 0; i < 10; i++) {
    const messages = [...Array(20)].map((_, j) => ({ key: 'k' + j, value: j % 5 ? 'v' : null, headers: { h: 'x' } }))
    await producer.send({ topic: 'kafkajs', compression: i % 2 ? CompressionTypes.GZIP : CompressionTypes.None, messages })
  }
  const writer = kafka.producer({ transactionalId: 'kafkajs', maxInFlightRequests: 1, idempotent: true })
  await writer.connect()
  for (const commit of [true, false]) {
    const transaction = await writer.transaction()
    await transaction.send({ topic: 'kafkajs', messages: [{ value: String(commit) }] })
    commit ? await transaction.commit() : await transaction.abort()
  }
  const consumer = kafka.consumer({ groupId: 'kafkajs' })
  await consumer.connect()
  await consumer.subscribe({ topic: 'kafkajs', fromBeginning: true })
  const found = []
  await new Promise(resolve => consumer.run({
    eachMessage: async ({ message }) => { found.push(message.value && message.value.toString()); if (found.length === 201) resolve() }
  }))
  assert(found.includes('true') && !found.includes('false'))
  await consumer.disconnect()
  assert.strictEqual((await admin.describeGroups(['kafkajs'])).groups[0].state, 'Empty')
  await admin.deleteTopics({ topics: ['kafkajs'] })
  await Promise.all([admin.disconnect(), producer.disconnect(), writer.disconnect()])
}

main().catch(error => { console.error(error); process.exit(1) })
