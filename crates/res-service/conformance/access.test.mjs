// Who may see what, and for how long that holds.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { impatientGateway } from './support/gateways.mjs'
import { RawClient } from './support/raw-client.mjs'
import { until } from './support/until.mjs'
import { call, noted, replace, reset, rule } from './support/world.mjs'

const DENIED = { code: 'system.accessDenied', reason: 'Access denied' }

describe('access', { concurrency: true }, () => {
  test('a01 the access handler is told who asks and how, the get handler is not', async () => {
    const client = await RawClient.connect()
    await client.auth('test.session', 'login', { user: 'ann' })
    await client.subscribe('test.guarded.a01?x=1')
    const [asked, ...more] = await noted('access test.guarded.a01')
    assert.match(asked.cid, /^[a-z0-9]{20}$/)
    assert.deepEqual({ ...asked, cid: '' }, { cid: '', token: { user: 'ann' }, isHttp: false, query: 'x=1' })
    assert.deepEqual(more, [])
  })

  test('a02 a granted get covers what is referenced, but for soft references', async () => {
    const client = await RawClient.connect()
    await rule('test.guarded.a02_far', { get: false })
    await replace('test.model.a02', {
      child: { rid: 'test.shut.a02' },
      soft: { rid: 'test.guarded.a02_far', soft: true },
    })
    const { models } = await client.subscribe('test.model.a02')
    assert.deepEqual(models['test.shut.a02'], { shut: true })
    assert.equal(models['test.guarded.a02_far'], undefined)
    await assert.rejects(client.subscribe('test.shut.a02'), DENIED, 'by itself it is not shown')
  })

  test('a03 only the methods that were listed may be called', async () => {
    const client = await RawClient.connect()
    await rule('test.guarded.a03', { get: true, call: ['foo', 'bar'] })
    await client.subscribe('test.guarded.a03')
    assert.equal(await client.call('test.guarded.a03', 'foo'), 'foo')
    assert.equal(await client.call('test.guarded.a03', 'bar'), 'bar')
    await assert.rejects(client.call('test.guarded.a03', 'refresh'), DENIED)
    await rule('test.guarded.a03_calls', { get: false, call: ['bar'] })
    assert.equal(await client.call('test.guarded.a03_calls', 'bar'), 'bar')
    await assert.rejects(client.subscribe('test.guarded.a03_calls'), DENIED)
    await rule('test.guarded.a03_wrong', { get: true, call: ['foo,bar'] })
    await assert.rejects(client.subscribe('test.guarded.a03_wrong'), { code: 'system.internalError' })
  })

  test('a04 an error of the access handler reaches the client, and only a denial is kept', async () => {
    const client = await RawClient.connect()
    await rule('test.guarded.a04', { error: 'notFound' })
    await assert.rejects(client.subscribe('test.guarded.a04'), { code: 'system.notFound' })
    await rule('test.guarded.a04', { error: 'test.closed' })
    await assert.rejects(client.subscribe('test.guarded.a04'), { code: 'test.closed' })
    await rule('test.guarded.a04', { get: true })
    await client.subscribe('test.guarded.a04')
    // One that the client has through another is asked for when it is called: again after an error, once for a denial.
    await replace('test.model.a04', { child: { rid: 'test.guarded.a04_child' } })
    await client.subscribe('test.model.a04')
    const asked = async () => (await noted('access test.guarded.a04_child')).length
    const refused = (error) => assert.rejects(client.call('test.guarded.a04_child', 'foo'), error)
    await rule('test.guarded.a04_child', { error: 'test.closed' })
    await refused({ code: 'test.closed' })
    await refused({ code: 'test.closed' })
    assert.equal(await asked(), 2)
    await rule('test.guarded.a04_child', { get: false })
    await refused(DENIED)
    await rule('test.guarded.a04_child', { get: true, call: ['foo'] })
    await refused(DENIED)
    assert.equal(await asked(), 3)
  })

  test('a05 access may be answered by another service, and this one stays silent', async () => {
    const client = await RawClient.connect()
    const { models } = await client.subscribe('test.elsewhere.granted')
    assert.deepEqual(models['test.elsewhere.granted'], { here: true })
    const other = await RawClient.connect({ at: impatientGateway })
    await assert.rejects(other.subscribe('test.elsewhere.unknown'), { code: 'system.timeout' })
  })

  test('a06 who is granted nothing is denied, and so is everybody where nobody decides', async () => {
    const client = await RawClient.connect()
    await rule('test.guarded.a06', { get: false })
    await assert.rejects(client.subscribe('test.guarded.a06'), DENIED)
    await assert.rejects(client.call('test.guarded.a06', 'foo'), DENIED)
    await assert.rejects(client.subscribe('test.shut.a06'), DENIED)
  })

  test('a07 e11 an access is asked once for each connection, until a reaccess', async () => {
    const [ann, bob] = [await RawClient.connect(), await RawClient.connect()]
    const rid = 'test.guarded.a07'
    await rule(rid, { get: true, call: ['foo'] })
    await ann.subscribe(rid)
    for (let times = 0; times < 3; times++) await ann.call(rid, 'foo')
    assert.equal((await noted(`access ${rid}`)).length, 1)
    await bob.subscribe(rid)
    assert.equal((await noted(`access ${rid}`)).length, 2)
    await rule(rid, { get: true, call: ['foo', 'reaccess', 'emit'] })
    await call(rid, 'reaccess')
    await until(
      'both are asked again',
      () => noted(`access ${rid}`),
      (asked) => asked.length >= 4,
    )
    await rule(rid, { get: false })
    const before = (await noted('get test.guarded.a07')).length
    await ann.call(rid, 'reaccess')
    for (const client of [ann, bob]) {
      assert.deepEqual((await client.event(rid, 'unsubscribe')).reason, {
        code: 'system.accessDenied',
        message: 'Access denied',
      })
    }
    await assert.rejects(ann.subscribe(rid), DENIED)
    assert.equal((await noted('get test.guarded.a07')).length, before, 'the state is not asked again for that')
  })

  test('e11 what was announced before a reaccess is seen by those who lose it', async () => {
    const client = await RawClient.connect()
    const rid = 'test.guarded.e11'
    await rule(rid, { get: true, call: ['replace', 'reaccess'] })
    await client.subscribe(rid)
    await client.call(rid, 'replace', { last: 'word' })
    await rule(rid, { get: false })
    await client.call(rid, 'reaccess')
    await client.event(rid, 'unsubscribe')
    assert.deepEqual(
      client.events(rid).map(([name]) => name),
      ['change'],
    )
  })

  test('s06 a reset of access asks again who may, and takes away what is denied', async () => {
    const client = await RawClient.connect()
    for (const id of ['s06_a', 's06_b']) {
      await rule(`test.guarded.${id}`, { get: true })
      await client.subscribe(`test.guarded.${id}`)
    }
    await rule('test.guarded.s06_b', { get: false })
    await reset([], ['test.guarded.s06_a', 'test.guarded.s06_b'])
    assert.equal((await client.event('test.guarded.s06_b', 'unsubscribe')).reason.code, 'system.accessDenied')
    await until(
      'both are asked',
      () => noted('access test.guarded.s06_a'),
      (asked) => asked.length === 2,
    )
    assert.equal((await noted('get test.guarded.s06_a')).length, 1, 'access alone was reset')
    assert.deepEqual(client.events('test.guarded.s06_a'), [])
  })
})
