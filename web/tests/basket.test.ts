import { beforeEach, describe, expect, it } from 'vitest'
import { Basket, type HoldAnswer, type HoldRequest, type Notice, type Seller } from '../src/basket/basket'
import { bestTogether } from '../src/basket/best'
import { alternatives } from '../src/basket/neighbours'
import { nothing } from '../src/basket/selection'
import { CallError } from '../src/live/connection'
import { messageOf } from '../src/sale/notice-text'
import { indices, known, plan } from './support/plans'

type Step = { request: HoldRequest; answer(): void; refuse(code: string, data?: Record<string, unknown>): void }

let holds: Step[]
let releases: string[]
let notices: Notice[]
let basket: Basket
let key = 0

/** A seller whose answers the test gives, one by one. */
const seller: Seller = {
  hold: (request) =>
    new Promise<HoldAnswer>((resolve, reject) => {
      const number = holds.length + 1
      holds.push({
        request,
        answer: () =>
          resolve({
            hold: `hold_${number}`,
            expiresAt: '2026-03-01T00:10:00Z',
            lines: [],
            total: { amount: request.seats.length * 100, currency: 'EUR' },
          }),
        refuse: (code, data) => reject(new CallError(code, code, data)),
      })
    }),
  release: async (hold) => {
    releases.push(hold)
  },
  pause: async () => undefined,
  key: () => `key-${++key}`,
}

const settled = async () => {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve()
}

beforeEach(() => {
  holds = []
  releases = []
  notices = []
  basket = new Basket(
    seller,
    () => undefined,
    (notice) => notices.push(notice),
    () => 4,
  )
})

describe('the basket', () => {
  it('holds a tapped seat at once', async () => {
    basket.toggle('a')
    expect(basket.has('a')).toBe(true)
    expect(basket.isHeld('a')).toBe(false)
    expect(holds[0]!.request).toMatchObject({ seats: ['a'], areas: [] })
    expect(holds[0]!.request).not.toHaveProperty('replaces')
    holds[0]!.answer()
    await settled()
    expect(basket.isHeld('a')).toBe(true)
    expect(notices).toEqual([{ kind: 'held', added: ['a'], count: 1 }])
  })

  it('replaces its hold when the reader changes the choice, so that no seat is free in between', async () => {
    basket.toggle('a')
    holds[0]!.answer()
    await settled()
    basket.toggle('b')
    expect(holds[1]!.request).toMatchObject({ seats: ['a', 'b'], replaces: 'hold_1' })
    holds[1]!.answer()
    await settled()
    expect(basket.current).toMatchObject({ id: 'hold_2', selection: { seats: ['a', 'b'] } })
  })

  it('sends one request at a time and gathers quick taps into the next', async () => {
    basket.toggle('a')
    basket.toggle('b')
    basket.toggle('c')
    basket.toggle('b')
    expect(holds).toHaveLength(1)
    holds[0]!.answer()
    await settled()
    expect(holds).toHaveLength(2)
    expect(holds[1]!.request).toMatchObject({ seats: ['a', 'c'], replaces: 'hold_1' })
  })

  it('uses a new key for every request', async () => {
    basket.toggle('a')
    holds[0]!.answer()
    await settled()
    basket.toggle('b')
    expect(holds[0]!.request.key).not.toBe(holds[1]!.request.key)
  })

  it('releases its hold when nothing is wanted any more', async () => {
    basket.toggle('a')
    holds[0]!.answer()
    await settled()
    basket.toggle('a')
    await settled()
    expect(releases).toEqual(['hold_1'])
    expect(basket.current).toBeNull()
  })

  it('holds units of areas together with seats', async () => {
    basket.setArea('pit', 2)
    holds[0]!.answer()
    await settled()
    basket.toggle('a')
    expect(holds[1]!.request).toMatchObject({ seats: ['a'], areas: [{ area: 'pit', quantity: 2 }], replaces: 'hold_1' })
  })

  it('keeps what it has when somebody else was faster for one seat', async () => {
    basket.toggle('a')
    holds[0]!.answer()
    await settled()
    basket.add(['b', 'c'])
    holds[1]!.refuse('tickets.seatTaken', { seats: ['b'] })
    await settled()
    expect(notices.at(-1)).toEqual({ kind: 'taken', seats: ['b'], areas: [] })
    expect(holds[2]!.request).toMatchObject({ seats: ['a', 'c'], replaces: 'hold_1' })
    holds[2]!.answer()
    await settled()
    expect(basket.wanted.seats).toEqual(['a', 'c'])
  })

  it('does not ask for ever when a refusal names no seat it asked for', async () => {
    basket.toggle('a')
    holds[0]!.refuse('tickets.seatTaken', { seats: ['elsewhere'] })
    await settled()
    expect(holds).toHaveLength(1)
    expect(basket.wanted).toEqual(nothing)
  })

  it('says how many are allowed and asks nobody when the limit is known', () => {
    basket.add(['a', 'b', 'c', 'd', 'e'])
    expect(holds).toHaveLength(0)
    expect(notices).toEqual([{ kind: 'tooMany', max: 4 }])
  })

  it('goes back to what it holds when the server refuses', async () => {
    basket.toggle('a')
    holds[0]!.answer()
    await settled()
    basket.toggle('b')
    holds[1]!.refuse('tickets.limitReached', { max: 1 })
    await settled()
    expect(basket.wanted.seats).toEqual(['a'])
    expect(notices.at(-1)).toEqual({ kind: 'limit', max: 1 })
  })

  it('tries again with the same key when the outcome is unknown or the server busy', async () => {
    basket.toggle('a')
    holds[0]!.refuse('live.lost')
    await settled()
    holds[1]!.refuse('tickets.busy')
    await settled()
    expect(holds.map(({ request }) => request.key)).toEqual(Array(3).fill(holds[0]!.request.key))
    holds[2]!.answer()
    await settled()
    expect(basket.isHeld('a')).toBe(true)
  })

  it('gives up after a limited number of tries', async () => {
    basket.toggle('a')
    for (let attempt = 0; attempt < 7; attempt++) {
      holds[attempt]!.refuse('tickets.busy')
      await settled()
    }
    expect(holds).toHaveLength(7)
    expect(basket.wanted).toEqual(nothing)
    expect(notices.at(-1)).toEqual({ kind: 'busy' })
  })

  it('asks anew without the old hold when that has run out meanwhile', async () => {
    basket.toggle('a')
    holds[0]!.answer()
    await settled()
    basket.toggle('b')
    holds[1]!.refuse('tickets.holdNotActive')
    await settled()
    expect(holds[2]!.request).toMatchObject({ seats: ['a', 'b'] })
    expect(holds[2]!.request).not.toHaveProperty('replaces')
  })

  it('shows a hold of another tab, and empties when that ends', () => {
    basket.adopt({
      id: 'hold_9',
      selection: { seats: ['x'], areas: {} },
      expiresAt: '',
      hardDeadline: null,
      lines: [],
      total: { amount: 0, currency: 'EUR' },
    })
    expect(basket.isHeld('x')).toBe(true)
    basket.end('hold_other', 'expired')
    expect(basket.isHeld('x')).toBe(true)
    basket.end('hold_9', 'expired')
    expect(basket.wanted).toEqual(nothing)
    expect(notices).toEqual([{ kind: 'expired', seats: ['x'] }])
  })
})

