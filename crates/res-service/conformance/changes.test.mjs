// What the service announces of its resources.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { RawClient } from './support/raw-client.mjs'
import { items, properties, resClient } from './support/res-client.mjs'
import { until } from './support/until.mjs'
import { call, noted, replace, replaceQuietly, reset } from './support/world.mjs'

const RESERVED = ['add', 'change', 'create', 'delete', 'patch', 'query', 'reaccess', 'remove', 'reset', 'unsubscribe']

describe('changes', { concurrency: true }, () => {
  test('e04 e05 v06 a change has what changed, what is new, and what is gone; nothing else', async () => {
    const client = await RawClient.connect()
    await replace('test.model.e04', { a: 1, b: 'x', old: true })
    await client.subscribe('test.model.e04')
    await replace('test.model.e04', { a: 2, b: 'x', fresh: null })
    await replace('test.model.e04', { a: 2, b: 'x', fresh: null })
    const values = { a: 2, fresh: null, old: { action: 'delete' } }
    assert.deepEqual(await client.eventsUntilNow('test.model.e04'), [['change', { values }]])
  })

  test('e06 e07 e08 a list that changes anyhow is the same list at the client', async () => {
    const client = resClient()
    const states = [
      [1, 2, 3, 4, 5],
      [5, 4, 3, 2, 1],
      [],
      ['a', 'a', 'b', 'a'],
      ['b', 'a', 'a', 'a'],
      [1, 'a', 2, 'a', 3],
      [3],
      [3, { rid: 'test.model.e06' }],
      [{ rid: 'test.model.e06' }, 3],
      Array.from({ length: 300 }, (_, n) => n % 7),
    ]
    const list = await client.get('test.list.e06')
    list.on('add remove', () => {})
    for (const state of states) {
      await replace('test.list.e06', state)
      const wanted = JSON.stringify(state.map((item) => (item.rid ? { name: item.rid } : item)))
      await until(
        'the list is the same',
        () => JSON.stringify(items(list)),
        (now) => now === wanted,
      )
    }
  })

  test('e06 e08 an addition names its place, and a move is a removal and an addition', async () => {
    const client = await RawClient.connect()
    await replace('test.list.e08', ['a', 'b', 'c'])
    await client.subscribe('test.list.e08')
    await replace('test.list.e08', ['b', 'c', 'a', 'd'])
    assert.deepEqual(await client.eventsUntilNow('test.list.e08'), [
      ['remove', { idx: 0 }],
      ['add', { idx: 2, value: 'a' }],
      ['add', { idx: 3, value: 'd' }],
    ])
  })

  test('e06 what a new reference leads to comes with it', async () => {
    const client = await RawClient.connect()
    await client.subscribe('test.list.e06_refs')
    await replace('test.list.e06_refs', [{ rid: 'test.model.e06_new' }])
    const added = await client.event('test.list.e06_refs', 'add')
    const models = { 'test.model.e06_new': { name: 'test.model.e06_new' } }
    assert.deepEqual(added, { idx: 0, value: { rid: 'test.model.e06_new' }, models })
    await replace('test.model.e06_new', { name: 'new' })
    assert.deepEqual(await client.event('test.model.e06_new', 'change'), { values: { name: 'new' } })
  })

  for (const [how, remove] of [
    ['a delete', (rid) => call(rid, 'delete')],
    ['a refresh of what is gone', (rid) => replace(rid, null)],
  ]) {
    test(`e09 ${how} takes the resource from its clients, and from the gateway`, async () => {
      const client = await RawClient.connect()
      const rid = `test.model.e09_${how.length}`
      await client.subscribe(rid)
      await remove(rid)
      assert.equal(await client.event(rid, 'delete'), null)
      const { reason } = await client.event(rid, 'unsubscribe')
      assert.deepEqual(reason, { code: 'system.deleted', message: 'Deleted' })
      await assert.rejects(client.subscribe(rid), { code: 'system.notFound' }, 'it is not kept')
      await replace(rid, { back: true })
      assert.deepEqual((await client.subscribe(rid)).models[rid], { back: true })
    })
  }

  test('e10 a creation is told to those who listen', async () => {
    const client = await RawClient.connect()
    await client.subscribe('test.model.e10')
    await call('test.model.e10', 'create')
    assert.equal(await client.event('test.model.e10', 'create'), null)
  })

  test('e12 a custom change carries any JSON and leaves the state alone', async () => {
    const client = await RawClient.connect()
    await client.subscribe('test.model.e12')
    for (const payload of [null, 0, 'x', [1], { a: { b: 1 } }]) {
      await call('test.model.e12', 'emit', { change: 'rang', payload })
      assert.deepEqual(await client.event('test.model.e12', 'rang'), payload)
    }
    const other = await RawClient.connect()
    assert.deepEqual((await other.subscribe('test.model.e12')).models['test.model.e12'], { name: 'test.model.e12' })
    assert.equal((await noted('get test.model.e12')).length, 1)
  })

  test('e13 a custom change cannot have a name of the protocol', async () => {
    const client = await RawClient.connect()
    await client.subscribe('test.model.e13')
    for (const change of RESERVED) {
      const emit = client.call('test.model.e13', 'emit', { change, payload: { values: { name: 'forged' } } })
      await assert.rejects(emit, { code: 'system.internalError' }, change)
    }
    assert.deepEqual(await client.eventsUntilNow('test.model.e13'), [])
  })

  test('s03 s05 a reset finds what was never announced, in models and in lists', async () => {
    const client = await RawClient.connect()
    await replace('test.model.s05', { a: 1, b: 1 })
    await replace('test.list.s05', ['a', 'b', 'c'])
    await client.subscribe('test.model.s05')
    await client.subscribe('test.list.s05')
    await replaceQuietly('test.model.s05', { a: 2, b: 1 })
    await replaceQuietly('test.list.s05', ['a', 'c', 'd'])
    await reset(['test.model.s05', 'test.list.s05'])
    assert.deepEqual(await client.event('test.model.s05', 'change'), { values: { a: 2 } })
    assert.deepEqual(await client.event('test.list.s05', 'remove'), { idx: 1 })
    assert.deepEqual(await client.event('test.list.s05', 'add'), { idx: 2, value: 'd' })
    await replace('test.model.s05', { a: 3, b: 1 })
    assert.deepEqual(await client.event('test.model.s05', 'change'), { values: { a: 3 } }, 'and all goes on from there')
    await replaceQuietly('test.model.s05', null)
    await reset(['test.model.s05'])
    assert.equal((await client.event('test.model.s05', 'unsubscribe')).reason.code, 'system.deleted')
  })

  test('s04 the pattern of a reset says which resources are asked again', async () => {
    const client = await RawClient.connect()
    const rids = ['test.model.s04_a', 'test.model.s04_b', 'test.list.s04']
    for (const rid of rids) await client.subscribe(rid)
    const asked = async () => Promise.all(rids.map(async (rid) => (await noted(`get ${rid}`)).length))
    const after = async (pattern, wanted) => {
      await reset([pattern])
      await until(`gets after ${pattern}`, asked, (now) => now.join() === wanted.join())
    }
    await after('test.model.s04_a', [2, 1, 1])
    await after('test.*.s04_b', [2, 2, 1])
    await after('test.*.s04', [2, 2, 2])
    await after('test.list.s04', [2, 2, 3])
    for (const rid of ['test.deep.s04.a', 'test.deep.s04.b', 'test.deep.other.a']) {
      await client.subscribe(rid)
      rids.push(rid)
    }
    await after('test.deep.s04.>', [2, 2, 3, 2, 2, 1])
    await after('test.deep.>', [2, 2, 3, 3, 3, 2])
    await after('test.deep.*.a', [2, 2, 3, 4, 3, 3])
    for (const wrong of ['test.>.a', 'test.s04*', 'test..a', '']) {
      const refused = client.call('test.control', 'reset', { resources: [wrong] })
      await assert.rejects(refused, { code: 'system.internalError' }, wrong)
    }
  })

  test('s05 a get that fails during a reset deletes nothing, and is asked again by itself', async () => {
    const client = await RawClient.connect()
    await replace('test.model.s05_failing', { n: 1 })
    await client.subscribe('test.model.s05_failing')
    await replaceQuietly('test.model.s05_failing', { failsWith: 'the database is down' })
    await reset(['test.model.s05_failing'])
    await until(
      'the failing get',
      () => noted('get test.model.s05_failing'),
      (gets) => gets.length >= 2,
    )
    await replaceQuietly('test.model.s05_failing', { n: 2 })
    assert.deepEqual(await client.event('test.model.s05_failing', 'change'), { values: { n: 2 } })
  })

  test('e03 s09 a service that dies without a word is asked anew when it is back', async () => {
    await call('test.control', 'crash', { n: 1 })
    const client = resClient()
    const model = await client.get('phoenix.model')
    model.on('change', () => {})
    assert.deepEqual(properties(model), { n: 1 })
    await call('test.control', 'crash', { n: 2, fresh: true })
    await until(
      'what changed meanwhile',
      () => properties(model),
      (now) => now.n === 2 && now.fresh === true,
    )
  })
})
