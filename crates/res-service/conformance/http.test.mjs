// The resources over HTTP.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { askingGateway, choosyGateway, impatientGateway } from './support/gateways.mjs'
import { http, post } from './support/http.mjs'
import { replace, rule } from './support/world.mjs'

const get = (path, options) => http('GET', path, options)
const meta = (params, options) => post('/api/test/answers/meta', params, options)

describe('reading', { concurrency: true }, () => {
  test('a model, a collection, a query and the head of each', async () => {
    await replace('test.model.http', { a: 1 })
    await replace('test.list.http', ['x', null])
    const model = await get('/api/test/model/http')
    assert.deepEqual([model.status, model.json], [200, { a: 1 }])
    assert.match(model.headers['content-type'], /^application\/json/)
    assert.deepEqual((await get('/api/test/list/http')).json, ['x', null])
    assert.deepEqual((await get('/api/test/words/http?prefix=a&limit=1')).json, ['ada'])
    const head = await http('HEAD', '/api/test/model/http')
    assert.deepEqual([head.status, head.text], [200, ''])
  })

  test('t03 t04 what is escaped in a path is part of the name, and what is no name is not found', async () => {
    const part = 'a b/c'
    assert.equal((await get(`/api/test/odd/${encodeURIComponent('$a{b}<c"/')}`)).json.part, '$a{b}<c"/')
    for (const path of [
      '/api/test/model.x',
      '/api/test/model/x/',
      '/api/test//x',
      '/api/',
      `/api/test/odd/${encodeURIComponent(part)}`,
    ]) {
      assert.equal((await get(path)).status, 404, path)
    }
  })

  test('v02 v03 v04 references are written out under their addresses, data as it is', async () => {
    await replace('test.model.href_child', { name: 'child' })
    await replace('test.list.href', [{ rid: 'test.model.href' }, { rid: 'test.model.href_gone' }])
    await replace('test.model.href_gone', null)
    const soft = { rid: 'test.model.far', soft: true }
    await replace('test.model.href', {
      child: { rid: 'test.model.href_child' },
      list: { rid: 'test.list.href' },
      soft,
      data: { data: { a: [1] } },
    })
    const notFound = { code: 'system.notFound', message: 'Not found' }
    assert.deepEqual((await get('/api/test/model/href')).json, {
      child: { href: '/api/test/model/href_child', model: { name: 'child' } },
      list: {
        href: '/api/test/list/href',
        collection: [{ href: '/api/test/model/href' }, { href: '/api/test/model/href_gone', error: notFound }],
      },
      soft: { href: '/api/test/model/far' },
      data: { a: [1] },
    })
    const flat = (await get('/api/test/model/href', { at: askingGateway })).json
    assert.deepEqual(flat, {
      child: { name: 'child' },
      list: [{ href: '/api/test/model/href' }, notFound],
      soft: { href: '/api/test/model/far' },
      data: { a: [1] },
    })
  })

  test('a06 g04 t18 errors have the status of their code', async () => {
    await replace('test.model.http_gone', null)
    await replace('test.model.http_broken', { failsWith: 'the database is down' })
    for (const [path, status, code] of [
      ['/api/test/model/http_gone', 404, 'system.notFound'],
      ['/api/test/nothing', 404, 'system.notFound'],
      ['/api/nobody/model', 404, 'system.notFound'],
      ['/api/test/shut/http', 401, 'system.accessDenied'],
      ['/api/test/model/http_broken', 500, 'system.internalError'],
      ['/api/test/words/http?colour=red', 400, 'system.invalidQuery'],
      [`/api/test/odd/${'x'.repeat(5000)}`, 414, 'system.subjectTooLong'],
    ]) {
      const answer = await get(path)
      assert.deepEqual([answer.status, answer.json.code], [status, code], path)
    }
  })

  test('a05 who may see it is answered by nobody: not found, as far as HTTP goes', async () => {
    const answer = await get('/api/test/elsewhere/unknown', { at: impatientGateway })
    assert.deepEqual([answer.status, answer.json.code], [404, 'system.timeout'])
  })
})

