import { Basket, currentHold, type CurrentHold, type Notice, type Seller } from '../basket/basket'
import { alternatives } from '../basket/neighbours'
import { nothing, type Selection } from '../basket/selection'
import { HoldMemory } from '../basket/tabs'
import type { Announcer } from '../kernel/announce'
import type { ServerClock } from '../kernel/clock'
import type { Money } from '../kernel/money'
import type { EventPageData } from '../kernel/page-data'
import { CallError, type Live } from '../live/connection'
import type { Claim, Scene } from '../map/scene'
import { texts } from '../texts/en'
import type { LayoutFile } from '../venue/layout-file'
import { phaseOf, type AvailabilityModel, type EventModel, type HoldModel } from '../venue/models'
import { SeatStates, State, type SeatChange } from '../venue/states'
import { Venue, type Section } from '../venue/venue'
import { categoryCounts, type CategoryCount } from './counts'
import { Finder } from './finder'
import { SectionFollower } from './follower'
import { messageOf, seatTitle, type Message } from './notice-text'

/** How long a tab waits for the name of the new hold when its own was released by another tab. */
const TAKEOVER_MILLISECONDS = 1500
const CONNECTION_WAIT_MILLISECONDS = 30_000
const LAYOUT_MILLISECONDS_MAX = 30_000

/** What the map and the list are told. */
export interface SaleListener {
  seats?(seats: number[], since: number, taken: number[]): void
  arrived?(section: Section, since: number): void
  availability?(sections: number[]): void
  all?(): void
}

/** Everything a venue's plan makes possible. */
export interface OpenSale {
  venue: Venue
  states: SeatStates
  follower: SectionFollower
  finder: Finder
  /** When the plan arrived, on `performance.now()`'s scale. */
  planAt: number
}

/** One event's sale as this page sees it. Components read its state; the map reads it through `scene`. */
export class Sale {
  event = $state.raw<EventModel>()!
  availability = $state.raw<AvailabilityModel | null>(null)
  /** Free units per area from the areas' own models, which are ahead of the availability. */
  areaFree = $state.raw<Record<string, number>>({})
  open = $state.raw<OpenSale | null>(null)
  problem = $state.raw<'layout' | 'refused' | null>(null)
  hold = $state.raw<CurrentHold | null>(null)
  wanted = $state.raw<Selection>(nothing)
  isPending = $state(false)
  message = $state.raw<Message | null>(null)
  /** Categories that the reader chose to see; empty means all. */
  filter = $state.raw<ReadonlySet<number>>(new Set())
  counts = $state.raw<CategoryCount[] | null>(null)
  /** Rises with every change of a seat that is followed: what lists seats reads it. */
  version = $state(0)

  readonly phase = $derived(phaseOf(this.event.status))
  private readonly basket: Basket
  private readonly memory: HoldMemory
  private readonly listeners = new Set<SaleListener>()
  private claims = new Map<number, Claim>()
  private watched: { id: string; stop: () => void } | null = null
  private countTimer = 0

  constructor(
    private readonly page: EventPageData,
    readonly live: Live,
    readonly clock: ServerClock,
    readonly announcer: Announcer,
  ) {
    this.event = page.event
    this.availability = page.availability
    this.memory = new HoldMemory(page.event.id)
    this.basket = new Basket(
      this.seller(),
      () => this.basketChanged(),
      (notice) => this.tell(notice),
      () => this.event.seatsPerHoldMax || Infinity,
    )
    this.watchEvent()
    void this.loadLayout()
  }

  /** A place that comes back to a sold-out event can be taken at once. */
  get isSelling(): boolean {
    return this.phase === 'onSale' || this.phase === 'soldOut'
  }

  listen(listener: SaleListener): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  freeOf = (id: string): number | null => this.areaFree[id] ?? this.availability?.[id] ?? null

  isShown = (category: number): boolean => this.filter.size === 0 || this.filter.has(category)

  claimOf = (seat: number): Claim => this.claims.get(seat) ?? 'none'

