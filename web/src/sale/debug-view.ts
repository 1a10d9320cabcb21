import type { Live } from '../live/connection'
import type { MapView } from '../map/map-view'
import type { Sale } from './sale.svelte'

/** What tests and curious people can read in the console. Nothing here changes anything. */
export interface DebugView {
  readonly link: string
  readonly event: unknown
  readonly availability: Readonly<Record<string, number>> | null
  readonly hold: unknown
  readonly wanted: unknown
  readonly serverTime: number
  /** Sections followed now: `seq` and the rows as their models wrote them. */
  readonly sections: Record<string, { seq: number; rows: Record<string, string> }>
  /** Where a seat is in the window, and how far apart seats are, in pixels. */
  seatPlace(id: string): { x: number; y: number; pitch: number } | null
  sectionPlace(id: string): { x: number; y: number } | null
}

export function debugView(sale: Sale, live: Live, view: () => MapView | null): void {
  const offset = () => document.querySelector('[data-testid="seat-map"]')?.getBoundingClientRect()
  const shown: DebugView = {
    get link() {
      return live.link
    },
    get event() {
      return sale.event
    },
    get availability() {
      return sale.availability
    },
    get hold() {
      return sale.hold
    },
    get wanted() {
      return sale.wanted
    },
    get serverTime() {
      return sale.clock.now()
    },
    get sections() {
      return sale.open?.follower.snapshot() ?? {}
    },
    seatPlace(id) {
      const map = view()
      const seat = sale.open?.venue.seat(id)
      const box = offset()
      if (!map || seat === undefined || !box) return null
      const { x, y } = map.placeOf(seat)
      return { x: x + box.left, y: y + box.top, pitch: map.seatPixels }
    },
    sectionPlace(id) {
      const map = view()
      const section = sale.open?.venue.section(id)
      const box = offset()
      if (!map || !section || !box) return null
      const { x, y } = map.placeOfSection(section)
      return { x: x + box.left, y: y + box.top }
    },
  }
  Object.defineProperty(window, 'livehouse', { value: Object.freeze(shown), configurable: false })
}
