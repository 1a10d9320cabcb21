// The pictures of docs/: `npm run pictures`.
import { statSync } from 'node:fs'
import path from 'node:path'
import assert from 'node:assert/strict'
import { PHONE, sale, test } from '../support/person.js'
import { eventOf, openEvent } from '../support/sale-page.js'
import { fill } from '../support/crowd.js'
import { ROOT, readState } from '../support/sale.js'

const BYTES_MAX = 300_000
const LARGE = { viewport: { width: 1200, height: 880 } }

async function keep(page, name, options = {}) {
  const file = path.join(ROOT, 'docs', `${name}.png`)
  await page.mouse.move(2, 2)
  await page.evaluate(() => document.fonts.ready)
  await page.screenshot({ path: file, animations: 'disabled', caret: 'hide', ...options })
  const { size } = statSync(file)
  assert.ok(size < BYTES_MAX, `${name}: ${size} bytes`)
}

/** Takes two seats beside each other in the middle of what can be seen. */
async function chooseTwo(opened, section) {
  await opened.enter(section)
  const seats = await opened.reachable(section, 2)
  for (const seat of seats) await opened.take(seat)
}

test('a concert hall, half sold', { timeout: 300_000 }, async (house) => {
  const event = await eventOf('night-trains')
  await fill(event, 0.55, readState(sale.folder).databases)
  const page = await house.person(LARGE)
  await page.goto(sale.site)
  await keep(page, 'screenshots/list')
  const opened = await openEvent(page, 'night-trains')
  await keep(page, 'screenshots/overview', { fullPage: true })
  await chooseTwo(opened, 'stalls-centre')
  await keep(page, 'event')
  await opened.order()
  await keep(page, 'screenshots/order')

  const dark = await openEvent(await house.person({ ...LARGE, colorScheme: 'dark' }), 'night-trains')
  await chooseTwo(dark, 'balcony-1-centre')
  await keep(dark.page, 'screenshots/dark')

  const phone = await openEvent(await house.person({ ...PHONE, deviceScaleFactor: 1.5 }), 'night-trains')
  await chooseTwo(phone, 'stalls-left')
  await phone.byId('seat-map').evaluate((map) => map.scrollIntoView({ block: 'end' }))
  await keep(phone.page, 'screenshots/phone')
})

test('a stadium', { skip: !sale.events.stadium && 'there is no such plan here', timeout: 300_000 }, async (house) => {
  const opened = await openEvent(await house.person(LARGE), sale.events.stadium.slug)
  await keep(opened.page, 'screenshots/stadium', { fullPage: true })
})
