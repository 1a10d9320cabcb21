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
  // The resets that follow a start show what was counted too, but only two of them come in this time.
  const add = {
    curl: async () => (await post('/api/example/counter/add', '{"by":1}', { headers })).json,
    client: () => one.call('example.counter', 'add', { by: 1 }),
  }
  for (const [count, who] of [
    [1, 'curl'],
    [2, 'client'],
    [3, 'curl'],
  ]) {
    assert.equal(await add[who](), count)
    for (const client of [one, other]) {
      assert.deepEqual(await client.event('example.counter', 'change'), { values: { count } })
    }
  }
  assert.deepEqual((await http('GET', '/api/example/counter')).json, { count: 3 })
})
