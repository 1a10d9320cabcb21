// What resources hold, and what becomes of wrong ones.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { RawClient } from './support/raw-client.mjs'
import { noted, replace, replaceQuietly, reset } from './support/world.mjs'

const shown = async (client, rid) => {
  const { models, collections } = await client.subscribe(rid)
  return models?.[rid] ?? collections?.[rid]
}

describe('values', { concurrency: true }, () => {
  test('g02 a model and a collection may be empty', async () => {
    const client = await RawClient.connect()
    await replace('test.model.g02', {})
    await replace('test.list.g02', [])
    assert.deepEqual(await client.subscribe('test.model.g02'), { models: { 'test.model.g02': {} } })
    assert.deepEqual(await client.subscribe('test.list.g02'), { collections: { 'test.list.g02': [] } })
  })

  test('g04 an error of a get reaches the client and is asked again, not kept', async () => {
    const client = await RawClient.connect()
    await replace('test.model.g04', null)
    await assert.rejects(client.subscribe('test.model.g04'), { code: 'system.notFound' })
    await replaceQuietly('test.model.g04', { failsWith: 'the database is down' })
    await assert.rejects(client.subscribe('test.model.g04'), { code: 'system.internalError', reason: 'Internal error' })
    await replaceQuietly('test.model.g04', { here: true })
    assert.deepEqual(await shown(client, 'test.model.g04'), { here: true })
    assert.equal((await noted('get test.model.g04')).length, 3)
    assert.ok(!JSON.stringify(client.messages).includes('the database is down'))
  })

  test('g05 v06 a value that the protocol forbids fails the get, before the gateway must', async () => {
    const client = await RawClient.connect()
    const wrong = [{ a: 1 }, [1], { rid: 'a..b' }, { rid: 'a', data: 1 }, { action: 'delete' }, {}]
    for (const [index, value] of wrong.entries()) {
      for (const [rid, state] of [
        [`test.model.g05_${index}`, { value }],
        [`test.list.g05_${index}`, [value]],
      ]) {
        await replace(rid, state)
        const refused = { code: 'system.internalError', reason: 'Internal error' }
        await assert.rejects(client.subscribe(rid), refused, JSON.stringify(state))
      }
    }
  })

  test('g06 e14 a model stays a model: a state of another kind is refused, and clients keep the last good one', async () => {
    const client = await RawClient.connect()
    await replace('test.model.g06', { n: 1 })
    assert.deepEqual(await shown(client, 'test.model.g06'), { n: 1 })
    await replaceQuietly('test.model.g06', [1, 2])
    await reset(['test.model.g06'])
    await assert.rejects(client.call('test.model.g06', 'replace', [3]), { code: 'system.internalError' })
    assert.deepEqual(await client.eventsUntilNow('test.model.g06'), [])
    await replace('test.model.g06', { n: 2 })
    assert.deepEqual(await client.event('test.model.g06', 'change'), { values: { n: 2 } })
  })

  test('v01 primitives of every kind arrive as they are, and the same once more is no change', async () => {
    const client = await RawClient.connect()
    const state = {
      text: 'ü€𝄞 "quoted" \\ \u0001 </script>',
      empty: '',
      int: 9007199254740991,
      negative: -1,
      fraction: 0.1,
      tiny: 1e-9,
      yes: true,
      no: false,
      nothing: null,
      'odd key.*>': 1,
    }
    await replace('test.model.v01', state)
    assert.deepEqual(await shown(client, 'test.model.v01'), state)
    await replace('test.model.v01', Object.fromEntries(Object.entries(state).reverse()))
    assert.deepEqual(await client.eventsUntilNow('test.model.v01'), [])
    await replace('test.list.v01', Object.values(state))
    assert.deepEqual(await shown(client, 'test.list.v01'), Object.values(state))
  })

  test('v02 a reference brings its resource along, again and again, around every circle', async () => {
    const client = await RawClient.connect()
    await replace('test.model.v02_a', { next: { rid: 'test.model.v02_b' } })
    await replace('test.model.v02_b', { next: { rid: 'test.list.v02' } })
    await replace('test.list.v02', [{ rid: 'test.model.v02_a' }, { rid: 'test.model.v02_gone' }])
    await replace('test.model.v02_gone', null)
    const { models, collections, errors } = await client.subscribe('test.model.v02_a')
    assert.deepEqual(Object.keys(models).sort(), ['test.model.v02_a', 'test.model.v02_b'])
    assert.deepEqual(collections['test.list.v02'][0], { rid: 'test.model.v02_a' })
    assert.equal(errors['test.model.v02_gone'].code, 'system.notFound')
  })

  test('v03 a soft reference names a resource and does not bring it along', async () => {
    const client = await RawClient.connect()
    const soft = { rid: 'test.model.v03_far', soft: true }
    await replace('test.model.v03', { soft })
    assert.deepEqual(await client.subscribe('test.model.v03'), { models: { 'test.model.v03': { soft } } })
    assert.deepEqual(await noted('get test.model.v03_far'), [])
  })

  test('v02 v03 v04 the types that the library has for values are what clients know', async () => {
    const client = await RawClient.connect()
    const { models } = await client.subscribe('test.typed')
    assert.deepEqual(models, {
      'test.typed': {
        reference: { rid: 'test.model.typed' },
        soft: { rid: 'test.model.typed_far', soft: true },
        list: { data: [1, 2] },
        object: { data: { rid: 'not a reference' } },
        number: 5,
        nothing: null,
      },
      'test.model.typed': { name: 'test.model.typed' },
    })
  })

  test('v04 v05 a data value arrives whole and changes as a whole; a primitive in one is the primitive', async () => {
    const client = await RawClient.connect()
    const data = (data) => ({ data })
    await replace('test.model.v04', { seats: data({ a: 1, b: [1, { rid: 'x' }] }), n: data(5), nothing: data(null) })
    const seats = { data: { a: 1, b: [1, { rid: 'x' }] } }
    assert.deepEqual(await shown(client, 'test.model.v04'), { seats, n: 5, nothing: null })
    await replace('test.model.v04', { seats: data({ a: 2, b: [1, { rid: 'x' }] }), n: 5, nothing: null })
    const changed = { values: { seats: { data: { a: 2, b: [1, { rid: 'x' }] } } } }
    assert.deepEqual(await client.eventsUntilNow('test.model.v04'), [['change', changed]])
    await replace('test.list.v04', [data([1])])
    assert.deepEqual(await shown(client, 'test.list.v04'), [data([1])])
    await replace('test.list.v04', [data([1, 2])])
    assert.deepEqual(await client.eventsUntilNow('test.list.v04'), [
      ['remove', { idx: 0 }],
      ['add', { idx: 0, value: data([1, 2]) }],
    ])
  })
})
