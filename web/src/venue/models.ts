import type { Money } from '../kernel/money'

/** `tickets.event.$event` */
export interface EventModel {
  id: string
  name: string
  startsAt: string
  timeZone: string
  venue: string
  currency: string
  status: string
  onSaleAt: string | null
  layout: string
  holdSeconds: number
  seatsPerHoldMax: number
  prices: Record<string, Money>
}

/** `tickets.event.$event.availability`: free seats or units per section and area, and `free` and `total`. */
export type AvailabilityModel = Record<string, number>

export interface Line {
  seat?: string
  area?: string
  label: string
  category: string
  quantity: number
  unitPrice: Money
  price: Money
}

/** `tickets.hold.$hold` */
export interface HoldModel {
  id: string
  event: string
  seats: string[]
  areas: AreaQuantity[]
  expiresAt: string
  hardDeadline: string
  state: string
  lines: Line[]
  total: Money
  order?: string
}

export interface AreaQuantity {
  area: string
  quantity: number
}

/** `orders.order.$order` */
export interface OrderModel {
  id: string
  number: string
  event: string
  state: string
  lines: Line[]
  total: Money
  createdAt: string
  expiresAt: string | null
}

/** The phases of a sale. Services may write them in either case style. */
export type Phase = 'announced' | 'onSale' | 'paused' | 'soldOut' | 'cancelled' | 'past'

export function phaseOf(status: string): Phase {
  switch (camel(status)) {
    case 'onSale':
      return 'onSale'
    case 'paused':
      return 'paused'
    case 'soldOut':
      return 'soldOut'
    case 'cancelled':
      return 'cancelled'
    case 'past':
      return 'past'
    default:
      return 'announced'
  }
}

export type OrderPhase = 'awaitingPayment' | 'paid' | 'expired' | 'cancelled' | 'refunded'

export function orderPhaseOf(state: string): OrderPhase {
  switch (camel(state)) {
    case 'paid':
      return 'paid'
    case 'expired':
      return 'expired'
    case 'cancelled':
      return 'cancelled'
    case 'refunded':
    case 'partiallyRefunded':
      return 'refunded'
    default:
      return 'awaitingPayment'
  }
}

function camel(text: string): string {
  return text.replace(/[_ ]([a-z])/g, (_match, letter: string) => letter.toUpperCase())
}
