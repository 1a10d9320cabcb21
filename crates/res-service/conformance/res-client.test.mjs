// The client library of browsers, from its first get to a gateway that dies under it.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fragileGateway } from './support/gateways.mjs'
import { items, properties, resClient } from './support/res-client.mjs'
import { until } from './support/until.mjs'
import { call, replace, rule } from './support/world.mjs'

const same = (what, state, wanted) =>
  until(
    what,
    () => JSON.stringify(state()),
    (now) => now === JSON.stringify(wanted),
  )

describe('the client library', { concurrency: true }, () => {
  test('e04 a model follows its changes, and says what was before', async () => {
    const client = resClient()
    await replace('test.model.lib', { a: 1, b: 1, old: 1 })
    const model = await client.get('test.model.lib')
    const told = []
    model.on('change', (before) => told.push(before))
    await replace('test.model.lib', { a: 2, b: 1, fresh: 'x' })
    await same('the model', () => properties(model), { a: 2, b: 1, fresh: 'x' })
    await until(
      'the listener',
      () => told.length,
      (times) => times === 1,
    )
    assert.deepEqual(told, [{ a: 1, fresh: undefined, old: 1 }])
  })

  test('v02 v03 v04 what a model holds are resources, soft references and data', async () => {
    const client = resClient()
    await replace('test.model.lib_values', {
      child: { rid: 'test.model.lib_child' },
      soft: { rid: 'test.model.lib_far', soft: true },
      data: { data: { a: [1] } },
    })
    const model = await client.get('test.model.lib_values')
    assert.equal(model.child.getResourceId(), 'test.model.lib_child')
    assert.equal(model.child.name, 'test.model.lib_child')
    assert.deepEqual(model.data, { a: [1] })
    assert.equal((await model.soft.get()).name, 'test.model.lib_far')
  })

  test('c08 v06 set changes and removes properties', async () => {
    const client = resClient()
    await replace('test.model.lib_set', { a: 1, b: 1 })
    const model = await client.get('test.model.lib_set')
    model.on('change', () => {})
    await model.set({ a: 2, b: undefined, c: 'x' })
    assert.deepEqual(properties(model), { a: 2, c: 'x' }, 'when it is answered, it is changed already')
  })

  test('e06 e07 a list follows additions and removals', async () => {
    const client = resClient()
    await replace('test.list.lib', ['a', 'b', 'c'])
    const list = await client.get('test.list.lib')
    const told = []
    list.on('add', ({ item, idx }) => told.push(['add', item, idx]))
    list.on('remove', ({ item, idx }) => told.push(['remove', item, idx]))
    await replace('test.list.lib', ['b', 'x', 'c'])
    await same('the list', () => items(list), ['b', 'x', 'c'])
    await same('what was told', () => told, [
      ['remove', 'a', 0],
      ['add', 'x', 1],
    ])
  })

  test('e09 e12 custom changes and the end of a resource reach their listeners', async () => {
    const client = resClient()
    const model = await client.get('test.model.lib_gone')
    const told = []
    model.on('rang', (data) => told.push(['rang', data]))
    model.on('unsubscribe', () => told.push(['unsubscribe']))
    await call('test.model.lib_gone', 'emit', { change: 'rang', payload: { loud: true } })
    await call('test.model.lib_gone', 'delete')
    await same('what was told', () => told, [['rang', { loud: true }], ['unsubscribe']])
    await assert.rejects(resClient().get('test.model.lib_gone'), { code: 'system.notFound' })
  })

  test('r03 r04 c02 calls answer with results, resources and errors', async () => {
    const client = resClient()
    assert.deepEqual(await client.call('test.answers', 'result', { a: 1 }), { a: 1 })
    const model = await client.call('test.answers', 'resource', 'test.model.lib_answer')
    assert.equal(model.name, 'test.model.lib_answer')
    const taken = { code: 'test.seatTaken', message: 'Taken', data: { seat: 'A-1' } }
    await assert.rejects(client.call('test.answers', 'fail', taken), taken)
    assert.equal((await client.create('test.answers', 'test.model.lib_created')).name, 'test.model.lib_created')
  })

  test('a06 e11 access that is taken away ends the subscription, and comes back by itself when it is granted', async () => {
    const client = resClient({ subscribeStaleDelay: 50, subscribeRetryDelay: 50 })
    const rid = 'test.guarded.lib'
    await rule(rid, { get: true, call: ['reaccess', 'replace'] })
    const model = await client.get(rid)
    let lost = 0
    model.on('unsubscribe', () => lost++)
    model.on('change', () => {})
    await rule(rid, { get: false, call: ['replace'] })
    await client.call(rid, 'reaccess')
    await until(
      'the resource is lost',
      () => lost,
      (times) => times === 1,
    )
    await rule(rid, { get: true, call: ['replace'] })
    await call(rid, 'replace', { again: true })
    await same('it is back', () => properties(model), { again: true })
  })

  test('s01 a token lasts as long as its connection, and onConnect gives the next one', async () => {
    let connections = 0
    const onConnect = (client) => {
      connections++
      return client.authenticate('test.session', 'login', { user: 'ann' })
    }
    const client = resClient({ onConnect })
    const model = await client.get('test.model.lib_token')
    model.on('change', () => {})
    assert.deepEqual(await client.call('test.session', 'who'), { user: 'ann' })
    client.ws.terminate()
    await until(
      'the next connection',
      () => connections,
      (times) => times === 2,
    )
    assert.deepEqual(await client.call('test.session', 'who'), { user: 'ann' })
  })

  test('e03 s09 a client whose gateway dies and comes back ends with what is true then', async () => {
    const connected = []
    const client = resClient({ at: fragileGateway, onConnect: async () => connected.push('again') })
    await replace('test.model.restart', { n: 1, old: true, child: { rid: 'test.model.restart_child' } })
    await replace('test.list.restart', ['a', 'b', 'c'])
    const [model, list, found] = await Promise.all(
      ['test.model.restart', 'test.list.restart', 'test.words.restart?prefix=a'].map((rid) => client.get(rid)),
    )
    for (const resource of [model, list, found, model.child]) resource.on('change add remove', () => {})
    const shown = () => [model.n, model.old, model.child?.name, items(list), items(found)]
    assert.deepEqual(shown(), [1, true, 'test.model.restart_child', ['a', 'b', 'c'], ['ada', 'anna']])

    await call('test.control', 'restartGateway', {
      'test.model.restart': { n: 2, child: { rid: 'test.model.restart_child' } },
      'test.model.restart_child': { name: 'changed' },
      'test.list.restart': ['c', 'a', 'd'],
      'test.words.restart': { words: ['ada', 'axel'] },
    })
    await same('after the restart', shown, [2, undefined, 'changed', ['c', 'a', 'd'], ['ada', 'axel']])
    assert.deepEqual(connected, ['again', 'again'])

    await replace('test.model.restart', { n: 3, child: null })
    await replace('test.words.restart', { words: ['abe'] })
    await same('and it goes on', shown, [3, undefined, undefined, ['c', 'a', 'd'], ['abe']])
  })
})
