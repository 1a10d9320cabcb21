import { describe, expect, it } from 'vitest'
import { Announcer } from '../src/kernel/announce'
import { ServerClock } from '../src/kernel/clock'
import { dateTimeText, readersTime, remaining, zoneText } from '../src/kernel/dates'
import { moneySpoken, moneyText, totalText } from '../src/kernel/money'

describe('the clock', () => {
  it('counts from the server time on the monotonic clock, whatever the wall clock says', () => {
    let monotonic = 500
    const clock = new ServerClock(1_000_000, 100, () => monotonic)
    expect(clock.now()).toBe(1_000_400)
    monotonic = 60_500
    expect(clock.now()).toBe(1_060_400)
  })

  it('takes the middle of the way to the server and back as the moment of the reading', async () => {
    let monotonic = 1000
    const clock = new ServerClock(0, 0, () => monotonic)
    await clock.resynchronise(async () => {
      monotonic = 1200
      return new Response(JSON.stringify({ serverTime: '2026-03-01T00:00:10.000Z' }))
    })
    expect(clock.now()).toBe(Date.parse('2026-03-01T00:00:10.000Z') + 100)
  })

  it('falls back to the date header when there is no time to ask for', async () => {
    const clock = new ServerClock(0, 0, () => 0)
    await clock.resynchronise(
      async () => new Response('', { status: 404, headers: { date: 'Sun, 01 Mar 2026 00:00:10 GMT' } }),
    )
    expect(clock.now()).toBe(Date.parse('2026-03-01T00:00:10.500Z'))
  })

  it('keeps what it knows when the answer makes no sense', async () => {
    const clock = new ServerClock(42, 0, () => 0)
    await clock.resynchronise(async () => new Response('<html>', { status: 200 }))
    expect(clock.now()).toBe(42)
  })
})

describe('money', () => {
  it('leaves out decimals that are zero', () => {
    expect(moneyText({ amount: 3500, currency: 'EUR' })).toBe('€35')
    expect(moneyText({ amount: 3550, currency: 'EUR' })).toBe('€35.50')
    expect(moneyText({ amount: 120_000, currency: 'EUR' })).toBe('€1,200')
  })

  it('knows currencies without minor units', () => {
    expect(moneyText({ amount: 3500, currency: 'JPY' })).toBe('¥3,500')
  })

  it('says free for a price of nothing, and a number for a total of nothing', () => {
    expect(moneyText({ amount: 0, currency: 'EUR' })).toBe('Free')
    expect(totalText({ amount: 0, currency: 'EUR' })).toBe('€0')
  })

  it('can be read aloud', () => {
    expect(moneySpoken({ amount: 4500, currency: 'EUR' })).toBe('45 euros')
    expect(moneySpoken({ amount: 0, currency: 'EUR' })).toBe('free of charge')
  })
})

describe('dates', () => {
  const moment = '2026-03-14T19:00:00Z'

  it('are written in the venue time zone', () => {
    expect(dateTimeText(moment, 'Europe/Berlin', 'en')).toBe('Saturday, 14 March 2026, 20:00')
    expect(zoneText('America/New_York')).toBe('New York time')
  })

  it('say the reader time only when it differs', () => {
    expect(readersTime(moment, 'Europe/Berlin', 'en', 'Europe/Paris')).toBeNull()
    expect(readersTime(moment, 'Europe/Berlin', 'en', 'Europe/London')).toBe('19:00')
    expect(readersTime(moment, 'Europe/Berlin', 'en', 'Asia/Tokyo')).toBe('Sunday, 04:00')
  })

  it('count down in whole seconds, and never promise more than there are', () => {
    expect(remaining(10_000, 9_001)).toEqual({ seconds: 0, clock: '0:00' })
    expect(remaining(600_000, 53_900)).toEqual({ seconds: 546, clock: '9:06' })
    expect(remaining(3_729_000, 0)).toEqual({ seconds: 3729, clock: '1:02:09' })
    expect(remaining(0, 5_000)).toEqual({ seconds: 0, clock: '0:00' })
  })
})

describe('announcements', () => {
  function world() {
    let now = 0
    const said: string[] = []
    let due: { at: number; run: () => void }[] = []
    const announcer = new Announcer((text) => said.push(`${now / 1000}s ${text}`), {
      now: () => now,
      after: (wait, run) => due.push({ at: now + wait, run }),
    })
    const pass = (milliseconds: number) => {
      now += milliseconds
      const ready = due.filter(({ at }) => at <= now)
      due = due.filter(({ at }) => at > now)
      for (const { run } of ready) run()
    }
    return { announcer, said, pass }
  }

  it('are at most one in five seconds', () => {
    const { announcer, said, pass } = world()
    announcer.announce('a', '1')
    announcer.announce('b', '2')
    announcer.announce('c', '3')
    pass(5000)
    pass(5000)
    expect(said).toEqual(['0s a', '5s b', '10s c'])
  })

  it('say only the newest of a topic, and the answer to the reader before other news', () => {
    const { announcer, said, pass } = world()
    announcer.announce('first', 'x')
    announcer.announce('old', 'section')
    announcer.announce('new', 'section')
    announcer.announce('yours', 'own', true)
    pass(5000)
    pass(5000)
    expect(said).toEqual(['0s first', '5s yours', '10s new'])
  })
})
