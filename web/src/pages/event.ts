import { mount } from 'svelte'
import { readersTime } from '../kernel/dates'
import type { EventPageData } from '../kernel/page-data'
import { start } from '../kernel/start'
import type { MapView } from '../map/map-view'
import { debugView } from '../sale/debug-view'
import { Sale } from '../sale/sale.svelte'
import { texts } from '../texts/en'
import EventStatus from '../ui/EventStatus.svelte'
import SalePage from '../ui/SalePage.svelte'

const { page, live, clock, announcer } = start<EventPageData>()
const sale = new Sale(page, live, clock, announcer)
let view: MapView | null = null

const zone = document.getElementById('event-zone')
const readers = readersTime(page.event.startsAt, page.event.timeZone, texts.locale)
if (zone && readers) zone.append(` · ${texts.readersTime(readers)}`)

const status = document.querySelector<HTMLElement>('[data-testid="event-status"]')
if (status) mount(EventStatus, { target: status, props: { sale, element: status } })

const target = document.getElementById('sale')
if (target) {
  target.replaceChildren()
  mount(SalePage, { target, props: { sale, onview: (next: MapView | null) => (view = next) } })
}

debugView(sale, live, () => view)
