import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Live, type Link } from '../src/live/connection'
import { backoff, patience, patientSockets } from '../src/live/socket'

/** The far end of a WebSocket: a gateway that the test speaks for, in RES client protocol frames. */
class Gateway {
  static all: Gateway[] = []
  onopen: ((event: unknown) => void) | null = null
  onmessage: ((event: { data: string }) => void) | null = null
  onerror: ((event: unknown) => void) | null = null
  onclose: ((event: unknown) => void) | null = null
  isClosed = false
  readonly asked: { id: number; method: string; params?: Record<string, unknown> }[] = []

  constructor() {
    Gateway.all.push(this)
  }
  send(text: string): void {
    this.asked.push(JSON.parse(text) as (typeof this.asked)[number])
  }
  close(): void {
    this.isClosed = true
  }
  open(): void {
    this.onopen?.({})
    this.answer('version', { protocol: '1.2.3' })
  }
  tell(message: object): void {
    this.onmessage?.({ data: JSON.stringify(message) })
  }
  answer(method: string, result: unknown): void {
    const request = this.asked.findLast((entry) => entry.method === method)
    if (!request)
      throw new Error(`nobody asked ${method}; asked were ${this.asked.map((entry) => entry.method).join(', ')}`)
    this.tell({ id: request.id, result })
  }
  refuse(method: string, code: string): void {
    const request = this.asked.findLast((entry) => entry.method === method)!
    this.tell({ id: request.id, error: { code, message: code } })
  }
  die(): void {
    this.onclose?.({ code: 1006 })
  }
}

const last = () => Gateway.all.at(-1)!
const steps = async () => vi.advanceTimersByTimeAsync(0)
const open = () =>
  new Live(
    '',
    patientSockets(() => new Gateway() as unknown as WebSocket, { ...patience, random: () => 1 }),
  )

beforeEach(() => {
  vi.useFakeTimers()
  Gateway.all = []
})
afterEach(() => {
  vi.useRealTimers()
})

describe('waiting for the gateway', () => {
  it('connects at once the first time, and later and later after losses, with jitter', () => {
    const half = { ...patience, random: () => 0.5 }
    expect(backoff(0, half)).toBe(0)
    expect(backoff(1, half)).toBeCloseTo(325)
    expect(backoff(3, half)).toBeCloseTo(1300)
    expect(backoff(20, half)).toBeCloseTo(6500)
    expect(backoff(1, { ...patience, random: () => 0 })).toBeLessThan(backoff(1, { ...patience, random: () => 1 }))
  })
})