  priceOf(category: number): Money | null {
    const id = this.open?.venue.categories[category]?.id
    return id === undefined ? null : (this.event.prices[id] ?? null)
  }

  unitsIn(area: string): number {
    return this.wanted.areas[area] ?? 0
  }

  scene(): Scene {
    const { venue, states } = this.open!
    return {
      venue,
      states,
      claimOf: this.claimOf,
      claimedIn: (area) => this.unitsIn(venue.areas[area]!.id),
      freeOf: this.freeOf,
      isShown: this.isShown,
      words: { free: texts.map.free, soldOut: texts.map.soldOut, row: texts.seat.row },
    }
  }

  /** A tap on a seat: takes it, gives it back, or says why it cannot be had. */
  pickSeat(seat: number): void {
    const { venue, states } = this.open!
    const id = venue.seatIds[seat]!
    if (this.basket.has(id)) this.basket.toggle(id)
    else if (!this.isSelling) this.tell({ kind: 'notOnSale' })
    else if (states.of(seat) === State.free) this.basket.toggle(id)
    else this.explain(seat)
  }

  /** Takes all of these seats; answers false when that is more than one person can hold, which is said. */
  takeSeats(seats: string[]): boolean {
    this.message = null
    return this.basket.add(seats)
  }

  setArea(area: string, quantity: number): void {
    if (!this.isSelling && quantity > this.unitsIn(area)) this.tell({ kind: 'notOnSale' })
    else this.basket.setArea(area, quantity)
  }

  giveBackAll(): void {
    this.basket.clear()
  }

  toggleFilter(category: number): void {
    const next = new Set(this.filter)
    if (!next.delete(category)) next.add(category)
    this.filter = next.size === (this.open?.venue.categories.length ?? 0) ? new Set() : next
    this.each((listener) => listener.all?.())
  }

  clearFilter(): void {
    this.filter = new Set()
    this.each((listener) => listener.all?.())
  }

  dismiss(): void {
    this.message = null
  }

  async extend(): Promise<void> {
    const hold = this.hold
    if (!hold) return
    try {
      const { expiresAt } = await this.live.call<{ expiresAt: string }>(`tickets.hold.${hold.id}`, 'extend', {})
      this.basket.prolong(expiresAt)
      const minutes = Math.round((Date.parse(expiresAt) - this.clock.now()) / 60_000)
      this.say({ text: texts.basket.extended(minutes), tone: 'good' })
    } catch (problem) {
      const { code } = problem as CallError
      if (code === 'tickets.hardDeadline') this.say({ text: texts.basket.hardDeadline, tone: 'care' })
      else if (code !== 'tickets.holdNotActive') this.tell({ kind: 'failed' })
    }
  }

  /** Makes the hold an order and answers the order's id, or null when that was not possible (which is said). */
  async order(email: string): Promise<string | null> {
    const hold = this.hold
    if (!hold) return null
    const parameters = { hold: hold.id, key: newKey(), ...(email ? { email } : {}) }
    for (let attempt = 0; attempt < 5; attempt++) {
      try {
        const resource = await this.live.create('orders', 'new', parameters)
        this.memory.set(null)
        return resource.split('.').pop()!
      } catch (problem) {
        const error = problem as CallError
        if (error.code === 'orders.holdNotActive') {
          this.say({ text: texts.notices.orderGone, tone: 'care' })
          return null
        }
        if (!error.isUnknown && error.code !== 'orders.busy') break
        await this.pause(400 * 2 ** attempt * (0.5 + Math.random()))
      }
    }
    this.tell({ kind: 'failed' })
    return null
  }

  say(message: Message): void {
    this.message = message
    this.announcer.announce(message.text, 'own', true)
  }

  async retryLayout(): Promise<void> {
    this.problem = null
    await this.loadLayout()
  }

  private explain(seat: number): void {
    const { venue, states } = this.open!
    const label = venue.seatLabels[seat]!
    const state = states.of(seat)
    if (state === State.held) this.say({ text: texts.notices.notFree(label), tone: 'plain' })
    else if (state === State.sold) this.say({ text: texts.notices.sold(label), tone: 'plain' })
    else if (state === State.blocked) this.say({ text: texts.notices.blocked(label), tone: 'plain' })
  }

