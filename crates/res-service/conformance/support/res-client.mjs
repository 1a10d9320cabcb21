// The client library that browsers use, on the WebSockets of `ws`.
import resclient from 'resclient'
import WebSocket from 'ws'
import { gateway } from './gateways.mjs'

const ResClient = resclient.default ?? resclient
const open = new Set()
const sockets = new Set()

/** A client; it connects with its first request. */
export const resClient = ({ at = gateway, headers = {}, ...options } = {}) => {
  const socket = () => {
    // One message, then what follows from it, then the next, as in a browser. By itself `ws` hands over all that came together
    // at once: a change was taken before the answer that it came behind, which then brought the state of before it back.
    const socket = new WebSocket(`ws://${at}/`, { headers, allowSynchronousEvents: false })
    sockets.add(socket)
    return socket
  }
  const namespace = `client${open.size}`
  const client = new ResClient(socket, { namespace, reconnectDelay: 200, unsubscribeDelay: 50, ...options })
  open.add(client)
  return client
}

export const closeAll = () => {
  for (const client of open) client.disconnect()
  // A gateway may leave a socket that is asked to close waiting: Node would wait with it.
  for (const socket of sockets) socket.terminate()
}

/** What a model holds, with referenced resources as they are. */
export const properties = (model) => JSON.parse(JSON.stringify(model.props))

/** What a collection holds. */
export const items = (collection) => JSON.parse(JSON.stringify(collection.toArray()))