describe('the connection', () => {
  it('follows a model and its changes', async () => {
    const live = open()
    const seen: unknown[] = []
    live.watch('tickets.event.e', { value: (properties, changed) => seen.push([{ ...properties }, changed]) })
    await steps()
    last().open()
    await steps()
    last().answer('subscribe.tickets.event.e', { models: { 'tickets.event.e': { status: 'published' } } })
    await steps()
    last().tell({ event: 'tickets.event.e.change', data: { values: { status: 'on_sale' } } })
    expect(seen).toEqual([
      [{ status: 'published' }, null],
      [{ status: 'on_sale' }, ['status']],
    ])
  })

  it('says lost and online, subscribes again by itself and tells what changed meanwhile', async () => {
    const live = open()
    const links: Link[] = []
    const seen: unknown[] = []
    live.onLink((link) => links.push(link))
    live.watch('r.a', { value: (properties) => seen.push({ ...properties }) })
    await steps()
    last().open()
    await steps()
    last().answer('subscribe.r.a', { models: { 'r.a': { n: 1 } } })
    await steps()
    last().die()
    expect(links).toEqual(['connecting', 'online', 'lost'])
    await vi.advanceTimersByTimeAsync(600)
    expect(Gateway.all).toHaveLength(2)
    last().open()
    await steps()
    last().answer('subscribe.r.a', { models: { 'r.a': { n: 2 } } })
    await steps()
    expect(links.at(-1)).toBe('online')
    expect(seen).toEqual([{ n: 1 }, { n: 2 }])
  })

  it('keeps trying when the first connection cannot be made', async () => {
    const live = open()
    const seen: unknown[] = []
    live.watch('r.a', { value: (properties) => seen.push({ ...properties }) })
    await steps()
    last().onerror?.({})
    last().die()
    await vi.advanceTimersByTimeAsync(3000)
    expect(Gateway.all.length).toBeGreaterThan(1)
    last().open()
    await vi.advanceTimersByTimeAsync(3000)
    last().answer('subscribe.r.a', { models: { 'r.a': { n: 1 } } })
    await steps()
    expect(seen).toEqual([{ n: 1 }])
  })

  it('ends a call whose connection is lost as unknown, not never', async () => {
    const live = open()
    const call = live.call('orders', 'new', { hold: 'h' }).catch((error: unknown) => error)
    await steps()
    last().open()
    await steps()
    last().die()
    expect(await call).toMatchObject({ code: 'live.lost', isUnknown: true })
  })

  it('ends a call that nobody answers at its deadline', async () => {
    const live = open()
    const call = live.call('orders', 'new', {}).catch((error: unknown) => error)
    await steps()
    last().open()
    await vi.advanceTimersByTimeAsync(10_001)
    expect(await call).toMatchObject({ code: 'live.deadline' })
  })

  it('gives the refusal of a service with its data', async () => {
    const live = open()
    const call = live.call('tickets.event.e', 'hold', { seats: ['a'] }).catch((error: unknown) => error)
    await steps()
    last().open()
    await steps()
    const request = last().asked.at(-1)!
    last().tell({ id: request.id, error: { code: 'tickets.seatTaken', message: 'taken', data: { seats: ['a'] } } })
    expect(await call).toMatchObject({ code: 'tickets.seatTaken', data: { seats: ['a'] }, isUnknown: false })
  })

  it("comes in again when it is refused, once: the connection may be nobody's", async () => {
    const live = open()
    live.watch('tickets.event.e', { value: () => undefined })
    await steps()
    last().open()
    await steps()
    const call = live.call('tickets.event.e', 'hold', {}).catch((error: unknown) => error)
    await steps()
    last().refuse('call.tickets.event.e.hold', 'system.accessDenied')
    await vi.advanceTimersByTimeAsync(1000)
    expect(Gateway.all).toHaveLength(2)
    expect(Gateway.all[0]!.isClosed).toBe(true)
    last().open()
    await steps()
    expect(last().asked.some(({ method }) => method === 'subscribe.tickets.event.e')).toBe(true)
    last().refuse('call.tickets.event.e.hold', 'system.accessDenied')
    expect(await call).toMatchObject({ code: 'system.accessDenied' })

    const again = live.call('tickets.event.e', 'hold', {}).catch((error: unknown) => error)
    await steps()
    last().refuse('call.tickets.event.e.hold', 'system.accessDenied')
    expect(await again).toMatchObject({ code: 'system.accessDenied' })
    expect(Gateway.all).toHaveLength(2)
  })

  it('tells a watcher that a resource is not for it, and asks no more', async () => {
    const live = open()
    const refused: string[] = []
    live.watch('tickets.hold.x', { value: () => undefined, refused: (error) => refused.push(error.code) })
    await steps()
    last().open()
    await steps()
    last().refuse('subscribe.tickets.hold.x', 'system.accessDenied')
    await vi.advanceTimersByTimeAsync(30_000)
    expect(refused).toEqual(['system.accessDenied'])
    expect(last().asked.filter(({ method }) => method.startsWith('subscribe'))).toHaveLength(1)
  })

  it('believes that a resource is absent only when it stays so', async () => {
    const live = open()
    const refused: string[] = []
    live.watch('orders.mine.b', { value: () => undefined, refused: (error) => refused.push(error.code) })
    await steps()
    last().open()
    for (let attempt = 0; attempt < 5; attempt++) {
      await steps()
      expect(refused).toEqual([])
      last().refuse('subscribe.orders.mine.b', 'system.notFound')
      await vi.advanceTimersByTimeAsync(6000)
    }
    expect(refused).toEqual(['system.notFound'])
  })

  it('asks a silent gateway whether it is there, and leaves it when it is not', async () => {
    const live = open()
    live.watch('r.a', { value: () => undefined })
    await steps()
    const first = last()
    first.open()
    await steps()
    first.answer('subscribe.r.a', { models: { 'r.a': { n: 1 } } })
    await vi.advanceTimersByTimeAsync(20_001)
    const probe = first.asked.at(-1)!
    expect(probe.method).toBe('version')
    first.tell({ id: probe.id, result: { protocol: '1.2.3' } })
    expect(live.link).toBe('online')
    await vi.advanceTimersByTimeAsync(26_002)
    expect(live.link).toBe('lost')
    expect(first.isClosed).toBe(true)
  })

  it('unsubscribes a while after the last watcher left', async () => {
    const live = open()
    const stop = live.watch('r.a', { value: () => undefined })
    await steps()
    last().open()
    await steps()
    last().answer('subscribe.r.a', { models: { 'r.a': { n: 1 } } })
    await steps()
    stop()
    await vi.advanceTimersByTimeAsync(3000)
    expect(last().asked.at(-1)!.method).not.toBe('unsubscribe.r.a')
    await vi.advanceTimersByTimeAsync(2000)
    expect(last().asked.at(-1)!.method).toBe('unsubscribe.r.a')
  })

  it('follows a collection and every model in it', async () => {
    const live = open()
    const seen: string[] = []
    const firsts = new Set<object>()
    live.watchCollection('orders.mine.b', {
      items: (items) => {
        seen.push(items.map((item) => `${String(item.id)}:${String(item.state)}`).join(' '))
        firsts.add(items[0]!)
      },
    })
    await steps()
    last().open()
    await steps()
    last().answer('subscribe.orders.mine.b', {
      collections: { 'orders.mine.b': [{ rid: 'o.1' }] },
      models: { 'o.1': { id: 1, state: 'awaiting_payment' } },
    })
    await steps()
    last().tell({ event: 'o.1.change', data: { values: { state: 'paid' } } })
    last().tell({
      event: 'orders.mine.b.add',
      data: { idx: 0, value: { rid: 'o.2' }, models: { 'o.2': { id: 2, state: 'paid' } } },
    })
    expect(seen).toEqual(['1:awaiting_payment', '1:paid', '2:paid 1:paid'])
    expect(firsts.size, 'what changed is another object than before').toBe(3)
  })
})
