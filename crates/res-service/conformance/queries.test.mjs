// Resources with queries: several spellings of one, and what a change does to each.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { RawClient } from './support/raw-client.mjs'
import { items, resClient } from './support/res-client.mjs'
import { until } from './support/until.mjs'
import { call, noted, replace, replaceQuietly, reset } from './support/world.mjs'

const list = (client, rid) => client.subscribe(rid).then(({ collections }) => Object.values(collections)[0])

describe('queries', { concurrency: true }, () => {
  test('g03 queries that mean the same are one resource, under every name that a client gave', async () => {
    const client = await RawClient.connect()
    const spellings = ['prefix=a&limit=10', 'limit=10&prefix=a', 'prefix=A', 'prefix=a']
    for (const query of spellings) {
      assert.deepEqual(await list(client, `test.words.g03?${query}`), ['ada', 'anna'])
    }
    assert.deepEqual(await list(client, 'test.words.g03'), ['ada', 'anna', 'bob'], 'and no query is one too')
    await replace('test.words.g03', { words: ['abe'] })
    for (const query of spellings) {
      const rid = `test.words.g03?${query}`
      await until(
        rid,
        () => client.events(rid).length,
        (events) => events === 3,
      )
    }
  })

  test('g04 a query that cannot be understood is an invalid query', async () => {
    const client = await RawClient.connect()
    await assert.rejects(client.subscribe('test.words.g04?colour=red'), { code: 'system.invalidQuery' })
    await assert.rejects(client.subscribe('test.words.g04?limit=many'), { code: 'system.invalidQuery' })
  })

  test('q01 q02 q03 a refresh asks once for each query that is kept, and tells each its difference', async () => {
    const client = await RawClient.connect()
    const rids = ['prefix=a', 'limit=10&prefix=a', 'prefix=b', 'prefix=c'].map((query) => `test.words.q02?${query}`)
    for (const rid of rids) await client.subscribe(rid)
    const before = (await noted('get test.words.q02')).length
    await replace('test.words.q02', { words: ['ada', 'ann', 'bob', 'carl'] })
    assert.deepEqual(await client.event(rids[0], 'remove'), { idx: 1 })
    assert.deepEqual(await client.event(rids[0], 'add'), { idx: 1, value: 'ann' })
    assert.deepEqual(await client.event(rids[1], 'add'), { idx: 1, value: 'ann' })
    assert.deepEqual(await client.event(rids[3], 'add'), { idx: 0, value: 'carl' })
    const asked = (await noted('get test.words.q02')).slice(before)
    assert.deepEqual(asked.sort(), ['prefix=a&limit=10', 'prefix=b&limit=10', 'prefix=c&limit=10'])
    assert.deepEqual(client.events(rids[2]), [], 'nobody whose name begins with b came or went')
  })

  test('q03 a model with a query changes by its difference', async () => {
    const client = await RawClient.connect()
    await client.subscribe('test.summary.q03?prefix=a')
    await replace('test.summary.q03', { words: ['ada', 'abel', 'anna'] })
    const change = await client.event('test.summary.q03?prefix=a', 'change')
    assert.deepEqual(change, { values: { count: 3, first: 'abel' } })
  })

  test('q04 the last of many changes is what everybody ends with', async () => {
    const client = resClient()
    const lists = await Promise.all(
      ['prefix=a', 'prefix=b', 'limit=3'].map((query) => client.get(`test.words.q04?${query}`)),
    )
    for (const list of lists) list.on('add remove', () => {})
    for (let n = 0; n < 60; n++) {
      await replaceQuietly('test.words.q04', {
        words: [`a${n}`, `b${n}`, ...Array.from({ length: n % 5 }, (_, i) => `b${i}x`)],
      })
      await call('test.words.q04', 'refresh')
    }
    await replace('test.words.q04', { words: ['ada', 'bob', 'carl', 'dora'] })
    const wanted = JSON.stringify([['ada'], ['bob'], ['ada', 'bob', 'carl']])
    await until(
      'the last state',
      () => JSON.stringify(lists.map(items)),
      (now) => now === wanted,
    )
  })

  test('q05 a query whose resource is gone is deleted, and only that one', async () => {
    const client = await RawClient.connect()
    await client.subscribe('test.words.q05?prefix=a')
    await client.subscribe('test.words.q05?prefix=b')
    await replace('test.words.q05', { words: ['ada', 'bea'], gone: 'a' })
    assert.equal(await client.event('test.words.q05?prefix=a', 'delete'), null)
    const { reason } = await client.event('test.words.q05?prefix=a', 'unsubscribe')
    assert.equal(reason.code, 'system.deleted')
    assert.deepEqual(await client.event('test.words.q05?prefix=b', 'remove'), { idx: 0 })
    assert.deepEqual(await client.event('test.words.q05?prefix=b', 'add'), { idx: 0, value: 'bea' })
  })

  test('q07 nothing that comes while queries are asked slowly is lost', async () => {
    const client = await RawClient.connect()
    await client.subscribe('test.words.q07?prefix=a')
    await client.subscribe('test.words.q07?prefix=b')
    await replaceQuietly('test.words.q07', { words: ['abe', 'ben'], milliseconds: 300 })
    await call('test.words.q07', 'refresh')
    const added = await Promise.all(
      ['prefix=a', 'prefix=b'].map((query) => client.event(`test.words.q07?${query}`, 'add')),
    )
    assert.deepEqual(
      added.map(({ value }) => value),
      ['abe', 'ben'],
    )
    assert.deepEqual(await list(client, 'test.words.q07?prefix=c'), [])
  })

  test('q08 a change while a query is asked for the first time is in its answer or follows it', async () => {
    const client = await RawClient.connect()
    const rid = 'test.words.q08?prefix=a'
    await replaceQuietly('test.words.q08', { words: ['ada'], milliseconds: 400 })
    const subscribed = list(client, rid)
    await until(
      'the get is under way',
      () => noted('get test.words.q08'),
      (gets) => gets.length === 1,
    )
    await replaceQuietly('test.words.q08', { words: ['ada', 'anna'] })
    await call('test.words.q08', 'refresh')
    if ((await subscribed).length < 2) assert.deepEqual(await client.event(rid, 'add'), { idx: 1, value: 'anna' })
  })

  test('q10 changes one after the other do not freeze the resource', async () => {
    const client = await RawClient.connect()
    const rid = 'test.words.q10?prefix=a'
    await client.subscribe(rid)
    const before = (await noted('get test.words.q10')).length
    await Promise.all(Array.from({ length: 200 }, () => client.call('test.words.q10', 'refresh')))
    await replace('test.words.q10', { words: ['abe'] })
    await until(
      'the last state',
      () => client.events(rid),
      (events) => events.some(([, data]) => data.value === 'abe'),
    )
    const asked = (await noted('get test.words.q10')).length - before
    assert.ok(asked < 100, `${asked} questions for 200 refreshes: those that wait are one`)
  })

  test('e15 what is said of the plain name does not reach queries; a refresh and a reset do', async () => {
    const client = await RawClient.connect()
    const rid = 'test.words.e15?prefix=a'
    await client.subscribe(rid)
    await call('test.words.e15', 'emit', { change: 'rang', payload: null })
    await replace('test.words.e15', { words: ['ada', 'anna', 'axel'] })
    assert.deepEqual(await client.event(rid, 'add'), { idx: 2, value: 'axel' })
    assert.deepEqual(client.events(rid), [])
    await reset(['test.words.e15'], ['test.words.e15'])
    await until(
      'access is asked again',
      () => noted('access test.words.e15'),
      (asked) => asked.filter(Boolean).length === 2,
    )
    await replaceQuietly('test.words.e15', { words: ['ada'] })
    await reset(['test.words.e15'])
    await until(
      'the reset finds the rest',
      () => client.events(rid).length,
      (events) => events === 2,
    )
  })

  test('e15 a query resource that is asked without a query is its normalised query too', async () => {
    const client = await RawClient.connect()
    const rid = 'test.summary.e15'
    await client.subscribe(rid)
    await call(rid, 'emit', { change: 'rang', payload: null })
    await replace(rid, { words: ['x', 'y'] })
    assert.deepEqual(await client.event(rid, 'change'), { values: { count: 2, first: 'x' } })
    assert.deepEqual(client.events(rid), [])
  })

  test('g03 a query that a resource does not know is the resource itself', async () => {
    const client = await RawClient.connect()
    const rid = 'test.model.g03?a=1'
    assert.deepEqual((await client.subscribe(rid)).models, { [rid]: { name: 'test.model.g03' } })
    await replace('test.model.g03', { n: 1 })
    assert.deepEqual(await client.event(rid, 'change'), { values: { n: 1, name: { action: 'delete' } } })
  })

  test('e09 e15 a delete reaches those who asked with a query', async () => {
    const client = await RawClient.connect()
    const rid = 'test.words.e09?prefix=a'
    await client.subscribe(rid)
    await call('test.words.e09', 'delete')
    assert.equal((await client.event(rid, 'unsubscribe')).reason.code, 'system.deleted')
  })

  test('e11 e15 a reaccess reaches those who asked with a query', async () => {
    const client = await RawClient.connect()
    await client.subscribe('test.words.e11?prefix=a')
    await call('test.words.e11', 'reaccess')
    await until(
      'access is asked again',
      () => noted('access test.words.e11'),
      (asked) => asked.filter((query) => query !== null).length === 2,
    )
  })

  test('q01 queries are told of changes also when there is nothing without a query', async () => {
    const client = await RawClient.connect()
    const rid = 'test.words.q01?prefix=a'
    await replaceQuietly('test.words.q01', { words: ['ada'], onlyQueries: true })
    await client.subscribe(rid)
    await assert.rejects(client.subscribe('test.words.q01'), { code: 'system.notFound' })
    await replace('test.words.q01', { words: ['ada', 'anna'], onlyQueries: true })
    assert.deepEqual(await client.event(rid, 'add'), { idx: 1, value: 'anna' })
  })

  test('q06 a query that could not be answered once is asked again', async () => {
    const client = await RawClient.connect()
    const rid = 'test.words.q06?prefix=a'
    await client.subscribe(rid)
    const before = (await noted('get test.words.q06')).length
    await replaceQuietly('test.words.q06', { words: ['ada', 'anna', 'axel'], failing: 'a' })
    await call('test.words.q06', 'refresh')
    await until(
      'the question that fails',
      () => noted('get test.words.q06'),
      (asked) => asked.length > before,
    )
    await replaceQuietly('test.words.q06', { words: ['ada', 'anna', 'axel'] })
    assert.deepEqual(await client.event(rid, 'add'), { idx: 2, value: 'axel' })
  })
})
