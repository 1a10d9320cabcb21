// What axe finds on every page, light and dark.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { PHONE, sale, test } from '../support/person.js'
import { openEvent } from '../support/sale-page.js'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']

/** Fails on serious and critical findings; tells the lesser ones. */
async function expectAccessible(house, page, what) {
  // What fades in is not yet as it will be.
  await page.evaluate(() => Promise.allSettled(document.getAnimations().map((animation) => animation.finished)))
  // Evaluated by the debugger, so that the page's content policy stays in force.
  await page.evaluate(AXE)
  const { violations, passes } = await page.evaluate(
    (tags) => axe.run({ runOnly: { type: 'tag', values: tags } }),
    RULES,
  )
  assert.ok(passes.length > 10, 'axe looked at the page')
  const told = violations.map(
    ({ impact, id, nodes }) =>
      `${what}: ${impact} ${id}: ${nodes.map(({ target, any }) => `${target} ${any[0]?.message ?? ''}`).join('; ')}`,
  )
  const grave = told.filter((text) => / (serious|critical) /.test(text))
  for (const text of told.filter((each) => !grave.includes(each))) house.say(text)
  assert.deepEqual(grave, [])
}

for (const colorScheme of ['light', 'dark']) {
  test(`axe finds nothing serious in the list of events, in no order and where nothing is (${colorScheme})`, async (house) => {
    house.allowComplaints(/404/)
    const page = await house.person({ colorScheme })
    await page.goto(sale.site)
    await page.getByTestId('events').waitFor()
    await expectAccessible(house, page, 'list')
    await page.goto(`${sale.site}/orders`)
    await page.getByTestId('orders-empty').waitFor()
    await expectAccessible(house, page, 'no orders')
    await page.goto(`${sale.site}/nowhere`)
    await expectAccessible(house, page, 'error')
  })

  test(`axe finds nothing serious from the map to the order (${colorScheme})`, async (house) => {
    const page = await house.person({ colorScheme })
    const opened = await openEvent(page, 'the-long-winter')
    await expectAccessible(house, page, 'the map')
    await opened.enter('balcony-2-centre')
    await expectAccessible(house, page, 'a section')
    const [seat] = await opened.reachable('balcony-2-centre')
    await opened.take(seat)
    await expectAccessible(house, page, 'a seat taken')
    await opened.byId('view-list').click()
    await opened.byId('list-section-button').first().click()
    await opened.byId('list-seat').first().waitFor()
    await expectAccessible(house, page, 'the list of seats')
    await opened.order()
    await expectAccessible(house, page, 'the order')
    await opened.byId('order-cancel').click()
    await opened.byId('order-cancel-yes').waitFor()
    await expectAccessible(house, page, 'the question before cancelling')
  })
}

test('axe finds nothing serious on a phone with the basket open, and in the list of orders', async (house) => {
  const page = await house.person(PHONE)
  const opened = await openEvent(page, 'the-long-winter')
  await opened.enter('balcony-2-centre')
  const [seat] = await opened.reachable('balcony-2-centre')
  await opened.take(seat)
  await opened.openBasketOnPhone()
  await expectAccessible(house, page, 'the basket')
  await opened.order()
  await page.goto(`${sale.site}/orders`)
  await page.getByTestId('order-row').first().waitFor()
  await expectAccessible(house, page, 'the orders')
})

test('axe finds nothing serious in the picker of standing room', async (house) => {
  const page = await house.person()
  const opened = await openEvent(page, 'low-ceiling')
  await opened.tapAt(await page.evaluate((id) => window.livehouse.sectionPlace(id), opened.event.layout.sections[0].id))
  await opened.byId('area-sheet').waitFor()
  await expectAccessible(house, page, 'standing room')
})
