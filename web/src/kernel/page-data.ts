import type { EventModel, AvailabilityModel } from '../venue/models'

/** What an event is called and when it is, for pages that show orders. */
export interface EventSummary {
  name: string
  url: string
  startsAt: string
  timeZone: string
  venue: string
  city: string
}

/** What the site wrote into the page for its script; see services/site/templates/README.md. */
export interface PageData {
  page: 'events' | 'event' | 'orders' | 'order' | 'error'
  locale: string
  liveUrl: string
  /** RFC 3339: the server's time when it wrote this page. */
  serverTime: string
}

export interface EventsPageData extends PageData {
  events: {
    id: string
    status: string
    startsAt: string
    timeZone: string
    onSaleAt: string | null
    total: number | null
  }[]
}

export interface EventPageData extends PageData {
  event: EventModel
  layoutUrl: string
  availability: AvailabilityModel | null
}

export interface OrderPageData extends PageData {
  order?: string
  events?: Record<string, EventSummary>
}

export function readPageData<T extends PageData>(): T {
  const element = document.getElementById('page-data')
  if (!element?.textContent) throw new Error('The page has no #page-data; the template base.html prints it.')
  return JSON.parse(element.textContent) as T
}
