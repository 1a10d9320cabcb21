// The page of an event, with hands: what a person does on the map, and what they see.
import { sale, until } from './person.js'

const layouts = new Map()

/** The plan and the model of an event, as everybody can read them. */
export async function eventOf(slug) {
  if (!layouts.has(slug)) layouts.set(slug, readEvent(slug))
  return layouts.get(slug)
}

async function readEvent(slug) {
  const listed = await (await fetch(`${sale.resgate}/api/tickets/events`)).json()
  const model = listed.map((item) => item.model ?? item).find((event) => event.slug === slug)
  if (!model) throw new Error(`there is no event ${slug}`)
  const layout = await (await fetch(`${sale.site}/layouts/${model.layout}.json`)).json()
  const seats = new Map()
  for (const section of layout.sections)
    for (const row of section.rows)
      row.seats.forEach((seat, position) => seats.set(seat.id, { ...seat, section: section.id, row, position }))
  return { id: model.id, slug, model, layout, seats }
}

/** A section as the server says it is. */
export async function sectionOnServer(event, section) {
  const answer = await fetch(`${sale.resgate}/api/tickets/event/${event}/section/${section}`)
  if (!answer.ok) throw new Error(`the section answered ${answer.status}`)
  const { seq, ...rest } = await answer.json()
  const rows = Object.fromEntries(Object.entries(rest).map(([name, text]) => [name.replace('row:', ''), text]))
  return { seq, rows }
}

/** Opens an event and waits until its map is live. */
export async function openEvent(page, slug, hash = '') {
  const event = await eventOf(slug)
  await page.goto(`${sale.site}/events/${slug}${hash}`)
  const opened = new SalePage(page, event)
  await opened.ready()
  return opened
}

export class SalePage {
  constructor(page, event) {
    this.page = page
    this.event = event
  }

  async ready() {
    await this.page.waitForFunction(() => {
      const { livehouse } = window
      return livehouse?.link === 'online' && livehouse.availability && document.querySelector('[data-testid="basket"]')
    })
  }

  byId(id) {
    return this.page.getByTestId(id)
  }

  /** Taps a section, on a seat in the middle of it, until its seats are large enough to choose. */
  async enter(section) {
    const seat = this.#middleOf(section)
    await this.byId('seat-map').scrollIntoViewIfNeeded()
    await this.tapAt(await this.placeOf(seat))
    await this.page.waitForFunction(
      ([id, name]) => window.livehouse.seatPlace(id).pitch >= 22 && window.livehouse.sections[name],
      [seat, section],
    )
    await this.placeOf(seat)
  }

  /** The seat nearest to the middle of a section's seats; the middle itself may lie outside, as in a horseshoe. */
  #middleOf(section) {
    const seats = [...this.event.seats.values()].filter((seat) => seat.section === section)
    const mean = (axis) => seats.reduce((sum, seat) => sum + seat[axis], 0) / seats.length
    const [x, y] = [mean('x'), mean('y')]
    const distance = (seat) => Math.hypot(seat.x - x, seat.y - y)
    return seats.reduce((best, seat) => (distance(seat) < distance(best) ? seat : best)).id
  }

  async tapAt({ x, y }) {
    const isTouch = await this.page.evaluate(() => matchMedia('(pointer: coarse)').matches)
    if (isTouch) await this.page.touchscreen.tap(x, y)
    else await this.page.mouse.click(x, y)
  }

  /** Where something is once the map stands still. */
  async #settled(read, argument) {
    let before = null
    return until('the map to stand still', async () => {
      const now = await this.page.evaluate(read, argument)
      const isSame = before !== null && now !== null && now.x === before.x && now.y === before.y
      before = now
      return isSame ? now : null
    })
  }

  placeOf(seat) {
    return this.#settled((id) => window.livehouse.seatPlace(id), seat)
  }

  /** What this page believes of a seat: f, h, s, b, or ? when it does not know. */
  stateOf(seat) {
    const { section, row, position } = this.event.seats.get(seat)
    return this.page.evaluate(
      ([name, id, at]) => window.livehouse.sections[name]?.rows[id]?.[at] ?? '?',
      [section, row.id, position],
    )
  }

  /** Waits until this page shows a seat in this state. */
  see(seat, state, milliseconds = 5000) {
    return until(
      `seat ${seat} to be '${state}'`,
      async () => (await this.stateOf(seat)) === state || null,
      milliseconds,
    )
  }

  /** Free seats of a section that a hand can reach now, nearest to the middle of the map; `count` beside each other. */
  async reachable(section, count = 1) {
    const rows = this.event.layout.sections.find(({ id }) => id === section).rows
    const found = await this.page.evaluate(
      ([name, plan, wanted]) => {
        const known = window.livehouse.sections[name]?.rows ?? {}
        const box = document.querySelector('[data-testid="seat-map"]').getBoundingClientRect()
        const canBeTapped = ({ x, y }) => document.elementFromPoint(x, y)?.dataset.testid === 'seat-map-canvas'
        let best = null
        let least = Infinity
        for (const { id, seats } of plan) {
          for (let at = 0; at + wanted <= seats.length; at++) {
            if ((known[id] ?? '').slice(at, at + wanted) !== 'f'.repeat(wanted)) continue
            const places = seats.slice(at, at + wanted).map((seat) => window.livehouse.seatPlace(seat))
            const [{ x, y }] = places
            const distance = Math.hypot(x - box.left - box.width / 2, y - box.top - box.height / 2)
            if (distance >= least || !places.every(canBeTapped)) continue
            least = distance
            best = seats.slice(at, at + wanted)
          }
        }
        return best
      },
      [section, rows.map(({ id, seats }) => ({ id, seats: seats.map((seat) => seat.id) })), count],
    )
    if (!found) throw new Error(`no ${count} free seats in reach in ${section}`)
    return found
  }

  async tapSeat(seat) {
    await this.tapAt(await this.placeOf(seat))
  }

  /** Taps a seat and waits until the server gave it. */
  async take(seat) {
    await this.tapSeat(seat)
    await this.byId('basket').locator(`[data-testid="basket-line"][data-seat="${seat}"]`).waitFor({ state: 'attached' })
  }

  hold() {
    return this.page.evaluate(() => window.livehouse.hold)
  }

  async openBasketOnPhone() {
    const toggle = this.byId('basket-toggle')
    if ((await toggle.getAttribute('aria-expanded')) !== 'true') await toggle.tap()
    await this.byId('basket-order').waitFor()
  }

  /** Orders what is in the basket and waits for the order's page. */
  async order() {
    await this.byId('basket-order').click()
    await this.page.waitForURL(/\/orders\/./)
    await this.byId('order-page').waitFor()
  }
}
