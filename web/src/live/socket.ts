/** The part of a WebSocket that ResClient uses. */
export interface SocketLike {
  onopen: ((event: unknown) => void) | null
  onerror: ((event: unknown) => void) | null
  onmessage: ((event: { data: string }) => void) | null
  onclose: ((event: unknown) => void) | null
  send(text: string): void
  close(): void
}

export interface Patience {
  /** First wait after a lost connection, doubled with each failure. */
  delayMilliseconds: number
  delayMillisecondsMax: number
  /** Silence after which the gateway is asked whether it is still there. */
  silenceMilliseconds: number
  /** How long it may take to answer that. */
  answerMilliseconds: number
  random: () => number
}

export const patience: Patience = {
  delayMilliseconds: 500,
  delayMillisecondsMax: 10_000,
  silenceMilliseconds: 20_000,
  answerMilliseconds: 6_000,
  random: Math.random,
}

/** ResClient counts its requests up from 1; it never gets here. */
const PROBE_ID = 2_147_483_647
const PROBE = JSON.stringify({ id: PROBE_ID, method: 'version', params: { protocol: '1.2.1' } })
const PROBE_ANSWER = `"id":${PROBE_ID}`

/** How long to wait before attempt number `failures + 1`. Spread out: a restarted gateway must not meet everybody at once. */
export function backoff(failures: number, { delayMilliseconds, delayMillisecondsMax, random }: Patience): number {
  if (failures === 0) return 0
  const ceiling = Math.min(delayMillisecondsMax, delayMilliseconds * 2 ** (failures - 1))
  return ceiling * (0.3 + 0.7 * random())
}

/**
 * Makes sockets that wait before they connect when the one before was lost, and that notice a dead line.
 *
 * ResClient reconnects at once and then every three seconds, all clients alike; and neither it nor Resgate sends
 * pings, so a line that died without a word would look alive for ever.
 */
export function patientSockets(open: () => WebSocket, options: Patience = patience): () => SocketLike {
  let failures = 0
  return () =>
    new PatientSocket(open, backoff(failures, options), options, {
      opened: () => (failures = 0),
      ended: () => (failures += 1),
    })
}

class PatientSocket implements SocketLike {
  onopen: SocketLike['onopen'] = null
  onerror: SocketLike['onerror'] = null
  onmessage: SocketLike['onmessage'] = null
  onclose: SocketLike['onclose'] = null
  private socket: WebSocket | null = null
  private timer: ReturnType<typeof setTimeout> | undefined
  private over = false

  constructor(
    private readonly open: () => WebSocket,
    delay: number,
    private readonly options: Patience,
    private readonly report: { opened(): void; ended(): void },
  ) {
    this.timer = setTimeout(this.connect, delay)
    if (delay > 0 && typeof addEventListener === 'function') addEventListener('online', this.connect, { once: true })
  }

  send(text: string): void {
    this.socket?.send(text)
  }

  close(): void {
    this.finish({ code: 1000 })
  }

  private connect = (): void => {
    if (this.socket || this.over) return
    clearTimeout(this.timer)
    const socket = this.open()
    this.socket = socket
    socket.onopen = (event) => {
      this.report.opened()
      this.listen()
      this.onopen?.(event)
    }
    socket.onmessage = (event: MessageEvent<string>) => {
      this.listen()
      if (event.data.length < 256 && event.data.includes(PROBE_ANSWER)) return
      this.onmessage?.(event)
    }
    socket.onerror = (event) => this.onerror?.(event)
    socket.onclose = (event) => this.finish(event)
  }

  private listen(): void {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => {
      this.socket?.send(PROBE)
      this.timer = setTimeout(() => this.finish({ code: 1006 }), this.options.answerMilliseconds)
    }, this.options.silenceMilliseconds)
  }

  private finish(event: unknown): void {
    if (this.over) return
    this.over = true
    clearTimeout(this.timer)
    if (typeof removeEventListener === 'function') removeEventListener('online', this.connect)
    this.report.ended()
    const socket = this.socket
    if (socket) {
      socket.onopen = socket.onmessage = socket.onerror = socket.onclose = null
      socket.close()
    }
    this.onclose?.(event)
  }
}
