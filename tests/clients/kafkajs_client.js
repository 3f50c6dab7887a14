// kafkajs: codecs, nulls, headers, a group with a second member, times, transactions, admin, logins.
// client: kafkajs
// install: npm kafkajs kafkajs-snappy lz4js zstd-codec
const { Kafka, CompressionTypes, CompressionCodecs, ConfigResourceTypes, logLevel } = require('kafkajs')
const assert = require('assert')
const fs = require('fs')
const lz4 = require('lz4js')
const { ZstdCodec } = require('zstd-codec')

const { BOOTSTRAP, BOOTSTRAP_SSL, BOOTSTRAP_SASL_SSL, CA_FILE, CLIENT_CERT, CLIENT_KEY, SASL_USER, SASL_PASSWORD, NAME } = process.env
const zstd = new Promise(resolve => ZstdCodec.run(all => resolve(new all.Simple())))
CompressionCodecs[CompressionTypes.Snappy] = require('kafkajs-snappy')
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: async encoder => Buffer.from(lz4.compress(encoder.buffer)), decompress: async buffer => Buffer.from(lz4.decompress(buffer))
})
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async encoder => Buffer.from((await zstd).compress(encoder.buffer)), decompress: async buffer => Buffer.from((await zstd).decompress(buffer))
})
const client = more => new Kafka({ brokers: [BOOTSTRAP], clientId: NAME, logLevel: logLevel.NOTHING, ...more })
const kafka = client({})

