import type { SeatStates } from '../venue/states'
import { Attribute, type Section, type Venue } from '../venue/venue'
import { runsOf } from './neighbours'

/** Seats found for a party, and why they are good. */
export interface Finding {
  seats: number[]
  /** Rows from the front of the section, from 0. */
  rowFromFront: number
  /** Whether they are in the middle third of their row. */
  isCentral: boolean
}

/**
 * The best free seats beside each other in a section: towards the middle of the row and the front, and not such that a
 * single seat is left over beside them. Seats kept for wheelchairs and their companions are left to those who choose them.
 */
export function bestTogether(
  venue: Venue,
  states: SeatStates,
  section: Section,
  party: number,
  isWanted: (category: number) => boolean,
): Finding | null {
  let best: Finding | null = null
  let bestScore = -Infinity
  const rows = Math.max(1, section.rowEnd - section.rowStart)
  const special = Attribute.accessible | Attribute.companion
  const isCandidate = (seat: number) =>
    states.isFree(seat) && !(venue.seatAttributes[seat]! & special) && isWanted(venue.seatCategory[seat]!)
  for (let row = section.rowStart; row < section.rowEnd; row++) {
    const { seatStart, seatEnd } = venue.rows[row]!
    const middle = (seatStart + seatEnd - 1) / 2
    const half = Math.max(1, (seatEnd - seatStart) / 2)
    for (const run of runsOf(venue, row, isCandidate)) {
      for (let start = 0; start + party <= run.length; start++) {
        const seats = run.slice(start, start + party)
        const off = Math.abs((seats[0]! + seats.at(-1)!) / 2 - middle) / half
        const leaves = (start === 1 ? 1 : 0) + (run.length - start - party === 1 ? 1 : 0)
        const restricted = seats.filter((seat) => venue.seatAttributes[seat]! & Attribute.restricted).length / party
        const score = 1 - off * 0.9 - ((row - section.rowStart) / rows) * 0.8 - leaves * 0.15 - restricted
        if (score > bestScore) {
          bestScore = score
          best = { seats, rowFromFront: row - section.rowStart, isCentral: off < 0.34 }
        }
      }
    }
  }
  return best
}
