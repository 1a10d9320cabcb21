import { mount } from 'svelte'
import { Live } from '../live/connection'
import ConnectionNote from '../ui/ConnectionNote.svelte'
import { pageAnnouncer, type Announcer } from './announce'
import { pageClock, type ServerClock } from './clock'
import { readPageData, type PageData } from './page-data'

/** What every page starts with. */
export interface Started<T extends PageData> {
  page: T
  live: Live
  clock: ServerClock
  announcer: Announcer
}

/** Reads the page's data, opens its connection and shows when that is lost. */
export function start<T extends PageData>(): Started<T> {
  const page = readPageData<T>()
  const clock = pageClock(page.serverTime)
  const announcer = pageAnnouncer()
  const live = new Live(page.liveUrl)
  const target = document.getElementById('connection')
  if (target) mount(ConnectionNote, { target, props: { live, announcer } })
  return { page, live, clock, announcer }
}
