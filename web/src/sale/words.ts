import { moneySpoken } from '../kernel/money'
import { texts } from '../texts/en'
import { State } from '../venue/states'
import { Attribute } from '../venue/venue'
import type { Sale } from './sale.svelte'

/** The state of a seat in words, as the map shows it: the reader's own doing first. */
export function stateText(sale: Sale, seat: number): string {
  const words = texts.seat.state
  const claim = sale.claimOf(seat)
  if (claim === 'held') return words.mine
  if (claim === 'pending') return words.pending
  switch (sale.open!.states.of(seat)) {
    case State.free:
      return words.free
    case State.held:
      return claim === 'leaving' ? words.free : words.held
    case State.sold:
      return words.sold
    case State.blocked:
      return words.blocked
    default:
      return words.unknown
  }
}

/** "Row A, seat 14, Stalls, 45 euros, wheelchair place, available" */
export function seatName(sale: Sale, seat: number): string {
  const { venue } = sale.open!
  const price = sale.priceOf(venue.seatCategory[seat]!)
  const attributes = venue.seatAttributes[seat]!
  const words = texts.seat.attributes
  const extras = [
    price ? moneySpoken(price, texts.locale, texts.freeSpoken) : '',
    attributes & Attribute.accessible ? words.accessible : '',
    attributes & Attribute.companion ? words.companion : '',
    attributes & Attribute.restricted ? words.restricted : '',
  ].filter(Boolean)
  return texts.seat.name(
    venue.rowOf(seat).label,
    venue.seatLabels[seat]!,
    venue.sectionOf(seat).name,
    extras.join(', '),
    stateText(sale, seat),
  )
}
