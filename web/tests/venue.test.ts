import { describe, expect, it } from 'vitest'
import { categoryCounts } from '../src/sale/counts'
import { centreOf, chordsThrough, isInside, outlineOfRows } from '../src/venue/geometry'
import type { Point } from '../src/venue/layout-file'
import { orderPhaseOf, phaseOf } from '../src/venue/models'
import { SeatGrid } from '../src/venue/seat-grid'
import { SeatStates, State } from '../src/venue/states'
import { Venue } from '../src/venue/venue'
import { indices, known, plan } from './support/plans'

const square: Point[] = [
  [0, 0],
  [10, 0],
  [10, 10],
  [0, 10],
]

describe('geometry', () => {
  it('knows what is inside a polygon, its centre and the room around it', () => {
    expect(isInside(square, 5, 5)).toBe(true)
    expect(isInside(square, 15, 5)).toBe(false)
    expect(centreOf(square)).toEqual([5, 5])
    expect(chordsThrough(square, [5, 5])).toEqual({ width: 10, height: 10 })
  })

  it('outlines rows along their ends, also when a row is numbered from the other side', () => {
    const outline = outlineOfRows([
      [
        [0, 0],
        [10, 0],
      ],
      [
        [10, 10],
        [0, 10],
      ],
      [
        [0, 20],
        [10, 20],
      ],
    ])
    expect(outline).toEqual([
      [0, 0],
      [10, 0],
      [10, 10],
      [10, 20],
      [0, 20],
      [0, 10],
    ])
  })
})

describe('the venue', () => {
  const venue = new Venue(
    plan([
      { id: 'a', rows: 3, seats: 10 },
      { id: 'b', rows: 2, seats: 4, category: 'balcony' },
    ]),
  )

  it('numbers seats in the order of the plan and finds them by id', () => {
    expect(venue.seatCount).toBe(38)
    expect(venue.seat('a-1-1')).toBe(0)
    expect(venue.seat('b-2-4')).toBe(37)
    expect(venue.rowOf(37).label).toBe('B')
    expect(venue.sectionOf(37).id).toBe('b')
    expect(venue.seat('nowhere')).toBeUndefined()
  })

  it('measures how far apart seats are, and not how far apart rows are', () => {
    expect(venue.pitch).toBe(50)
  })

  it('gives a section without a polygon an outline that holds its seats', () => {
    const section = venue.sections[0]!
    expect(section.isOutlined).toBe(true)
    expect(isInside(section.polygon, 225, 90)).toBe(true)
  })

  it('opens 39,417 seats in well under a second', () => {
    const large = plan(
      Array.from({ length: 100 }, (_value, index) => ({ id: `s${index}`, rows: 13, seats: 30 + (index % 2) })),
    )
    const start = performance.now()
    const arena = new Venue(large)
    new SeatGrid(arena)
    expect(arena.seatCount).toBeGreaterThan(39_000)
    expect(performance.now() - start).toBeLessThan(600)
  })
})

describe('the seat grid', () => {
  const venue = new Venue(plan([{ id: 'a', rows: 10, seats: 40 }]))
  const grid = new SeatGrid(venue)

  it('finds the nearest seat within reach', () => {
    expect(grid.nearest(51, 2, 30)).toBe(venue.seat('a-1-2'))
    expect(grid.nearest(1000, 800, 30)).toBe(venue.seat('a-10-21') ?? null)
    expect(grid.nearest(25, 45, 10)).toBeNull()
  })

  it('visits every seat of a box, once', () => {
    const seen: number[] = []
    grid.within({ left: -1, top: -1, right: 2000, bottom: 1000 }, (seat) => seen.push(seat))
    expect(new Set(seen).size).toBe(seen.length)
    expect(seen.length).toBe(400)
  })
})

