// What calls and authentications answer, over WebSocket.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { impatientGateway } from './support/gateways.mjs'
import { RawClient } from './support/raw-client.mjs'
import { noted, replace } from './support/world.mjs'

const ERRORS = {
  notFound: 'Not found',
  invalidParams: 'Invalid parameters',
  invalidQuery: 'Invalid query',
  internalError: 'Internal error',
  methodNotFound: 'Method not found',
  accessDenied: 'Access denied',
  timeout: 'Request timeout',
}

describe('answers', { concurrency: true }, () => {
  test('r01 r02 c02 a result is any JSON, and null is one', async () => {
    const client = await RawClient.connect()
    for (const result of [0, -1.5, '', 'ü', true, false, [], [1, [2]], {}, { a: { b: null } }]) {
      assert.deepEqual(await client.request('call.test.answers.result', result), { payload: result })
    }
    assert.deepEqual(await client.request('call.test.answers.nothing'), { payload: null })
  })

  test('r03 c03 a resource as the answer is subscribed to, and what is no resource id is refused', async () => {
    const client = await RawClient.connect()
    const answer = await client.request('call.test.answers.resource', 'test.model.r03')
    assert.deepEqual(answer, { rid: 'test.model.r03', models: { 'test.model.r03': { name: 'test.model.r03' } } })
    await replace('test.model.r03', { name: 'new' })
    assert.deepEqual(await client.event('test.model.r03', 'change'), { values: { name: 'new' } })
    await client.request('unsubscribe.test.model.r03')
    const went = await client.request('auth.test.session.go')
    assert.deepEqual(Object.keys(went.models), ['test.model.welcome'], 'an authentication may answer so too')
    for (const wrong of ['', 'a..b', 'a b', 'a.*']) {
      await assert.rejects(client.call('test.answers', 'resource', wrong), { code: 'system.internalError' }, wrong)
    }
  })

  test('c03 a call succeeds also when the resource that it answers cannot be shown', async () => {
    const client = await RawClient.connect()
    const { rid, errors } = await client.request('call.test.answers.resource', 'test.shut.c03')
    assert.equal(rid, 'test.shut.c03')
    assert.equal(errors['test.shut.c03'].code, 'system.accessDenied')
  })

  test('r04 an error keeps its code, message and data, and never shows its cause', async () => {
    const client = await RawClient.connect()
    const failed = (error) => assert.rejects(client.call('test.answers', 'fail', error), shown(error))
    const shown = ({ code, message, data }) => ({ code, reason: message, data })
    await failed({ code: 'test.seatTaken', message: 'Taken', data: { seat: 'A-1' } })
    await failed({ code: 'test.seatTaken', message: 'Taken' })
    assert.ok(!JSON.stringify(client.messages).includes('no client may see'))
  })

  test("r13 a custom error cannot pose as the gateway's or the protocol's", async () => {
    const client = await RawClient.connect()
    for (const code of ['system.noSubscription', 'system.deleted', 'system.serviceUnavailable', 'a b', '']) {
      const fail = client.call('test.answers', 'fail', { code, message: 'x' })
      await assert.rejects(fail, { code: 'system.internalError', reason: 'Internal error' }, code)
    }
  })

  test('r12 c04 the predefined errors have the words of the protocol', async () => {
    const client = await RawClient.connect()
    for (const [name, reason] of Object.entries(ERRORS)) {
      const predefined = client.call('test.answers', 'predefined', name)
      await assert.rejects(predefined, { code: `system.${name}`, reason }, name)
    }
  })

  test('c04 a method that is not there and wrong parameters are told apart', async () => {
    const client = await RawClient.connect()
    await assert.rejects(client.call('test.answers', 'unheard'), { code: 'system.methodNotFound' })
    await assert.rejects(client.auth('test.session', 'unheard'), { code: 'system.methodNotFound' })
    assert.equal(await client.call('test.answers', 'typed', { row: 3 }), 3)
    for (const wrong of [{ row: '3' }, { row: 3, seat: 1 }, [3], undefined]) {
      await assert.rejects(client.call('test.answers', 'typed', wrong), { code: 'system.invalidParams' })
    }
  })

  test('r05 status and headers mean nothing on a WebSocket', async () => {
    const client = await RawClient.connect()
    const meta = { status: 404, headers: [['x-a', '1']] }
    assert.deepEqual(await client.request('call.test.answers.meta', meta), { payload: 'body' })
  })

  test('r10 r11 a handler that panics is answered for once, and the next call is served', async () => {
    const client = await RawClient.connect()
    await assert.rejects(client.call('test.answers', 'panic'), {
      code: 'system.internalError',
      reason: 'Internal error',
    })
    assert.equal(await client.call('test.answers', 'panic', 1), null)
    assert.ok(!JSON.stringify(client.messages).includes('no client may see'))
  })

  test('r14 r16 a call and a get that take longer than the gateway waits come through', async () => {
    const client = await RawClient.connect()
    const started = Date.now()
    const [late, subscribed] = await Promise.all([
      client.call('test.answers', 'slow', 3500),
      client.subscribe('test.slow.3500'),
    ])
    assert.ok(Date.now() - started >= 3400, 'longer than the 3 s that a gateway waits without being asked')
    assert.equal(late, 'late')
    assert.deepEqual(subscribed.models['test.slow.3500'], { waited: 3500 })
  })

  test('r14 a handler that needs longer says so by hand', async () => {
    const client = await RawClient.connect({ at: impatientGateway })
    assert.equal(await client.call('test.answers', 'patient', 900), 'late', 'half a second is what it waits unasked')
    await assert.rejects(client.call('test.answers', 'hasty', 900), { code: 'system.timeout' })
  })

  test('r16 a gateway with less patience than the library says timeout by itself', async () => {
    const client = await RawClient.connect({ at: impatientGateway })
    await assert.rejects(client.call('test.answers', 'slow', 900), { code: 'system.timeout' })
    assert.equal(client.messages.length, 2, 'the late answer is nobody’s')
  })

  test('c01 a call comes with connection, token, query and parameters', async () => {
    const client = await RawClient.connect()
    const bare = await client.call('test.answers', 'echo')
    assert.match(bare.cid, /^[a-z0-9]{20}$/)
    assert.deepEqual(
      { ...bare, cid: '' },
      {
        name: 'test.answers',
        method: 'echo',
        cid: '',
        token: null,
        query: null,
        params: null,
        isHttp: false,
      },
    )
    await client.auth('test.session', 'login', { user: 'ann' })
    const full = await client.call('test.answers?a=1', 'echo', { b: [2] })
    assert.deepEqual([full.cid, full.token, full.query, full.params], [bare.cid, { user: 'ann' }, 'a=1', { b: [2] }])
  })

  test('c08 the change of a set comes before its answer', async () => {
    const client = await RawClient.connect()
    await client.subscribe('test.model.c08')
    await client.call('test.model.c08', 'set', { seat: 'A-1', name: { action: 'delete' } })
    const order = client.messages.slice(-2).map((message) => message.event ?? 'answer')
    assert.deepEqual(order, ['test.model.c08.change', 'answer'])
    const change = await client.event('test.model.c08', 'change')
    assert.deepEqual(change, { values: { seat: 'A-1', name: { action: 'delete' } } })
    await client.call('test.model.c08', 'set', { seat: 'A-1' })
    assert.deepEqual(await client.eventsUntilNow('test.model.c08'), [], 'what is set to what it is is no change')
    await client.subscribe('test.list.c08')
    await assert.rejects(client.call('test.list.c08', 'set', {}), { code: 'system.methodNotFound' }, 'not on lists')
  })

  test('g01 one get serves all clients, whoever they are', async () => {
    const [ann, bob] = [await RawClient.connect(), await RawClient.connect()]
    await ann.auth('test.session', 'login', { user: 'ann' })
    await Promise.all([ann.subscribe('test.model.g01'), bob.subscribe('test.model.g01')])
    assert.equal((await noted('get test.model.g01')).length, 1)
  })
})
