import type { OrderPhase } from '../venue/models'

/** How the state of an order is coloured. */
export function toneOf(phase: OrderPhase): 'paid' | 'wait' | 'quiet' {
  if (phase === 'paid') return 'paid'
  return phase === 'awaitingPayment' ? 'wait' : 'quiet'
}