describe('alternatives', () => {
  const file = plan([{ id: 'a', rows: 3, seats: 12 }])

  it('are next to what the reader already has', () => {
    const { venue, states } = known(file, { 'a-1': 'ffffhhhfffff' })
    const found = alternatives(venue, states, indices(venue, ['a-1-7']), indices(venue, ['a-1-3', 'a-1-4']))
    expect(found?.map((seat) => venue.seatIds[seat])).toEqual(['a-1-2'])
  })

  it('are as many as were lost, beside each other', () => {
    const { venue, states } = known(file, { 'a-1': 'hhhhfshffhhh', 'a-2': 'ssssssssssss' })
    const found = alternatives(venue, states, indices(venue, ['a-1-6', 'a-1-7']), [])
    expect(found?.map((seat) => venue.seatIds[seat])).toEqual(['a-1-8', 'a-1-9'])
  })

  it('do not reach over an aisle, into another price or far away', () => {
    const aisle = structuredClone(file)
    aisle.sections[0]!.rows[0]!.seats.forEach((seat, index) => {
      if (index >= 6) seat.x += 400
      seat.category = index >= 10 ? 'balcony' : 'stalls'
    })
    const { venue, states } = known(aisle, { 'a-1': 'sssshffsssff', 'a-2': 'ssssssssssss', 'a-3': 'ssssssssssss' })
    expect(alternatives(venue, states, indices(venue, ['a-1-5', 'a-1-4']), [])).toBeNull()
  })

  it('are said in words that tell which', () => {
    const { venue, states } = known(file, { 'a-1': 'ssssssssssssss'.slice(0, 12), 'a-2': 'hhhhhfhfffhh' })
    const own = indices(venue, ['a-2-7'])
    const lost = indices(venue, ['a-2-5'])
    const near = alternatives(venue, states, lost, own)
    const message = messageOf({ kind: 'taken', seats: ['a-2-5'], areas: [] }, venue, near, own)
    expect(message).toMatchObject({
      text: 'Seat 5 was taken a moment ago. Seat 6 next to yours is free.',
      action: { label: 'Take it', seats: ['a-2-6'] },
    })
  })
})

describe('the best seats together', () => {
  const file = plan([{ id: 'a', rows: 4, seats: 12 }])
  const all = () => true

  it('are in the front and in the middle', () => {
    const { venue, states } = known(file)
    const best = bestTogether(venue, states, venue.sections[0]!, 2, all)!
    expect(best.seats.map((seat) => venue.seatIds[seat])).toEqual(['a-1-6', 'a-1-7'])
    expect(best).toMatchObject({ rowFromFront: 0, isCentral: true })
  })

  it('leave nobody a single seat when there is a choice', () => {
    const { venue, states } = known(file, {
      'a-1': 'ssssffffssss',
      'a-2': 'ssssssssssss',
      'a-3': 'ssssssssssss',
      'a-4': 'ssssssssssss',
    })
    const best = bestTogether(venue, states, venue.sections[0]!, 2, all)!
    expect(best.seats.map((seat) => venue.seatLabels[seat])).not.toEqual(['6', '7'])
  })

  it('are none when so many are not free beside each other', () => {
    const { venue, states } = known(file, Object.fromEntries([1, 2, 3, 4].map((row) => [`a-${row}`, 'fsfsfsfsfsfs'])))
    expect(bestTogether(venue, states, venue.sections[0]!, 2, all)).toBeNull()
    expect(bestTogether(venue, states, venue.sections[0]!, 1, () => false)).toBeNull()
  })
})
