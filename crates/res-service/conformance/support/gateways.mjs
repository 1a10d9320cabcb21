// Where the gateways are that the Rust side has started.
const address = (name) => {
  const value = process.env[name]
  if (!value)
    throw new Error(`${name} is not set: these tests are run by \`cargo test -p res-service --test conformance\``)
  return value
}

/** The gateway of most tests: patience of 3 s, `put`, `remove` and `patch` as methods of HTTP. */
export const gateway = address('GATEWAY')
/** Asks `test.session.byHeader` who everybody is, writes flat JSON, and waits 400 ms for an answer. */
export const askingGateway = address('ASKING_GATEWAY')
/** The one that `test.control.restartGateway` kills and starts again. */
export const fragileGateway = address('FRAGILE_GATEWAY')