describe('calling', { concurrency: true }, () => {
  test('c01 c10 a post is a call of the last part, with its body as parameters', async () => {
    const { status, json } = await post('/api/test/answers/echo?a=1&b=2', { n: [1] })
    assert.equal(status, 200)
    assert.deepEqual(
      { ...json, cid: '' },
      {
        name: 'test.answers',
        method: 'echo',
        cid: '',
        token: null,
        query: 'a=1&b=2',
        params: { n: [1] },
        isHttp: true,
      },
    )
    assert.equal((await post('/api/test/answers/echo')).json.params, null, 'no body, no parameters')
    const wrong = await post('/api/test/answers/echo', '{')
    assert.deepEqual([wrong.status, wrong.json.code], [400, 'system.badRequest'])
  })

  test('put, patch and delete are the methods that the gateway was given', async () => {
    const body = { n: 1 }
    // A gateway does not read the body of a delete.
    for (const [method, name, params] of [
      ['PUT', 'put', body],
      ['PATCH', 'patch', body],
      ['DELETE', 'remove', null],
    ]) {
      const { status, json } = await http(method, '/api/test/answers', { body })
      assert.deepEqual([status, json.method, json.name, json.params], [200, name, 'test.answers', params])
      const none = await http(method, '/api/test/model/x', { body: {} })
      assert.deepEqual([none.status, none.json.code], [405, 'system.methodNotAllowed'], `${method} without a handler`)
      const unmapped = await http(method, '/api/test/answers', { at: askingGateway, body: {} })
      assert.equal(unmapped.status, 405, `${method} at a gateway without a method for it`)
    }
  })

  test('pages of other origins are refused, and those of its own may read the answer', async () => {
    const from = (Origin) => get('/api/test/model/cors', { at: choosyGateway, headers: Origin ? { Origin } : {} })
    for (const origin of ['http://tickets.example', 'http://box-office.example']) {
      const { status, headers } = await from(origin)
      assert.deepEqual([status, headers['access-control-allow-origin']], [200, origin])
    }
    const { status, json } = await from('http://else.where')
    assert.deepEqual([status, json.code], [403, 'system.forbidden'])
    assert.equal((await from(undefined)).status, 200, 'a program says no origin')
    const asked = await get('/api/test/model/cors', { at: askingGateway, headers: { Origin: 'http://any.where' } })
    assert.equal(asked.headers['access-control-allow-credentials'], 'true', 'where cookies say who it is')
  })

  test('options tell which methods there are', async () => {
    const asked = { 'Access-Control-Request-Headers': 'X-A, X-B', Origin: 'http://else.where' }
    const { status, headers } = await http('OPTIONS', '/api/test/answers', { headers: asked })
    assert.equal(status, 200)
    assert.equal(headers['access-control-allow-methods'], 'GET, HEAD, OPTIONS, POST, PUT, DELETE, PATCH')
    assert.equal(headers['access-control-allow-headers'], 'X-A, X-B')
  })

  test('r02 c02 a result is the body, and null is none', async () => {
    const text = await post('/api/test/answers/result', { a: 1 })
    assert.deepEqual([text.status, text.json], [200, { a: 1 }])
    const nothing = await post('/api/test/answers/nothing')
    assert.deepEqual([nothing.status, nothing.text], [204, ''])
  })

  test('r03 c03 a resource as the answer is its address', async () => {
    const { status, headers, text } = await post('/api/test/answers/resource', '"test.words.r03?prefix=b"')
    assert.deepEqual([status, text], [200, ''])
    assert.deepEqual((await get(headers.location)).json, ['bob'], `${headers.location} leads to the query`)
  })

  test('r04 r12 an error is the body, with the status of its code', async () => {
    for (const [name, status] of Object.entries({
      notFound: 404,
      methodNotFound: 404,
      timeout: 404,
      accessDenied: 401,
      internalError: 500,
      invalidParams: 400,
      invalidQuery: 400,
    })) {
      const { status: shown, json } = await post('/api/test/answers/predefined', JSON.stringify(name))
      assert.deepEqual([shown, json.code], [status, `system.${name}`])
    }
    const taken = { code: 'test.seatTaken', message: 'Taken', data: { seat: 'A-1' } }
    const custom = await post('/api/test/answers/fail', taken)
    assert.deepEqual([custom.status, custom.json], [400, taken])
    const unheard = await post('/api/test/answers/unheard')
    assert.deepEqual([unheard.status, unheard.json.code], [404, 'system.methodNotFound'])
    await rule('test.guarded.http', { get: true })
    assert.equal((await post('/api/test/guarded/http/foo')).status, 401)
  })
})

