// The first screen of the README, as those see it who have just started it.
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { http, post } from './support/http.mjs'
import { RawClient } from './support/raw-client.mjs'

after(() => RawClient.closeAll())

// What `curl -d` says of what it sends.
const headers = { 'content-type': 'application/x-www-form-urlencoded' }

test("the README's counter shows what it counts, and every client sees it change", async () => {
  const [one, other] = [await RawClient.connect(), await RawClient.connect()]
  for (const client of [one, other]) {
    assert.deepEqual((await client.subscribe('example.counter')).models['example.counter'], { count: 0 })
  }
  assert.equal((await post('/api/example/counter/add', '{"by":1}', { headers })).json, 1)
  assert.equal(await one.call('example.counter', 'add', { by: 2 }), 3)
  for (const client of [one, other]) {
    let shown = 0
    while (shown < 3) {
      const { values } = await client.event('example.counter', 'change')
      assert.ok(values.count > shown, `it shows ${values.count} after ${shown}`)
      shown = values.count
    }
    assert.equal(shown, 3)
  }
  assert.deepEqual((await http('GET', '/api/example/counter')).json, { count: 3 })
})
