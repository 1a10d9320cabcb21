import { distance, isInside, overlap } from '../venue/geometry'
import type { SeatGrid } from '../venue/seat-grid'
import type { Section, Venue } from '../venue/venue'
import { toPlan, viewBox, type Camera, type Viewport } from './camera'
import { SEATS_PIXELS_MIN } from './painter'

/** What lies under a point of the map. */
export type Target =
  { kind: 'seat'; seat: number } | { kind: 'area'; area: number } | { kind: 'section'; section: number }

/** How far beside a seat a finger or a mouse may be, in pixels. */
const REACH_TOUCH_PIXELS = 24
const REACH_MOUSE_PIXELS = 8
const SECTIONS_FOLLOWED_MAX = 48
const SEATS_FOLLOWED_MAX = 12_000

export function isSameTarget(a: Target | null, b: Target | null): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

/** What is at a point of the screen: a seat while seats are drawn, else what it is part of. */
export function targetAt(
  venue: Venue,
  grid: SeatGrid,
  camera: Camera,
  x: number,
  y: number,
  isTouch: boolean,
): Target | null {
  const [planX, planY] = toPlan(camera, x, y)
  if (venue.pitch * camera.scale >= SEATS_PIXELS_MIN) {
    const reach = Math.max(venue.pitch * 0.55, (isTouch ? REACH_TOUCH_PIXELS : REACH_MOUSE_PIXELS) / camera.scale)
    const seat = grid.nearest(planX, planY, reach)
    if (seat !== null) return { kind: 'seat', seat }
  }
  const area = venue.areas.findIndex(({ polygon }) => isInside(polygon, planX, planY))
  if (area >= 0) return { kind: 'area', area }
  const hit = venue.sections.find(
    ({ polygon, seatStart, seatEnd }) => seatEnd > seatStart && isInside(polygon, planX, planY),
  )
  if (hit) return { kind: 'section', section: hit.index }
  const seat = grid.nearest(planX, planY, venue.pitch * 1.5 + (isTouch ? 10 / camera.scale : 0))
  return seat === null ? null : { kind: 'section', section: venue.rowOf(seat).section }
}

/** The sections whose seats can be seen, nearest to the middle first; none while seats are too small to see. */
export function sectionsInView(venue: Venue, camera: Camera, viewport: Viewport): Section[] {
  if (venue.pitch * camera.scale < SEATS_PIXELS_MIN) return []
  const view = viewBox(camera, viewport)
  const x = (view.left + view.right) / 2
  const y = (view.top + view.bottom) / 2
  const away = ({ centre }: Section) => distance(centre[0], centre[1], x, y)
  let seats = 0
  return venue.sections
    .filter((section) => section.seatEnd > section.seatStart && overlap(section.box, view))
    .sort((a, b) => away(a) - away(b))
    .slice(0, SECTIONS_FOLLOWED_MAX)
    .filter((section) => (seats += section.seatEnd - section.seatStart) <= SEATS_FOLLOWED_MAX)
}