  private watchEvent(): void {
    const path = `tickets.event.${this.event.id}`
    this.live.watch(path, {
      value: (properties) => {
        const before = this.phase
        this.event = { ...this.event, ...properties }
        if (before === 'announced' && this.phase === 'onSale') this.announcer.announce(texts.phases.opened, 'phase')
      },
      refused: () => (this.problem = 'refused'),
    })
    this.live.watch(`${path}.availability`, {
      value: (properties, changed) => {
        this.availability = { ...(properties as AvailabilityModel) }
        this.availabilityChanged(changed ?? Object.keys(properties))
      },
    })
  }

  private availabilityChanged(names: string[]): void {
    this.countSoon()
    const venue = this.open?.venue
    if (!venue) return
    const sections = new Set<number>()
    for (const name of names) {
      const section = venue.section(name)?.index ?? venue.area(name)?.section
      if (section !== undefined) sections.add(section)
    }
    this.each((listener) => listener.availability?.([...sections]))
  }

  private async loadLayout(): Promise<void> {
    try {
      const url = this.page.layoutUrl
      const answer = await fetch(url, { signal: AbortSignal.timeout(LAYOUT_MILLISECONDS_MAX) })
      if (!answer.ok) throw new Error(`the plan ${url} answered ${answer.status}`)
      const text = await answer.text()
      const planAt = performance.now()
      this.opened(new Venue(JSON.parse(text) as LayoutFile), planAt)
    } catch (error) {
      console.error(error)
      this.problem = 'layout'
    }
  }

  private opened(venue: Venue, planAt: number): void {
    const states = new SeatStates(venue)
    const follower = new SectionFollower(this.live, venue, this.event.id, states, {
      arrived: (section, since) => {
        this.version++
        this.countSoon()
        this.each((listener) => listener.arrived?.(section, since))
      },
      changed: (section, changes, since) => this.seatsChanged(section, changes, since),
      forgotten: () => this.version++,
    })
    this.open = { venue, states, follower, finder: new Finder(venue, states, follower, this.freeOf), planAt }
    for (const area of venue.areas) {
      this.live.watch(`tickets.event.${this.event.id}.area.${area.id}`, {
        value: ({ free }) => {
          if (typeof free !== 'number') return
          this.areaFree = { ...this.areaFree, [area.id]: free }
          this.availabilityChanged([area.id])
        },
      })
    }
    this.countNow()
    this.restore()
  }

  private seatsChanged(_section: Section, changes: SeatChange[], since: number): void {
    this.version++
    this.countSoon()
    const taken = changes.filter(
      ({ seat, before, after }) => before === State.free && after === State.held && !this.claims.has(seat),
    )
    this.each((listener) =>
      listener.seats?.(
        changes.map(({ seat }) => seat),
        since,
        taken.map(({ seat }) => seat),
      ),
    )
  }

  private countSoon(): void {
    if (this.countTimer) return
    this.countTimer = window.setTimeout(() => {
      this.countTimer = 0
      this.countNow()
    }, 250)
  }

  private countNow(): void {
    if (this.open) this.counts = categoryCounts(this.open.venue, this.open.states, this.freeOf)
  }

  private restore(): void {
    const id = this.memory.get()
    if (id) this.watchHold(id)
    this.memory.onChange((hold) => {
      if (hold && hold !== this.hold?.id) this.watchHold(hold)
    })
  }

  private watchHold(id: string): void {
    if (this.watched?.id === id) return
    this.watched?.stop()
    const stop = this.live.watch(`tickets.hold.${id}`, {
      value: (properties) => this.holdChanged(properties as unknown as HoldModel),
      refused: () => {
        if (this.memory.get() === id) this.memory.set(null)
        this.basket.end(id, 'released')
      },
    })
    this.watched = { id, stop }
  }

