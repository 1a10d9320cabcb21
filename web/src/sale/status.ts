import { dateTimeText } from '../kernel/dates'
import { texts } from '../texts/en'
import { phaseOf, type AvailabilityModel } from '../venue/models'

export interface Status {
  text: string
  tone: 'open' | 'few' | 'wait' | 'gone' | 'soon' | 'quiet'
}

/** How a sale stands, in a word. The templates write the same words; see parts.html. */
export function statusOf(
  event: { status: string; onSaleAt: string | null; timeZone: string },
  availability: AvailabilityModel | null,
): Status {
  const words = texts.status
  switch (phaseOf(event.status)) {
    case 'cancelled':
      return { text: words.cancelled, tone: 'quiet' }
    case 'past':
      return { text: words.past, tone: 'quiet' }
    case 'soldOut':
      return { text: words.soldOut, tone: 'gone' }
    case 'paused':
      return { text: words.paused, tone: 'wait' }
    case 'announced':
      return {
        text: event.onSaleAt
          ? words.announcedAt(dateTimeText(event.onSaleAt, event.timeZone, texts.locale))
          : words.announced,
        tone: 'soon',
      }
    case 'onSale':
      return onSale(availability)
  }
}

function onSale(availability: AvailabilityModel | null): Status {
  const words = texts.status
  const free = availability?.free
  const total = availability?.total
  if (free === undefined || total === undefined) return { text: words.onSale, tone: 'open' }
  if (free === 0) return { text: words.noneFree, tone: 'wait' }
  if (free * 10 < total) return { text: words.onlyLeft(free), tone: 'few' }
  return { text: words.freeOf(free, total), tone: 'open' }
}
