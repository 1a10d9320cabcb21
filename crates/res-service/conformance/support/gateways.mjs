// Where the gateways are that the Rust side has started.
const address = (name) => {
  const value = process.env[name]
  if (!value)
    throw new Error(`${name} is not set: these tests are run by \`cargo test -p res-service --test conformance\``)
  return value
}

/** The gateway of most tests: patience of 3 s, `put`, `remove` and `patch` as methods of HTTP. */
export const gateway = address('GATEWAY')
/** Asks `test.session.byHeader` who everybody is, and writes flat JSON. */
export const askingGateway = address('ASKING_GATEWAY')
/** Waits half a second for an answer: for what is never answered in time. */
export const impatientGateway = address('IMPATIENT_GATEWAY')
/** Takes pages of `http://tickets.example` and `http://box-office.example` alone, and compresses WebSockets. */
export const choosyGateway = address('CHOOSY_GATEWAY')
/** The one that `test.control.restartGateway` kills and starts again. */
export const fragileGateway = address('FRAGILE_GATEWAY')
