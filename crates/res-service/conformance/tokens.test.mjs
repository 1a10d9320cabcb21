// Who a connection is: tokens that come, change, are asked anew and go.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { askingGateway } from './support/gateways.mjs'
import { post } from './support/http.mjs'
import { RawClient } from './support/raw-client.mjs'
import { until } from './support/until.mjs'
import { call, noted, rule } from './support/world.mjs'

const who = (client) => client.call('test.session', 'who')
const resetTokens = (tids, subject) => call('test.session', 'resetTokens', { tids, subject })
const RENEW = 'auth.test.session.renew'

describe('tokens', { concurrency: true }, () => {
  test('c05 an authentication is told of the request that opened the connection', async () => {
    const headers = { Cookie: 'a=1; flavour=oat; b=2', 'User-Agent': 'tests' }
    const client = await RawClient.connect({ headers })
    const seen = await client.auth('test.session', 'describe', { n: 1 })
    assert.match(seen.cid, /^[a-z0-9]{20}$/)
    assert.match(seen.remoteAddress, /^127\.0\.0\.1:\d+$/)
    assert.match(seen.host, /^127\.0\.0\.1:\d+$/)
    const { uri, isHttp, agent, flavour, token, params } = seen
    assert.deepEqual(
      { uri, isHttp, agent, flavour, token, params },
      { uri: '/', isHttp: false, agent: 'tests', flavour: 'oat', token: null, params: '{"n":1}' },
    )
  })

  test('c06 an authentication needs no access, and a call that has the name of one is none', async () => {
    const client = await RawClient.connect()
    assert.equal(await client.auth('test.session', 'login', { user: 'ann' }), 'ann')
    await assert.rejects(client.call('test.session', 'login', { user: 'bob' }), { code: 'system.methodNotFound' })
    await assert.rejects(client.auth('test.session', 'who'), { code: 'system.methodNotFound' })
  })

  test('c07 s01 the token is there when its authentication is answered, and null takes it away', async () => {
    const client = await RawClient.connect()
    assert.equal(await who(client), null)
    for (const user of ['ann', 'bob', 'carl', 'dora']) {
      await client.auth('test.session', 'login', { user })
      assert.deepEqual(await who(client), { user })
    }
    await client.auth('test.session', 'logout')
    assert.equal(await who(client), null)
  })

  test('c07 a failed authentication changes nothing', async () => {
    const client = await RawClient.connect()
    await client.auth('test.session', 'login', { user: 'ann' })
    await assert.rejects(client.auth('test.session', 'login', { user: '' }), { code: 'test.unknownUser' })
    assert.deepEqual(await who(client), { user: 'ann' })
  })

  test('c10 isHttp is said of requests over HTTP only', async () => {
    const client = await RawClient.connect()
    assert.equal((await client.call('test.answers', 'echo')).isHttp, false)
    assert.equal((await post('/api/test/answers/echo')).json.isHttp, true)
    await client.subscribe('test.guarded.c10')
    assert.deepEqual(
      (await noted('access test.guarded.c10')).map(({ isHttp }) => isHttp),
      [false],
    )
    const opened = await RawClient.connect({ at: askingGateway, headers: { Cookie: 'user=ann' } })
    assert.deepEqual(await who(opened), { user: 'ann', isHttp: true }, 'and while a WebSocket is opened')
  })

  test('s01 a new token has access asked again, and who may no more loses the resource', async () => {
    const client = await RawClient.connect()
    await rule('test.guarded.s01', { user: 'ann' })
    await client.auth('test.session', 'login', { user: 'ann' })
    await client.subscribe('test.guarded.s01')
    await client.auth('test.session', 'login', { user: 'bob' })
    assert.equal((await client.event('test.guarded.s01', 'unsubscribe')).reason.code, 'system.accessDenied')
    await client.auth('test.session', 'login', { user: 'ann' })
    await client.subscribe('test.guarded.s01')
    await client.auth('test.session', 'logout')
    assert.equal((await client.event('test.guarded.s01', 'unsubscribe')).reason.code, 'system.accessDenied')
  })

  test('s02 a token for a connection that is not there is lost, and nothing else', async () => {
    await call('test.session', 'tokenFor', { cid: 'cnobody', token: { user: 'x' } })
    const client = await RawClient.connect()
    const { cid } = await client.auth('test.session', 'describe')
    client.close()
    await call('test.session', 'tokenFor', { cid, token: { user: 'x' } })
    for (const wrong of ['', 'a.b', 'a b', '*', '>']) {
      await assert.rejects(call('test.session', 'tokenFor', { cid: wrong, token: null }), {
        code: 'system.internalError',
      })
    }
    const next = await RawClient.connect()
    assert.equal(await who(next), null)
  })

  test('s02 a token may be set from outside of an authentication', async () => {
    const client = await RawClient.connect()
    const { cid } = await client.auth('test.session', 'describe')
    await call('test.session', 'tokenFor', { cid, token: { user: 'ann' } })
    await until(
      'the token',
      () => who(client),
      (token) => token?.user === 'ann',
    )
  })

  test('s07 a reset of tokens has those connections ask for a new one, and no others', async () => {
    const [ann, bob] = [await RawClient.connect(), await RawClient.connect()]
    await ann.auth('test.session', 'login', { user: 'ann', tid: 's07-ann' })
    await bob.auth('test.session', 'login', { user: 'bob', tid: 's07-bob' })
    await resetTokens(['s07-ann', 's07-unknown'], RENEW)
    const token = await until(
      'the new token',
      () => who(ann),
      (token) => token.renewed,
    )
    assert.deepEqual(token, { user: 'ann', renewed: true, params: null })
    assert.deepEqual(await who(bob), { user: 'bob' })
  })

  test('s08 a reset of no tokens says nothing, and one without a method of authentication is refused', async () => {
    const client = await RawClient.connect()
    await client.auth('test.session', 'login', { user: 'ann', tid: 's08' })
    await resetTokens([], RENEW)
    for (const wrong of ['', 'renew', 'auth.test', 'call.test.session.renew', 'auth.test..renew']) {
      await assert.rejects(resetTokens(['s08'], wrong), { code: 'system.internalError' }, wrong)
    }
    assert.deepEqual(await who(client), { user: 'ann' })
  })
})