async function until (holds, what) {
  for (const end = Date.now() + 60000; !holds();) {
    assert(Date.now() < end, `still not: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

class Member {
  constructor () {
    this.consumer = kafka.consumer({ groupId: NAME, heartbeatInterval: 300 })
    this.seen = []
    this.share = []
    this.consumer.on('consumer.group_join', ({ payload }) => { this.share = payload.memberAssignment[NAME] || [] })
    this.consumer.on('consumer.rebalancing', () => { this.share = [] })
  }

  async start () {
    await this.consumer.connect()
    await this.consumer.subscribe({ topic: NAME, fromBeginning: true })
    await this.consumer.run({ autoCommitInterval: 200, eachMessage: async ({ partition, message }) => { this.seen.push({ partition, ...message }) } })
    return this
  }
}

async function main () {
  const admin = kafka.admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic: NAME, numPartitions: 4 }, { topic: NAME + '-tx', numPartitions: 1 }] })
  const producer = kafka.producer({ idempotent: true })
  await producer.connect()
  const kinds = ['None', 'GZIP', 'Snappy', 'LZ4', 'ZSTD']
  for (const kind of kinds) {
    const messages = [...Array(40)].map((_, i) => ({ key: i % 3 ? 'k' + i : null, value: i % 5 ? 'v' + i : null, partition: i % 4, timestamp: String(1000 + i), headers: { h: 'x', n: kind } }))
    await producer.send({ topic: NAME, compression: CompressionTypes[kind], messages })
  }
  // The group.
  const first = await new Member().start()
  await until(() => first.seen.length === 200, 'one member reads all')
  for (const { partition, timestamp, key, value, headers } of first.seen) {
    const i = Number(timestamp) - 1000
    assert(partition === i % 4 && headers.h.toString() === 'x' && kinds.includes(headers.n.toString()))
    assert.strictEqual(key && key.toString(), i % 3 ? 'k' + i : null)
    assert.strictEqual(value && value.toString(), i % 5 ? 'v' + i : null)
  }
  const second = await new Member().start()
  await until(() => first.share.length === 2 && second.share.length === 2, 'two members share')
  const more = word => producer.send({ topic: NAME, messages: [...Array(40)].map((_, i) => ({ value: word, partition: i % 4 })) })
  await more('second')
  await until(() => first.seen.length + second.seen.length >= 240, 'two members read all')
  assert(second.seen.length === 20 && second.seen.every(m => second.share.includes(m.partition)))
  await second.consumer.disconnect()
  await until(() => first.share.length === 4, 'the member left has all')
  await more('third')
  await until(() => first.seen.length + second.seen.length >= 280, 'the member left reads all')
  assert.strictEqual(first.seen.length, 260)
  await first.consumer.disconnect()
  assert.strictEqual((await admin.describeGroups([NAME])).groups[0].state, 'Empty')
  // By time.
  const byTime = await admin.fetchTopicOffsetsByTimestamp(NAME, 1030)
  assert.deepStrictEqual(byTime.map(p => Number(p.offset)).sort(), [7, 7, 8, 8])
  await admin.setOffsets({ groupId: NAME, topic: NAME, partitions: [{ partition: 0, offset: '3' }] })
  assert.strictEqual((await admin.fetchOffsets({ groupId: NAME, topics: [NAME] }))[0].partitions.find(p => p.partition === 0).offset, '3')
  // Transactions.
  const writer = kafka.producer({ transactionalId: NAME, maxInFlightRequests: 1, idempotent: true })
  await writer.connect()
  for (const commit of [true, false, true]) {
    const transaction = await writer.transaction()
    await transaction.send({ topic: NAME + '-tx', messages: [{ value: String(commit) }] })
    await transaction.sendOffsets({ consumerGroupId: NAME + '-tx', topics: [{ topic: NAME, partitions: [{ partition: 0, offset: commit ? '7' : '9' }] }] })
    commit ? await transaction.commit() : await transaction.abort()
  }
  const reader = kafka.consumer({ groupId: NAME + '-reader' })
  const committed = []
  await reader.connect()
  await reader.subscribe({ topic: NAME + '-tx', fromBeginning: true })
  await reader.run({ eachMessage: async ({ message }) => { committed.push(message.value.toString()) } })
  await until(() => committed.length >= 2, 'what is committed is read')
  await reader.disconnect()
  assert.deepStrictEqual(committed, ['true', 'true'])
  assert.strictEqual((await admin.fetchOffsets({ groupId: NAME + '-tx', topics: [NAME] }))[0].partitions[0].offset, '7')
  // Admin.
  await admin.createPartitions({ topicPartitions: [{ topic: NAME, count: 6 }] })
  assert.strictEqual((await admin.fetchTopicMetadata({ topics: [NAME] })).topics[0].partitions.length, 6)
  await admin.alterConfigs({ validateOnly: false, resources: [{ type: ConfigResourceTypes.TOPIC, name: NAME, configEntries: [{ name: 'retention.ms', value: '5000' }] }] })
  const configs = await admin.describeConfigs({ resources: [{ type: ConfigResourceTypes.TOPIC, name: NAME, configNames: ['retention.ms'] }] })
  assert.strictEqual(configs.resources[0].configEntries[0].configValue, '5000')
  await admin.deleteTopicRecords({ topic: NAME, partitions: [{ partition: 0, offset: '5' }] })
  assert.strictEqual((await admin.fetchTopicOffsets(NAME)).find(p => p.partition === 0).low, '5')
  await admin.deleteGroups([NAME])
  await admin.deleteTopics({ topics: [NAME] })
  assert(!(await admin.listTopics()).includes(NAME))
  // Logins.
  const ca = [fs.readFileSync(CA_FILE)]
  const logIn = async more => {
    const one = client(more).producer({ retry: { retries: 0 } })
    await one.connect()
    await one.send({ topic: NAME + '-login', messages: [{ value: 'v' }] })
    await one.disconnect()
  }
  await admin.createTopics({ topics: [{ topic: NAME + '-login' }], waitForLeaders: true })
  for (const mechanism of ['plain', 'scram-sha-256', 'scram-sha-512']) {
    // The object given is changed by the client: one for each.
    const one = password => ({ brokers: [BOOTSTRAP_SASL_SSL], ssl: { ca }, sasl: { mechanism, username: SASL_USER, password }, retry: { retries: 0 } })
    await logIn(one(SASL_PASSWORD))
    await assert.rejects(logIn(one('wrong')))
  }
  await logIn({ brokers: [BOOTSTRAP_SSL], ssl: { ca, cert: fs.readFileSync(CLIENT_CERT), key: fs.readFileSync(CLIENT_KEY) } })
  await Promise.all([admin.disconnect(), producer.disconnect(), writer.disconnect()])
  console.log('codecs, nulls, headers, rebalance, times, transactions, admin, PLAIN, SCRAM, mTLS')
  process.exit(0)
}

main().catch(error => { console.error(error); process.exit(1) })