describe('status and headers', { concurrency: true }, () => {
  test('r05 a status of 300 to 599 is that of the answer, and with any other there is none', async () => {
    for (const status of [300, 404, 418, 503, 599]) assert.equal((await meta({ status })).status, status)
    for (const status of [0, 200, 299, 600, 1000]) {
      const answer = await meta({ status })
      assert.deepEqual([answer.status, answer.json.code], [500, 'system.internalError'], status)
    }
  })

  test('r06 a redirection has no body, and goes to the header or else to the resource', async () => {
    const resource = 'test.model.target'
    const to = await meta({ status: 303, resource })
    assert.deepEqual([to.status, to.headers.location, to.text], [303, '/api/test/model/target', ''])
    const header = await meta({ status: 307, resource, headers: [['location', '/elsewhere']] })
    assert.deepEqual([header.status, header.headers.location, header.text], [307, '/elsewhere', ''])
    const plain = await meta({ status: 302, headers: [['Location', '/plain']] })
    assert.deepEqual([plain.status, plain.headers.location, plain.text], [302, '/plain', ''])
  })

  test('r07 a status of failure shows the error that was given, or the one of the status', async () => {
    const given = await meta({ status: 503, error: 'notFound' })
    assert.deepEqual([given.status, given.json.code], [503, 'system.notFound'])
    const matching = {
      400: 'badRequest',
      401: 'accessDenied',
      403: 'forbidden',
      404: 'notFound',
      503: 'serviceUnavailable',
    }
    for (const [status, code] of Object.entries(matching)) {
      const answer = await meta({ status: Number(status) })
      assert.deepEqual([answer.status, answer.json.code], [Number(status), `system.${code}`])
    }
  })

  test("r08 headers of any spelling are sent, several values too, and with one that is the gateway's none", async () => {
    const headers = [
      ['x-one', '1'],
      ['X-MANY', 'a'],
      ['x-many', 'b'],
      ['set-cookie', 'a=1; HttpOnly'],
      ['Set-Cookie', 'b=2'],
    ]
    const answer = await meta({ headers })
    assert.equal(answer.headers['x-one'], '1')
    assert.equal(answer.headers['x-many'], 'a, b')
    assert.deepEqual(answer.headers['set-cookie'], ['a=1; HttpOnly', 'b=2'])
    assert.deepEqual([answer.status, answer.json], [200, 'body'])
    for (const wrong of [
      ['Content-Type', 'text/html'],
      ['access-control-allow-origin', 'http://forged'],
      ['x-one', 'a\r\nset-cookie: forged=1'],
    ]) {
      const { status, json, headers: sent } = await meta({ headers: [['x-two', '2'], wrong] })
      assert.deepEqual([status, json.code, sent['x-two']], [500, 'system.internalError', undefined], wrong[0])
      assert.notEqual(sent['access-control-allow-origin'], 'http://forged')
    }
  })

  test('r09 the headers of the call win over those of the access, and these over the authentication', async () => {
    const at = askingGateway
    const rid = 'test.guarded.r09'
    await rule(rid, { get: true, call: ['meta'], headers: { 'x-from': 'access', 'x-access': 'seen' } })
    const guarded = (params) => post('/api/test/guarded/r09/meta', params, { at })
    const from = ({ headers }) => [headers['x-from'], headers['x-access'], headers['x-auth']]
    assert.deepEqual(from(await guarded({ headers: [['x-from', 'call']] })), ['call', 'seen', 'seen'])
    assert.deepEqual(from(await guarded({})), ['access', 'seen', 'seen'])
    await rule(rid, { get: false, status: 402, headers: { 'x-from': 'access' } })
    const shut = await get('/api/test/guarded/r09', { at })
    assert.deepEqual([shut.status, shut.json.code, shut.headers['x-from']], [402, 'system.accessDenied', 'access'])
    const both = await meta({ headers: [['x-from', 'call']] }, { at })
    assert.deepEqual([both.headers['x-from'], both.headers['x-auth']], ['call', 'seen'])
    assert.equal((await meta({}, { at })).headers['x-from'], 'auth')
    const failing = await meta({ status: 404 }, { at })
    assert.equal(failing.status, 404)
  })
})

describe('authentication by headers', { concurrency: true }, () => {
  const at = askingGateway
  const who = (headers) => post('/api/test/session/who', undefined, { at, headers })

  test('s01 c10 the token that a header gives is that of its request alone', async () => {
    assert.deepEqual((await who({ Cookie: 'user=ann' })).json, { user: 'ann', isHttp: true })
    assert.equal((await who({})).status, 204, 'the next request is nobody’s')
    await rule('test.guarded.header', { user: 'ann' })
    assert.equal((await get('/api/test/guarded/header', { at, headers: { Cookie: 'user=ann' } })).status, 200)
    assert.equal((await get('/api/test/guarded/header', { at, headers: { Cookie: 'user=bob' } })).status, 401)
  })

  test('r06 r07 a status of the authentication ends the request before it reaches the resource', async () => {
    const forbidden = await who({ 'X-Answer': 'forbidden' })
    assert.deepEqual([forbidden.status, forbidden.json.code], [403, 'test.forbidden'])
    const redirect = await who({ 'X-Answer': 'redirect' })
    assert.deepEqual([redirect.status, redirect.headers.location, redirect.text], [307, '/login', ''])
  })

  test('r08 the cookies of an authentication reach the client', async () => {
    const { headers } = await get('/api/test/model/cookie', { at, headers: { 'X-Answer': 'cookie' } })
    assert.deepEqual(headers['set-cookie'], ['a=1', 'b=2'])
  })
})
