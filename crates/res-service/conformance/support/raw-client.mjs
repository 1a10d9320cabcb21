// A client that sends and shows every message as it is on the WebSocket, in its order.
import WebSocket from 'ws'
import { gateway } from './gateways.mjs'
import { inTime } from './until.mjs'

/** What a gateway answers instead of a result. */
export class Refused extends Error {
  constructor(method, error) {
    super(`${method} was refused with ${error.code}: ${error.message}`)
    this.code = error.code
    this.reason = error.message
    this.data = error.data
  }
}

const open = new Set()

export class RawClient {
  #socket
  #requests = 0
  #waiting = []
  /** Everything that came in, in its order: `{ id, result }`, `{ id, error }` and `{ event, data }`. */
  messages = []

  constructor(socket) {
    this.#socket = socket
    socket.on('message', (text) => {
      this.messages.push({ taken: false, ...JSON.parse(text) })
      for (const look of this.#waiting) look()
    })
  }

  /** Connects; without a `protocol` the client says no version, as very old ones do. */
  static async connect({ at = gateway, headers = {}, protocol = '1.2.3', path = '/' } = {}) {
    const socket = new WebSocket(`ws://${at}${path}`, { headers })
    const opened = new Promise((resolve, reject) => {
      socket.once('open', resolve)
      socket.once('unexpected-response', (_, response) => {
        response.destroy()
        reject(new Refused('the WebSocket', { code: response.statusCode, message: response.statusMessage }))
      })
      socket.once('error', reject)
    })
    const client = new RawClient(socket)
    await inTime(`the WebSocket at ${at} opens`, opened)
    open.add(client)
    if (protocol) await client.request('version', { protocol })
    return client
  }

  static closeAll() {
    for (const client of open) client.close()
    open.clear()
  }

  /** What both sides of the WebSocket have agreed on beside the protocol. */
  get extensions() {
    return this.#socket.extensions
  }

  close() {
    this.#socket.terminate()
  }

  send(text) {
    this.#socket.send(text)
  }

  /** The next message that fits and was not taken before. */
  take(what, fits) {
    return inTime(
      what,
      new Promise((resolve) => {
        const look = () => {
          const message = this.messages.find((message) => !message.taken && fits(message))
          if (!message) return
          message.taken = true
          this.#waiting = this.#waiting.filter((other) => other !== look)
          resolve(message)
        }
        this.#waiting.push(look)
        look()
      }),
      () => `what came: ${JSON.stringify(this.messages.slice(-20))}`,
    )
  }

  /** The result of a request; an error is thrown. */
  async request(method, params) {
    const id = ++this.#requests
    this.send(JSON.stringify({ id, method, params }))
    const answer = await this.take(`the answer to ${method}`, (message) => message.id === id)
    if (answer.error) throw new Refused(method, answer.error)
    return answer.result
  }

  subscribe(rid) {
    return this.request(`subscribe.${rid}`)
  }

  /** What a method answers. */
  async call(rid, method, params) {
    return (await this.request(`call.${rid}.${method}`, params)).payload
  }

  async auth(rid, method, params) {
    return (await this.request(`auth.${rid}.${method}`, params)).payload
  }

  /** What the next such event tells: `client.event('test.model.a', 'change')`. */
  async event(rid, name) {
    return (await this.take(`${rid}.${name}`, (message) => message.event === `${rid}.${name}`)).data
  }

  /** The events of a resource so far, without those already taken by `event`. */
  events(rid) {
    const of = (message) => !message.taken && message.event?.startsWith(`${rid}.`)
    return this.messages.filter(of).map(({ event, data }) => [event.slice(rid.length + 1), data])
  }

  /**
   * The events of a subscribed resource up to now: what the service said before this is called is among them, as a
   * gateway keeps the order of what is said of one resource.
   */
  async eventsUntilNow(rid) {
    await this.call(rid.split('?')[0], 'emit', { change: 'untilNow', payload: null })
    await this.event(rid, 'untilNow')
    return this.events(rid)
  }
}
