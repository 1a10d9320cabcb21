// What a client may ask of the gateway, with this library behind it.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { askingGateway } from './support/gateways.mjs'
import { RawClient } from './support/raw-client.mjs'
import { call, noted, replace, rule } from './support/world.mjs'

describe('the client protocol', { concurrency: true }, () => {
  test('version is agreed upon', async () => {
    const client = await RawClient.connect({ protocol: null })
    assert.deepEqual(await client.request('version', { protocol: '1.2.3' }), { protocol: '1.2.3' })
    await assert.rejects(client.request('version', { protocol: '2.0.0' }), { code: 'system.unsupportedProtocol' })
    await assert.rejects(client.request('version', { protocol: 'one' }), { code: 'system.invalidParams' })
  })

  test('v03 v04 c02 r03 a client that says no version gets what old clients understand', async () => {
    const client = await RawClient.connect({ protocol: null })
    const soft = { rid: 'test.model.far', soft: true }
    await replace('test.model.old', { soft, data: { data: { a: 1 } }, n: 1 })
    const { models } = await client.subscribe('test.model.old')
    assert.deepEqual(models['test.model.old'], { soft: 'test.model.far', data: '[Data]', n: 1 })
    assert.deepEqual(await client.request('call.test.answers.result', { a: 1 }), { a: 1 })
  })

  test('a subscription has everything that is new to the client, and what is known is left out', async () => {
    const client = await RawClient.connect()
    await replace('test.model.set_parent', { child: { rid: 'test.model.set_child' } })
    await client.subscribe('test.model.set_child')
    const { models } = await client.subscribe('test.model.set_parent')
    assert.deepEqual(models, { 'test.model.set_parent': { child: { rid: 'test.model.set_child' } } })
    assert.deepEqual(await client.subscribe('test.model.set_parent'), {})
  })

  test('subscriptions are counted', async () => {
    const client = await RawClient.connect()
    const rid = 'test.model.counted'
    for (let times = 0; times < 3; times++) await client.subscribe(rid)
    await assert.rejects(client.request(`unsubscribe.${rid}`, { count: 4 }), { code: 'system.noSubscription' })
    await assert.rejects(client.request(`unsubscribe.${rid}`, { count: 0 }), { code: 'system.invalidParams' })
    await client.request(`unsubscribe.${rid}`, { count: 2 })
    await replace(rid, { n: 1 })
    await client.event(rid, 'change')
    await client.request(`unsubscribe.${rid}`)
    await replace(rid, { n: 2 })
    assert.deepEqual((await client.subscribe(rid)).models[rid], { n: 2 })
    assert.deepEqual(client.events(rid), [])
    await client.request(`unsubscribe.${rid}`)
    await assert.rejects(client.request(`unsubscribe.${rid}`), { code: 'system.noSubscription' })
  })

  test('at most 256 subscriptions of one resource are kept for a connection', async () => {
    const client = await RawClient.connect()
    const subscribe = () => client.subscribe('test.model.limit')
    await Promise.all(Array.from({ length: 256 }, subscribe))
    await assert.rejects(subscribe(), { code: 'system.subscriptionLimitExceeded' })
    assert.equal((await noted('get test.model.limit')).length, 1)
  })

  test('g01 a get shows a resource once and keeps no subscription', async () => {
    const client = await RawClient.connect()
    const { models } = await client.request('get.test.model.got')
    assert.deepEqual(models, { 'test.model.got': { name: 'test.model.got' } })
    await assert.rejects(client.request('unsubscribe.test.model.got'), { code: 'system.noSubscription' })
  })

  test('a referenced resource is followed as long as something leads to it', async () => {
    const client = await RawClient.connect()
    const [parent, child] = ['test.model.way', 'test.model.way_child']
    await replace(parent, { child: { rid: child } })
    await client.subscribe(parent)
    await replace(child, { n: 1 })
    assert.deepEqual(await client.event(child, 'change'), { values: { n: 1, name: { action: 'delete' } } })
    await replace(parent, { child: null })
    await client.event(parent, 'change')
    await replace(child, { n: 2 })
    await replace(parent, { child: { rid: child } })
    const again = await client.event(parent, 'change')
    assert.deepEqual(again, { values: { child: { rid: child } }, models: { [child]: { n: 2 } } })
    assert.deepEqual(client.events(child), [])
  })

  test('e11 a reaccess does not concern what is only referenced', async () => {
    const client = await RawClient.connect()
    await rule('test.guarded.through', { get: false, call: ['reaccess', 'emit'] })
    await replace('test.model.through', { child: { rid: 'test.guarded.through' } })
    await client.subscribe('test.model.through')
    await call('test.guarded.through', 'reaccess')
    await call('test.guarded.through', 'emit', { change: 'rang', payload: null })
    await client.event('test.guarded.through', 'rang')
    assert.deepEqual(client.events('test.guarded.through'), [])
  })

  test('what is not a request is passed over', async () => {
    const client = await RawClient.connect()
    for (const text of ['', '{', '[]', '{"method":"get.test.model.x"}']) client.send(text)
    await assert.rejects(client.request('nonsense'), { code: 'system.invalidRequest' })
    await assert.rejects(client.request('subscribe.'), { code: 'system.invalidRequest' })
    assert.equal(client.messages.length, 3, 'the version and two refusals')
  })

  test('a WebSocket is refused where the authentication before it says so', async () => {
    const connected = RawClient.connect({ at: askingGateway, headers: { 'X-Answer': 'forbidden' } })
    await assert.rejects(connected, { code: 403 })
    const elsewhere = RawClient.connect({ path: '/elsewhere' })
    await assert.rejects(elsewhere, { code: 404 })
  })
})
