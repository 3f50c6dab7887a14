// @platformatic/kafka: the newest versions of the protocol (topic ids); codecs, nulls, headers, groups of both protocols, times, transactions, admin, logins.
// client: @platformatic/kafka
// install: npm @platformatic/kafka
import { Admin, Consumer, Producer, stringDeserializers, stringSerializers } from '@platformatic/kafka'
import assert from 'node:assert'
import fs from 'node:fs'
import zlib from 'node:zlib'

const { BOOTSTRAP, BOOTSTRAP_SSL, BOOTSTRAP_SASL_SSL, CA_FILE, CLIENT_CERT, CLIENT_KEY, SASL_USER, SASL_PASSWORD, NAME } = process.env
const base = { clientId: NAME, bootstrapBrokers: [BOOTSTRAP] }
const make = more => new Producer({ ...base, serializers: stringSerializers, ...more })

async function until (holds, what) {
  for (const end = Date.now() + 60000; !holds();) {
    assert(Date.now() < end, `still not: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

class Member {
  constructor (topic, groupId, more = {}) {
    this.seen = []
    this.consumer = new Consumer({ ...base, groupId, deserializers: stringDeserializers, heartbeatInterval: 300, autocommit: true, ...more })
    this.ready = this.run(topic)
  }

  async run (topic) {
    this.stream = await this.consumer.consume({ topics: [topic], mode: 'committed', fallbackMode: 'earliest', maxWaitTime: 200 })
    this.stream.on('data', message => this.seen.push(message))
    this.stream.on('error', error => { this.error = error })
  }

  share () {
    return (this.consumer.assignments || []).flatMap(one => one.partitions)
  }
}

const admin = new Admin(base)
await admin.createTopics({ topics: [NAME], partitions: 4, replicas: 1 })
await admin.createTopics({ topics: [NAME + '-tx'], partitions: 1, replicas: 1 })
const producer = make({})
const codecs = ['none', 'gzip', 'snappy', 'lz4', ...(zlib.zstdCompressSync ? ['zstd'] : [])]
for (const compression of codecs) {
  const messages = [...Array(40)].map((_, i) => ({ topic: NAME, key: i % 3 ? 'k' + i : undefined, value: i % 5 ? 'v' + i : undefined, partition: i % 4, timestamp: BigInt(1000 + i), headers: { h: 'x', codec: compression } }))
  await producer.send({ messages, compression })
}
const total = 40 * codecs.length
for (const groupProtocol of ['classic', 'consumer']) {
  const group = `${NAME}-${groupProtocol}`
  const options = groupProtocol === 'consumer' ? { groupProtocol } : {}
  const first = new Member(NAME, group, options)
  await first.ready
  const held = groupProtocol === 'classic' ? total : total + 80
  await until(() => first.seen.length >= held, `${groupProtocol}: one member reads all, ${first.seen.length} ${first.error}`)
  for (const { partition, timestamp, key, value, headers } of first.seen.slice(0, total)) {
    if (value === 'more') continue
    const i = Number(timestamp) - 1000
    assert(partition === i % 4 && headers.get('h') === 'x' && codecs.includes(headers.get('codec')))
    assert((key ?? null) === (i % 3 ? 'k' + i : null) && (value ?? null) === (i % 5 ? 'v' + i : null), `${i} ${key} ${value}`)
  }
  if (groupProtocol === 'classic') {
    const second = new Member(NAME, group, options)
    await second.ready
    await until(() => first.share().length === 2 && second.share().length === 2, 'two members share')
    const more = () => producer.send({ messages: [...Array(40)].map((_, i) => ({ topic: NAME, value: 'more', partition: i % 4 })) })
    await more()
    const values = () => new Set([...first.seen, ...second.seen].map(m => `${m.partition}-${m.offset}`)).size
    await until(() => values() === total + 40, `two members read all ${values()}`)
    await second.consumer.close(true)
    await until(() => first.share().length === 4, 'the member left has all')
    await more()
    await until(() => values() === total + 80, 'the member left reads all')
  }
  await first.consumer.close(true)
}
const times = new Consumer({ ...base, groupId: NAME + '-times' })
const found = await times.listOffsets({ topics: [NAME], timestamp: 1030n })
assert.deepStrictEqual(found.get(NAME).map(Number).sort(), [7, 7, 8, 8])
await times.close()

const writer = make({ transactionalId: NAME, idempotent: true })
for (const commit of [true, false, true]) {
  const transaction = await writer.beginTransaction()
  await transaction.send({ messages: [{ topic: NAME + '-tx', value: String(commit), partition: 0 }] })
  commit ? await transaction.commit() : await transaction.abort()
}
const reader = new Member(NAME + '-tx', NAME + '-reader', { isolationLevel: 1 })
await reader.ready
await until(() => reader.seen.length >= 2, 'what is committed is read')
assert.deepStrictEqual(reader.seen.map(m => m.value), ['true', 'true'])
await reader.consumer.close(true)

await admin.createPartitions({ topics: [{ name: NAME, count: 6, assignments: null }], validateOnly: false })
await admin.incrementalAlterConfigs({ resources: [{ resourceType: 2, resourceName: NAME, configs: [{ name: 'retention.ms', configOperation: 0, value: '5000' }] }], validateOnly: false })
const described = await admin.describeConfigs({ resources: [{ resourceType: 2, resourceName: NAME, configurationKeys: ['retention.ms'] }] })
assert.strictEqual(described[0].configs[0].value, '5000')
assert.strictEqual((await admin.metadata({ topics: [NAME], forceUpdate: true })).topics.get(NAME).partitionsCount, 6)
assert((await admin.listGroups()).has(NAME + '-classic'))
await admin.deleteGroups({ groups: [NAME + '-classic'] })
await admin.deleteTopics({ topics: [NAME] })
assert(!(await admin.listTopics()).includes(NAME))

const ca = fs.readFileSync(CA_FILE)
for (const mechanism of ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512']) {
  const one = password => make({ bootstrapBrokers: [BOOTSTRAP_SASL_SSL], tls: { ca }, sasl: { mechanism, username: SASL_USER, password }, retries: 0 })
  const good = one(SASL_PASSWORD)
  await good.send({ messages: [{ topic: NAME + '-tx', value: 'v' }] })
  await good.close()
  const bad = one('wrong')
  await assert.rejects(bad.send({ messages: [{ topic: NAME + '-tx', value: 'v' }] }))
  await bad.close(true)
}
const mutual = make({ bootstrapBrokers: [BOOTSTRAP_SSL], tls: { ca, cert: fs.readFileSync(CLIENT_CERT), key: fs.readFileSync(CLIENT_KEY) } })
await mutual.send({ messages: [{ topic: NAME + '-tx', value: 'v' }] })
await mutual.close()
console.log('codecs, nulls, headers, classic and KIP-848 groups, rebalance, times, transactions, admin, PLAIN, SCRAM, mTLS')
process.exit(0)
