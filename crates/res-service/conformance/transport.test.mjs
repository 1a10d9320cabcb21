// Names, subjects and sizes, as they come through the gateway.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { choosyGateway } from './support/gateways.mjs'
import { RawClient } from './support/raw-client.mjs'
import { call, replace } from './support/world.mjs'

describe('names and subjects', { concurrency: true }, () => {
  test('t01 a method is called of the resource that is named before its last dot', async () => {
    const client = await RawClient.connect()
    const seen = await client.call('test.wild.a.b', 'do', { n: 1 })
    assert.deepEqual([seen.name, seen.method], ['test.wild.a.b', 'do'])
  })

  test('t02 c09 new is a call like others, and answers with the new resource', async () => {
    const client = await RawClient.connect()
    const made = await client.request('new.test.answers', 'test.model.t02')
    assert.equal(made.rid, 'test.model.t02')
    assert.deepEqual(made.models, { 'test.model.t02': { name: 'test.model.t02' } })
    await replace('test.model.t02', { made: true })
    assert.deepEqual(await client.event('test.model.t02', 'change'), {
      values: { made: true, name: { action: 'delete' } },
    })
  })

  test('t03 names hold any printable character, in either case', async () => {
    const client = await RawClient.connect()
    for (const part of ['Ab', 'ab', '$a', '{a}', '<a', 'a/b"c\'', '!#%&()+,-:;=@[]^_`|~']) {
      const rid = `test.odd.${part}`
      const { models } = await client.subscribe(rid)
      assert.deepEqual(models, { [rid]: { name: rid, part } })
    }
  })

  test('t03 what is no name does not reach the service', async () => {
    const client = await RawClient.connect()
    for (const rid of ['test..odd', 'test.odd.a b', 'test.odd.*', 'test.odd.>', 'test.odd.é', 'test.odd.']) {
      await assert.rejects(client.subscribe(rid), { code: 'system.invalidRequest' }, rid)
    }
  })

  test('t04 t07 t15 a query holds anything, and comes to the handler as it was written', async () => {
    const client = await RawClient.connect()
    for (const query of ['a=1&b=<2>', 'x=?&* y', 'ü="\\', 'a.b>c']) {
      assert.equal((await client.call(`test.answers?${query}`, 'echo')).query, query)
    }
    assert.equal((await client.call('test.answers?', 'echo')).query, null, 'an empty query is none')
  })

  test('t05 a method that is no single part is refused', async () => {
    const client = await RawClient.connect()
    for (const method of ['a b', 'a*', '']) {
      await assert.rejects(client.call('test.answers', method), { code: 'system.invalidRequest' }, method)
    }
  })

  test('t06 e12 a custom change reaches clients under its one name, and no dotted one is sent', async () => {
    const client = await RawClient.connect()
    await client.subscribe('test.model.t06')
    await call('test.model.t06', 'emit', { change: 'rang', payload: { loud: true } })
    assert.deepEqual(await client.event('test.model.t06', 'rang'), { loud: true })
    await assert.rejects(client.call('test.model.t06', 'emit', { change: 'rang.twice', payload: null }), {
      code: 'system.internalError',
    })
  })

  test("t08 {cid} is the client's own connection: the service sees its id, the client its tag", async () => {
    const [ann, bob] = [await RawClient.connect(), await RawClient.connect()]
    const own = async (client) => (await client.subscribe('test.user.{cid}.me')).models['test.user.{cid}.me'].cid
    const [ofAnn, ofBob] = [await own(ann), await own(bob)]
    assert.match(ofAnn, /^[a-z0-9]{20}$/)
    assert.notEqual(ofAnn, ofBob)
    const denied = { code: 'system.accessDenied' }
    await assert.rejects(replace(`test.user.${ofAnn}.me`, {}), denied, 'only its own connection may call it')
    await ann.call('test.user.{cid}.me', 'replace', { cid: ofAnn, seats: 2 })
    assert.deepEqual(await ann.event('test.user.{cid}.me', 'change'), { values: { seats: 2 } })
    await assert.rejects(bob.subscribe(`test.user.${ofAnn}.me`), denied)
  })

  test('t09 a name too long for a subject is refused by the gateway, and one of 4000 bytes is not', async () => {
    const client = await RawClient.connect()
    const rid = (bytes) => `test.odd.${'x'.repeat(bytes - 'test.odd.'.length)}`
    assert.equal((await client.subscribe(rid(4000))).models[rid(4000)].name.length, 4000)
    await assert.rejects(client.subscribe(rid(5000)), { code: 'system.subjectTooLong' })
    await assert.rejects(client.call('test.answers', 'resource', rid(5000)), { code: 'system.internalError' })
  })

  test('t10 what is larger than NATS carries is an error at once, in both directions', async () => {
    const client = await RawClient.connect()
    await assert.rejects(client.call('test.answers', 'large'), { code: 'system.internalError' })
    await assert.rejects(client.call('test.answers', 'echo', 'x'.repeat(2 << 20)), { code: 'system.internalError' })
    await assert.rejects(client.subscribe('test.large.2000000'), { code: 'system.internalError' })
    const { models } = await client.subscribe('test.large.1000000')
    assert.equal(models['test.large.1000000'].text.length, 1_000_000)
  })

  test('a gateway that compresses says the same', async () => {
    const [plain, compressed] = [await RawClient.connect(), await RawClient.connect({ at: choosyGateway })]
    assert.equal(plain.extensions, '')
    assert.match(compressed.extensions, /^permessage-deflate/)
    const { models } = await compressed.subscribe('test.large.100000')
    assert.equal(models['test.large.100000'].text, 'x'.repeat(100_000))
  })

  test('t18 r12 what the service does not have is not found', async () => {
    const client = await RawClient.connect()
    await assert.rejects(client.subscribe('test.nothing.here'), { code: 'system.notFound', reason: 'Not found' })
    await assert.rejects(client.subscribe('nobody.model'), { code: 'system.notFound' }, 'nor what no service has')
  })
})

test('t12 e01 e02 under load each resource tells its changes in their order, whatever the order between them', async () => {
  const client = await RawClient.connect()
  const names = Array.from({ length: 8 }, (_, index) => `test.model.t12_${index}`)
  for (const name of names) {
    await replace(name, { count: 0, before: -1 })
    await client.subscribe(name)
  }
  await call('test.control', 'burst', { names, times: 100 })
  for (const name of names) {
    const changes = await client.eventsUntilNow(name)
    const counts = changes.map(([change, data]) => change === 'change' && data.values.count)
    assert.deepEqual(
      counts,
      Array.from({ length: 100 }, (_, index) => index + 1),
    )
  }
})
