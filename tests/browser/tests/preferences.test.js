// What people told their system: less motion, dark, more contrast.
import assert from 'node:assert/strict'
import { DESKTOP, picture, sale, test, until } from '../support/person.js'
import { openEvent } from '../support/sale-page.js'

test('who wants less motion gets the map at once and nothing that moves by itself', async (house) => {
  const page = await house.person({ reducedMotion: 'reduce' })
  const opened = await openEvent(page, 'night-trains')
  const frames = await page.evaluate(async () => {
    const place = () =>
      JSON.stringify(window.livehouse.seatPlace('stalls-centre-a-1') ?? window.livehouse.sectionPlace('stalls-left'))
    document.querySelector('[data-testid="zoom-in"]').click()
    const seen = new Set()
    const until = performance.now() + 500
    while (performance.now() < until) {
      seen.add(place())
      await new Promise((resolve) => requestAnimationFrame(resolve))
    }
    return seen.size
  })
  assert.ok(frames <= 2, `the zoom took ${frames} steps`)
  const section = 'stalls-centre'
  await page.getByTestId('zoom-reset').click()
  await opened.enter(section)
  const [seat] = await opened.reachable(section)
  await opened.take(seat)
  const moving = await page.evaluate(() =>
    document
      .getAnimations()
      .filter((animation) => animation.playState === 'running' && animation.effect.getComputedTiming().duration > 20)
      .map((animation) => animation.animationName ?? animation.transitionProperty),
  )
  assert.deepEqual(moving, [])
})

test('in the dark the page and the map are dark, and turn with the system while they are open', async (house) => {
  const page = await house.person({ ...DESKTOP, colorScheme: 'dark' })
  const opened = await openEvent(page, 'night-trains')
  /** Of the whole map: whatever lies at one point of it is chance. */
  const brightness = () =>
    page.evaluate(() => {
      const canvas = document.querySelector('[data-testid="seat-map-canvas"]')
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
      let sum = 0
      for (let at = 0; at < data.length; at += 4) sum += data[at] + data[at + 1] + data[at + 2]
      return sum / ((data.length / 4) * 3)
    })
  assert.ok((await brightness()) < 100, 'the map is dark')
  await picture(page, 'dark-event')
  await opened.enter('stalls-centre')
  const seats = await opened.reachable('stalls-centre', 2)
  for (const seat of seats) await opened.take(seat)
  await picture(page, 'dark-section')
  await page.emulateMedia({ colorScheme: 'light' })
  await until('the map to be light', async () => {
    const now = await brightness()
    return now > 170 && now
  })
  await page.goto(sale.site)
  await page.emulateMedia({ colorScheme: 'dark' })
  await picture(page, 'dark-list')
})

test('with colours forced by the system every button has an edge, and what is pressed can be told', async (house) => {
  const page = await house.person({ forcedColors: 'active' })
  const opened = await openEvent(page, 'night-trains', '#seat-list')
  await opened.byId('list-section-button').first().click()
  await opened.byId('list-seat').first().click()
  await page.locator('[data-testid="list-seat"][aria-pressed="true"].is-mine').waitFor()
  const looks = await page.evaluate(() => {
    const look = (selector) => {
      const { borderTopStyle, backgroundColor, color } = getComputedStyle(document.querySelector(selector))
      return { edge: borderTopStyle, colours: `${color} on ${backgroundColor}` }
    }
    return {
      order: look('[data-testid="basket-order"]'),
      find: look('[data-testid="finder-go"]'),
      price: look('[data-testid="legend-category"]'),
      map: look('[data-testid="view-map"]'),
      list: look('[data-testid="view-list"]'),
      mine: look('[data-testid="list-seat"][aria-pressed="true"]'),
      free: look('[data-testid="list-seat"][aria-pressed="false"]'),
    }
  })
  for (const name of ['order', 'find', 'price', 'mine', 'free']) assert.equal(looks[name].edge, 'solid', name)
  assert.notEqual(looks.map.colours, looks.list.colours)
  assert.notEqual(looks.mine.colours, looks.free.colours)
  await picture(page, 'forced-colours')
})
