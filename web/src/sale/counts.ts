import type { SeatStates } from '../venue/states'
import { State } from '../venue/states'
import type { Venue } from '../venue/venue'

/** How much of a category is free. */
export interface CategoryCount {
  free: number
  /** Some sections mix categories and are not followed: the number is their share of what is free there. */
  isEstimate: boolean
}

/** Free places per category, in the plan's order; null before anything is known. */
export function categoryCounts(
  venue: Venue,
  states: SeatStates,
  freeOf: (id: string) => number | null,
): CategoryCount[] | null {
  const counts: CategoryCount[] = venue.categories.map(() => ({ free: 0, isEstimate: false }))
  for (const section of venue.sections) {
    if (section.seatEnd === section.seatStart) continue
    if (states.isKnown(section)) {
      for (let seat = section.seatStart; seat < section.seatEnd; seat++) {
        if (states.of(seat) === State.free) counts[venue.seatCategory[seat]!]!.free++
      }
      continue
    }
    const free = freeOf(section.id)
    if (free === null) return null
    const own = section.categories
    if (own.length === 1) counts[section.category]!.free += free
    else share(venue, section.seatStart, section.seatEnd, free, counts)
  }
  for (const area of venue.areas) counts[area.category]!.free += freeOf(area.id) ?? 0
  return counts.map(({ free, isEstimate }) => ({ free: Math.round(free), isEstimate: isEstimate && free >= 1 }))
}

function share(venue: Venue, from: number, to: number, free: number, counts: CategoryCount[]): void {
  const seats = new Map<number, number>()
  for (let seat = from; seat < to; seat++) {
    const category = venue.seatCategory[seat]!
    seats.set(category, (seats.get(category) ?? 0) + 1)
  }
  for (const [category, number] of seats) {
    counts[category]!.free += (free * number) / (to - from)
    // All free or none free is no guess.
    if (free > 0 && free < to - from) counts[category]!.isEstimate = true
  }
}