  private holdChanged(model: HoldModel): void {
    if (model.state === 'active') {
      this.basket.adopt(currentHold(model))
      return
    }
    // While a request is on its way, its answer says what becomes of the hold; the change may only be its echo.
    if (this.basket.isPending) return
    if (model.state === 'released') {
      setTimeout(() => this.ended(model.id, 'released'), this.memory.get() === model.id ? TAKEOVER_MILLISECONDS : 0)
    } else if (model.state === 'expired') this.ended(model.id, 'expired')
    else {
      this.ended(model.id, 'converted')
      if (model.order) this.say({ text: texts.basket.ordered, tone: 'good' })
    }
  }

  private ended(id: string, how: 'expired' | 'released' | 'converted'): void {
    if (this.watched?.id !== id) return
    if (this.memory.get() === id) this.memory.set(null)
    this.watched.stop()
    this.watched = null
    this.basket.end(id, how)
  }

  private basketChanged(): void {
    const { current, wanted, isPending } = this.basket
    if (current && current.id !== this.hold?.id) {
      this.memory.set(current.id)
      this.watchHold(current.id)
    }
    if (!current && this.hold) {
      if (this.memory.get() === this.hold.id) this.memory.set(null)
      this.watched?.stop()
      this.watched = null
    }
    this.hold = current
    this.wanted = wanted
    this.isPending = isPending
    this.claimsChanged()
  }

  private claimsChanged(): void {
    const venue = this.open?.venue
    if (!venue) return
    const next = new Map<number, Claim>()
    const put = (id: string, claim: Claim) => {
      const seat = venue.seat(id)
      if (seat !== undefined) next.set(seat, claim)
    }
    for (const id of this.basket.current?.selection.seats ?? []) put(id, this.basket.has(id) ? 'held' : 'leaving')
    for (const id of this.basket.wanted.seats) put(id, this.basket.isHeld(id) ? 'held' : 'pending')
    const different = [...new Set([...this.claims.keys(), ...next.keys()])].filter(
      (seat) => this.claims.get(seat) !== next.get(seat),
    )
    this.claims = next
    const areas = new Set(venue.areas.map(({ section }) => section))
    this.version++
    this.each((listener) => {
      if (different.length > 0) listener.seats?.(different, performance.now(), [])
      if (areas.size > 0) listener.availability?.([...areas])
    })
  }

  private tell(notice: Notice): void {
    const open = this.open
    if (!open) return
    const { venue, states } = open
    const own = this.basket.wanted.seats.map((id) => venue.seat(id)).filter((seat) => seat !== undefined)
    const lost =
      notice.kind === 'taken' ? notice.seats.map((id) => venue.seat(id)).filter((seat) => seat !== undefined) : []
    const near = lost.length > 0 ? alternatives(venue, states, lost, own) : null
    const message = messageOf(notice, venue, near, own)
    if (!message) return
    // What a tap did can be seen; it is only said aloud.
    if (notice.kind === 'held' || notice.kind === 'released') {
      if (this.message?.action) this.message = null
      this.announcer.announce(message.text, 'own', true)
    } else this.say(message)
  }

  /** For other parts that name a seat. */
  titleOf(seat: number): string {
    return seatTitle(this.open!.venue, seat)
  }

  private seller(): Seller {
    return {
      hold: (request) => this.live.call(`tickets.event.${this.event.id}`, 'hold', request),
      release: async (hold) => {
        await this.live.call(`tickets.hold.${hold}`, 'release', {})
      },
      pause: (milliseconds) => this.pause(milliseconds),
      key: newKey,
    }
  }

  private async pause(milliseconds: number): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, milliseconds))
    if (this.live.link === 'online') return
    let stop = (): void => undefined
    await new Promise<void>((resolve) => {
      setTimeout(resolve, CONNECTION_WAIT_MILLISECONDS)
      stop = this.live.onLink((link) => {
        if (link === 'online') resolve()
      })
    })
    stop()
  }

  private each(tell: (listener: SaleListener) => void): void {
    for (const listener of this.listeners) tell(listener)
  }
}

/** A request key: the same for every try of one request. Works without a secure context, unlike `randomUUID`. */
function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
