// node-rdkafka: codecs, nulls, headers, a group with a second member, times, transactions, admin, logins.
// client: node-rdkafka
// needs: make g++
// install: npm node-rdkafka
const Kafka = require('node-rdkafka')
const assert = require('assert')

const { BOOTSTRAP, BOOTSTRAP_SSL, BOOTSTRAP_SASL_SSL, CA_FILE, CLIENT_CERT, CLIENT_KEY, SASL_USER, SASL_PASSWORD, NAME } = process.env
const WAIT = 20000
const base = { 'metadata.broker.list': BOOTSTRAP, 'client.id': NAME }
const call = (object, method, ...args) => new Promise((resolve, reject) => object[method](...args, (error, value) => error ? reject(error) : resolve(value)))
const pause = ms => new Promise(resolve => setTimeout(resolve, ms))

async function until (holds, what) {
  for (const end = Date.now() + 60000; !holds();) {
    assert(Date.now() < end, `still not: ${what}`)
    await pause(50)
  }
}

async function connected (client) {
  client.on('event.error', () => {})
  await call(client, 'connect', { timeout: WAIT })
  return client
}

const producer = more => connected(new Kafka.HighLevelProducer({ ...base, ...more }))
const sent = (one, ...args) => new Promise((resolve, reject) => one.produce(...args, (error, offset) => error ? reject(error) : resolve(offset)))

class Member {
  constructor (topic, group, more = {}) {
    this.seen = []
    this.consumer = new Kafka.KafkaConsumer({ ...base, 'group.id': group, 'heartbeat.interval.ms': 300, rebalance_cb: true, ...more }, { 'auto.offset.reset': 'earliest' })
    this.topic = topic
    this.consumer.on('data', message => this.seen.push(message))
  }

  async start () {
    await connected(this.consumer)
    this.consumer.subscribe([this.topic])
    this.consumer.consume()
    return this
  }

  share () {
    return this.consumer.assignments().map(one => one.partition)
  }

  leave () {
    return call(this.consumer, 'disconnect')
  }
}

async function main () {
  const admin = Kafka.AdminClient.create(base)
  for (const [topic, partitions] of [[NAME, 4], [NAME + '-tx', 1]]) await call(admin, 'createTopic', { topic, num_partitions: partitions, replication_factor: 1 }, WAIT)
  const codecs = ['none', 'gzip', 'snappy', 'lz4', ...(Kafka.features.includes('zstd') ? ['zstd'] : [])]
  for (const codec of codecs) {
    const one = await producer({ 'compression.codec': codec, 'enable.idempotence': true })
    await Promise.all([...Array(40)].map((_, i) => sent(one, NAME, i % 4, i % 5 ? Buffer.from('v' + i) : null, i % 3 ? 'k' + i : null, 1000 + i, [{ h: 'x' }, { codec }])))
    await call(one, 'disconnect')
  }
  const total = 40 * codecs.length
  const first = await new Member(NAME, NAME).start()
  await until(() => first.seen.length === total, 'one member reads all')
  for (const { partition, timestamp, key, value, headers } of first.seen) {
    const i = timestamp - 1000
    assert(partition === i % 4 && headers[0].h.toString() === 'x' && codecs.includes(headers[1].codec.toString()))
    assert.strictEqual(value && value.toString(), i % 5 ? 'v' + i : null)
    assert.strictEqual((key && key.toString()) || null, i % 3 ? 'k' + i : null)
  }
  const second = await new Member(NAME, NAME).start()
  await until(() => first.share().length === 2 && second.share().length === 2, 'two members share')
  const one = await producer({})
  const more = () => Promise.all([...Array(40)].map((_, i) => sent(one, NAME, i % 4, Buffer.from('more'), null, null)))
  await more()
  await until(() => first.seen.length + second.seen.length >= total + 40, 'two members read all')
  assert(second.seen.length === 20 && second.seen.every(m => second.share().includes(m.partition)))
  await second.leave()
  await until(() => first.share().length === 4, 'the member left has all')
  await more()
  await until(() => first.seen.length >= total + 60, 'the member left reads all')
  assert.strictEqual(first.seen.length, total + 60)
  const times = await call(first.consumer, 'offsetsForTimes', [0, 1, 2, 3].map(partition => ({ topic: NAME, partition, offset: 1030 })), WAIT)
  assert.deepStrictEqual(times.map(one => one.offset).sort(), [7, 7, 8, 8])
  const bounds = await call(first.consumer, 'queryWatermarkOffsets', NAME, 0, WAIT)
  assert.deepStrictEqual([bounds.lowOffset, bounds.highOffset], [0, total / 4 + 20])
  await first.leave()

  const writer = await connected(new Kafka.Producer({ ...base, 'transactional.id': NAME }))
  await call(writer, 'initTransactions', WAIT)
  for (const commit of [true, false, true]) {
    await call(writer, 'beginTransaction')
    writer.produce(NAME + '-tx', 0, Buffer.from(String(commit)))
    await call(writer, 'flush', WAIT)
    await call(writer, commit ? 'commitTransaction' : 'abortTransaction', WAIT)
  }
  for (const [isolation, expected] of [['read_committed', ['true', 'true']], ['read_uncommitted', ['true', 'false', 'true']]]) {
    const reader = await new Member(NAME + '-tx', `${NAME}-${isolation}`, { 'isolation.level': isolation }).start()
    await until(() => reader.seen.length >= expected.length, isolation)
    assert.deepStrictEqual(reader.seen.map(m => m.value.toString()), expected)
    await reader.leave()
  }

  await call(admin, 'createPartitions', NAME, 6, WAIT)
  const metadata = await call(one, 'getMetadata', { topic: NAME, timeout: WAIT })
  assert.strictEqual(metadata.topics.find(topic => topic.name === NAME).partitions.length, 6)
  await call(admin, 'deleteTopic', NAME, WAIT)
  await call(one, 'disconnect')

  const tls = { 'metadata.broker.list': BOOTSTRAP_SASL_SSL, 'security.protocol': 'sasl_ssl', 'ssl.ca.location': CA_FILE, 'sasl.username': SASL_USER }
  for (const mechanism of ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512']) {
    const good = await producer({ ...tls, 'sasl.mechanism': mechanism, 'sasl.password': SASL_PASSWORD })
    assert(await sent(good, NAME + '-tx', 0, Buffer.from('v'), null, null) >= 0)
    await call(good, 'disconnect')
    const bad = new Kafka.HighLevelProducer({ ...base, ...tls, 'sasl.mechanism': mechanism, 'sasl.password': 'wrong' })
    bad.on('event.error', () => {})
    await assert.rejects(call(bad, 'connect', { timeout: 2000 }))
  }
  const mutual = await producer({ 'metadata.broker.list': BOOTSTRAP_SSL, 'security.protocol': 'ssl', 'ssl.ca.location': CA_FILE, 'ssl.certificate.location': CLIENT_CERT, 'ssl.key.location': CLIENT_KEY })
  await sent(mutual, NAME + '-tx', 0, Buffer.from('v'), null, null)
  console.log(`${codecs.join(' ')}, nulls, headers, rebalance, times, transactions, admin, PLAIN, SCRAM, mTLS (librdkafka ${Kafka.librdkafkaVersion})`)
  process.exit(0)
}

main().catch(error => { console.error(error); process.exit(1) })
