// What the tests ask of the service's own side.
import { after } from 'node:test'
import { RawClient } from './raw-client.mjs'
import { closeAll } from './res-client.mjs'

let client
after(() => {
  RawClient.closeAll()
  closeAll()
})

const control = async (rid, method, params) => {
  client ??= RawClient.connect()
  return (await client).call(rid, method, params)
}

/** Says what a resource holds from now on, and has it announced. `null`: it is gone. */
export const replace = (rid, state) => control(rid, 'replace', state)
/** Says what a resource holds from now on, and tells nobody. */
export const replaceQuietly = (rid, state) => control(rid, 'replaceQuietly', state)
/** Calls a method of a resource with a connection of nobody's. */
export const call = (rid, method, params) => control(rid, method, params)
/** Who may do what with a `test.guarded` resource. */
export const rule = (rid, rule) => control('test.rules', 'set', [rid, rule])
/** Makes the gateways ask again. */
export const reset = (resources, access) => control('test.control', 'reset', { resources, access })
/** What the service was asked: `noted('get test.model.a')` is a list of the queries. */
export const noted = (request) => control('test.control', 'noted', request)
