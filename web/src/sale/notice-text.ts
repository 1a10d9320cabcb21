import type { Notice } from '../basket/basket'
import { texts } from '../texts/en'
import type { Venue } from '../venue/venue'

/** Something to say, and at most one thing that can be done about it. */
export interface Message {
  text: string
  tone: 'good' | 'care' | 'plain'
  action?: { label: string; seats: string[] }
}

/** Where a seat is, in a word: "Row A, seat 14". */
export function seatTitle(venue: Venue, seat: number): string {
  return texts.seat.title(venue.rowOf(seat).label, venue.seatLabels[seat]!)
}

/** What a notice of the basket says. `near` are seats that could be taken instead. */
export function messageOf(notice: Notice, venue: Venue, near: number[] | null, own: number[]): Message | null {
  const words = texts.notices
  const indices = (ids: string[]) => ids.map((id) => venue.seat(id)).filter((seat) => seat !== undefined)
  switch (notice.kind) {
    case 'held': {
      const seats = indices(notice.added)
      const text =
        seats.length === 1
          ? words.held(seatTitle(venue, seats[0]!))
          : words.heldMany(notice.added.length || notice.count)
      return { text, tone: 'good' }
    }
    case 'released': {
      const seats = indices(notice.removed)
      return {
        text: seats.length === 1 ? words.released(seatTitle(venue, seats[0]!)) : words.releasedMany,
        tone: 'plain',
      }
    }
    case 'taken':
      return takenMessage(venue, indices(notice.seats), notice.areas, near, own)
    case 'tooMany':
      return { text: words.tooMany(notice.max), tone: 'care' }
    case 'limit':
      return { text: words.limit(notice.max), tone: 'care' }
    case 'notOnSale':
      return { text: words.notOnSale, tone: 'care' }
    case 'busy':
      return { text: words.busy, tone: 'care' }
    case 'unknownSeat':
      return { text: words.unknownSeat, tone: 'care' }
    case 'expired':
      return {
        text: words.expired,
        tone: 'care',
        ...(notice.seats.length > 0 ? { action: { label: words.takeAgain, seats: notice.seats } } : {}),
      }
    case 'failed':
      return { text: words.failed, tone: 'care' }
  }
}

function takenMessage(venue: Venue, lost: number[], areas: string[], near: number[] | null, own: number[]): Message {
  const words = texts.notices
  const labels = lost.map((seat) => venue.seatLabels[seat]!)
  const sentences = [
    ...(labels.length > 0 ? [labels.length === 1 ? words.taken(labels[0]!) : words.takenMany(labels)] : []),
    ...areas.map((area) => words.takenArea(venue.area(area)?.name ?? area)),
  ]
  if (!near || near.length === 0) return { text: sentences.join(' ') || words.failed, tone: 'care' }
  const names = near.map((seat) => venue.seatLabels[seat]!)
  const row = venue.rowOf(near[0]!)
  const isSameRow = lost.some((seat) => venue.rowOf(seat) === row)
  const isBesideOwn = own.some(
    (seat) => venue.rowOf(seat) === row && near.some((other) => Math.abs(other - seat) === 1),
  )
  sentences.push(isSameRow ? words.near(names, isBesideOwn) : words.nearRow(row.label, names, isBesideOwn))
  return {
    text: sentences.join(' '),
    tone: 'care',
    action: { label: words.take(near.length), seats: near.map((seat) => venue.seatIds[seat]!) },
  }
}
