import type { EventsPageData } from '../kernel/page-data'
import { start } from '../kernel/start'
import { statusOf } from '../sale/status'
import type { AvailabilityModel, EventModel } from '../venue/models'

/** Cards out of sight are followed only when they come near it. */
const NEAR = '200px'

const { page, live } = start<EventsPageData>()
const known = new Map(page.events.map((event) => [event.id, event]))

/** Keeps one card true: its status and how much is free. Answers the function that stops it. */
function follow(card: HTMLElement): () => void {
  const id = card.dataset.event!
  const line = card.querySelector<HTMLElement>('[data-testid="event-availability"]')
  let event = known.get(id)!
  let availability: AvailabilityModel | null = null
  const show = () => {
    const { text, tone } = statusOf(event, availability)
    card.dataset.status = event.status
    if (!line) return
    line.textContent = text
    line.dataset.tone = tone
  }
  const stops = [
    live.watch(`tickets.event.${id}`, {
      value: (properties) => {
        event = { ...event, ...(properties as Partial<EventModel>) }
        show()
      },
    }),
    live.watch(`tickets.event.${id}.availability`, {
      value: (properties) => {
        availability = properties as AvailabilityModel
        show()
      },
    }),
  ]
  return () => stops.forEach((stop) => stop())
}

const followed = new Map<Element, () => void>()
const observer = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting && !followed.has(target)) followed.set(target, follow(target as HTMLElement))
      if (!isIntersecting) {
        followed.get(target)?.()
        followed.delete(target)
      }
    }
  },
  { rootMargin: NEAR },
)
for (const card of document.querySelectorAll<HTMLElement>('[data-event]'))
  if (known.has(card.dataset.event!)) observer.observe(card)