describe('seat states', () => {
  const file = plan([{ id: 'a', rows: 2, seats: 5 }])

  it('are unknown until the section came, and known by their letters then', () => {
    const venue = new Venue(file)
    const states = new SeatStates(venue)
    const section = venue.sections[0]!
    expect(states.of(0)).toBe(State.unknown)
    expect(states.isKnown(section)).toBe(false)
    states.apply(section, { seq: 1, 'row:a-1': 'fhsbf', 'row:a-2': 'fffff' }, null)
    expect([0, 1, 2, 3, 4].map((seat) => states.of(seat))).toEqual([
      State.free,
      State.held,
      State.sold,
      State.blocked,
      State.free,
    ])
    expect(states.isKnown(section)).toBe(true)
  })

  it('change only where a changed row differs', () => {
    const { venue, states } = known(file)
    const changes = states.apply(venue.sections[0]!, { seq: 2, 'row:a-1': 'fffff', 'row:a-2': 'ffhff' }, [
      'seq',
      'row:a-2',
    ])
    expect(changes).toEqual([{ seat: 7, before: State.free, after: State.held }])
  })

  it('never go back: a model with an older seq is left out', () => {
    const { venue, states } = known(file)
    states.apply(venue.sections[0]!, { seq: 9, 'row:a-1': 'hffff' }, ['seq', 'row:a-1'])
    expect(states.apply(venue.sections[0]!, { seq: 8, 'row:a-1': 'fffff' }, ['seq', 'row:a-1'])).toEqual([])
    expect(states.of(0)).toBe(State.held)
  })

  it('ignore rows and letters they do not know', () => {
    const { venue, states } = known(file)
    const changes = states.apply(venue.sections[0]!, { seq: 2, 'row:z': 'sssss', 'row:a-1': 'f?' }, null)
    expect(changes).toEqual([{ seat: 1, before: State.free, after: State.unknown }])
  })

  it('are forgotten with their section', () => {
    const { venue, states } = known(file)
    states.forget(venue.sections[0]!)
    expect(states.of(0)).toBe(State.unknown)
    expect(states.rowText(0)).toBe('?????')
  })
})

describe('counts per category', () => {
  it('are exact where a section has one category or is known, and a share where it mixes them unseen', () => {
    const file = plan([
      { id: 'a', rows: 2, seats: 10 },
      { id: 'b', rows: 1, seats: 10, category: 'balcony' },
    ])
    for (const seat of file.sections[0]!.rows[1]!.seats) seat.category = 'balcony'
    const venue = new Venue(file)
    const states = new SeatStates(venue)
    const free: Record<string, number> = { a: 10, b: 4 }
    const freeOf = (id: string) => free[id] ?? null
    expect(categoryCounts(venue, states, freeOf)).toEqual([
      { free: 5, isEstimate: true },
      { free: 9, isEstimate: true },
    ])
    states.apply(venue.sections[0]!, { seq: 1, 'row:a-1': 'ffffffffff', 'row:a-2': 'ssssssssss' }, null)
    expect(categoryCounts(venue, states, freeOf)).toEqual([
      { free: 10, isEstimate: false },
      { free: 4, isEstimate: false },
    ])
  })

  it('are not said before anything is known', () => {
    const venue = new Venue(plan([{ id: 'a', rows: 1, seats: 1 }]))
    expect(categoryCounts(venue, new SeatStates(venue), () => null)).toBeNull()
  })

  it('hold standing places too', () => {
    const { venue, states } = known(
      plan([{ id: 'a', rows: 1, seats: 3 }], [{ id: 'pit', name: 'Pit', capacity: 100, category: 'balcony' }]),
    )
    expect(categoryCounts(venue, states, (id) => (id === 'pit' ? 70 : 3))?.map(({ free }) => free)).toEqual([3, 70])
    expect(indices(venue, ['a-1-3'])).toEqual([2])
  })
})

describe('states of events and orders', () => {
  it('are understood in either case style', () => {
    expect([
      phaseOf('on_sale'),
      phaseOf('onSale'),
      phaseOf('sold_out'),
      phaseOf('published'),
      phaseOf('paused'),
    ]).toEqual(['onSale', 'onSale', 'soldOut', 'announced', 'paused'])
    expect([orderPhaseOf('awaiting_payment'), orderPhaseOf('paid'), orderPhaseOf('partially_refunded')]).toEqual([
      'awaitingPayment',
      'paid',
      'refunded',
    ])
  })
})
