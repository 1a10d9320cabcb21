import type { SeatStates } from '../venue/states'
import type { Venue } from '../venue/venue'

/** Seats farther apart than this many pitches are not beside each other: there is an aisle between them. */
const BESIDE_PITCHES_MAX = 1.6
/** How far, in pitches, an alternative may be from the seat that was lost. */
const REACH_PITCHES_MAX = 14

/** Whether `seat` and the next of its row are beside each other. */
export function isBesideNext(venue: Venue, seat: number): boolean {
  if (venue.seatRow[seat] !== venue.seatRow[seat + 1]) return false
  return venue.distance(seat, seat + 1) <= venue.sectionOf(seat).pitch * BESIDE_PITCHES_MAX
}

/** Runs of seats of one row that are beside each other and satisfy `test`. */
export function runsOf(venue: Venue, row: number, test: (seat: number) => boolean): number[][] {
  const runs: number[][] = []
  let run: number[] = []
  const { seatStart, seatEnd } = venue.rows[row]!
  for (let seat = seatStart; seat < seatEnd; seat++) {
    if (test(seat)) run.push(seat)
    if (run.length > 0 && (!test(seat) || seat + 1 === seatEnd || !isBesideNext(venue, seat))) {
      runs.push(run)
      run = []
    }
  }
  return runs
}

/**
 * Free seats instead of those that were taken: as many, beside each other, of the same price category and section, the
 * nearest to the lost ones or to what the reader already has. Null when there are none near.
 */
export function alternatives(venue: Venue, states: SeatStates, lost: number[], own: number[]): number[] | null {
  const first = lost[0]
  if (first === undefined) return null
  const section = venue.sectionOf(first)
  const anchors = own.filter((seat) => venue.sectionOf(seat) === section)
  const targets = anchors.length > 0 ? anchors : lost
  const isCandidate = (seat: number) =>
    states.isFree(seat) &&
    venue.seatCategory[seat] === venue.seatCategory[first] &&
    !own.includes(seat) &&
    !lost.includes(seat)
  let best: number[] | null = null
  let bestCost = REACH_PITCHES_MAX * section.pitch
  for (let row = section.rowStart; row < section.rowEnd; row++) {
    for (const run of runsOf(venue, row, isCandidate)) {
      for (let start = 0; start + lost.length <= run.length; start++) {
        const seats = run.slice(start, start + lost.length)
        const cost = costOf(venue, seats, targets, section.pitch)
        if (cost < bestCost) {
          bestCost = cost
          best = seats
        }
      }
    }
  }
  return best
}

/** Mean distance to what it should be near; another row counts as a few seats more. */
function costOf(venue: Venue, seats: number[], targets: number[], pitch: number): number {
  let sum = 0
  for (const seat of seats) {
    let nearest = Infinity
    for (const target of targets) {
      const away = venue.seatRow[seat] === venue.seatRow[target] ? 0 : pitch * 3
      nearest = Math.min(nearest, venue.distance(seat, target) + away)
    }
    sum += nearest
  }
  return sum / seats.length
}
