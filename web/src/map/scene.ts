import type { SeatStates } from '../venue/states'
import { State } from '../venue/states'
import { Attribute, type Venue } from '../venue/venue'
import type { Form, Look } from './sprites'

/** Whether a seat is in the reader's basket: no, asked for, held, or on its way back. */
export type Claim = 'none' | 'pending' | 'held' | 'leaving'

/** What the map shows besides the plan: states, the reader's own seats, the filter. */
export interface Scene {
  venue: Venue
  states: SeatStates
  claimOf(seat: number): Claim
  /** Units of an area in the reader's basket. */
  claimedIn(area: number): number
  /** Free seats or units of a section or area by its id; null before it is known. */
  freeOf(id: string): number | null
  /** Whether a category is among those that the reader wants to see. */
  isShown(category: number): boolean
  /** Words on the canvas. */
  words: { free(count: number): string; soldOut: string; row(label: string): string }
}

/** The look of a seat in this scene. */
export function lookOf(scene: Scene, seat: number): Look {
  const claim = scene.claimOf(seat)
  if (claim === 'held') return 'mine'
  if (claim === 'pending') return 'pending'
  if (claim === 'leaving') return 'free'
  switch (scene.states.of(seat)) {
    case State.free:
      return 'free'
    case State.held:
      return 'held'
    case State.sold:
      return 'sold'
    case State.blocked:
      return 'blocked'
    default:
      return 'unknown'
  }
}

export function formOf(venue: Venue, seat: number): Form {
  const attributes = venue.seatAttributes[seat]!
  if (attributes & Attribute.accessible) return 'accessible'
  return attributes & Attribute.companion ? 'companion' : 'round'
}

/** Free places of a section with everything in it, from the availability model. */
export function freeOfSection(scene: Scene, index: number): number | null {
  const section = scene.venue.sections[index]!
  if (section.seatEnd > section.seatStart) return scene.freeOf(section.id)
  let sum = 0
  for (const area of section.areas) {
    const free = scene.freeOf(scene.venue.areas[area]!.id)
    if (free === null) return scene.freeOf(section.id)
    sum += free
  }
  return sum
}
