// Small screens, fingers, and large letters.
import assert from 'node:assert/strict'
import { PHONE, TABLET, picture, sale, test, until } from '../support/person.js'
import { openEvent } from '../support/sale-page.js'

/** WCAG 2.5.8; links inside of a sentence are excepted. */
const TARGET_PIXELS_MIN = 24

async function expectNoSidewaysScroll(page) {
  const { wide, width, guilty } = await page.evaluate(() => ({
    wide: document.documentElement.scrollWidth,
    width: document.documentElement.clientWidth,
    guilty: [...document.querySelectorAll('body *')]
      .filter((element) => element.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
      .map((element) => element.className || element.tagName)
      .slice(0, 5),
  }))
  assert.ok(wide <= width, `the page is ${wide} px wide on a screen of ${width} px: ${guilty}`)
}

async function expectLargeTargets(page) {
  const small = await page.evaluate((least) => {
    const found = []
    for (const element of document.querySelectorAll('a[href], button, select, input, [tabindex="0"]')) {
      const { width, height } = element.getBoundingClientRect()
      const isShown = element.checkVisibility?.({ visibilityProperty: true, opacityProperty: true }) ?? width > 0
      // Skip links are not there until a key brings them; a link inside a sentence is as high as its line.
      if (
        !isShown ||
        width === 0 ||
        element.matches('.skip') ||
        element.closest('p')?.innerText.length > element.innerText?.length
      )
        continue
      if (width < least || height < least)
        found.push(
          `${element.dataset.testid ?? element.innerText ?? element.className} (${Math.round(width)}×${Math.round(height)})`,
        )
    }
    return found
  }, TARGET_PIXELS_MIN)
  assert.deepEqual(small, [], 'targets are large enough for a finger')
}

test('on a phone a seat is two taps away, and the way to the order fits the screen', async (house) => {
  const page = await house.person(PHONE)
  await page.goto(sale.site)
  await expectNoSidewaysScroll(page)
  await expectLargeTargets(page)
  await picture(page, 'phone-list')
  const opened = await openEvent(page, 'night-trains')
  await expectNoSidewaysScroll(page)
  await expectLargeTargets(page)
  await picture(page, 'phone-event')
  await opened.enter('stalls-centre')
  const [seat] = await opened.reachable('stalls-centre')
  const { pitch } = await opened.placeOf(seat)
  assert.ok(pitch >= TARGET_PIXELS_MIN, `seats are ${pitch.toFixed(1)} px apart`)
  await opened.take(seat)
  await picture(page, 'phone-section')
  await expectNoSidewaysScroll(page)
  await opened.openBasketOnPhone()
  await expectNoSidewaysScroll(page)
  await expectLargeTargets(page)
  await picture(page, 'phone-basket')
  await opened.byId('basket-order').tap()
  await page.waitForURL(/\/orders\/./)
  await opened.byId('order-page').waitFor()
  await expectNoSidewaysScroll(page)
  await expectLargeTargets(page)
  await picture(page, 'phone-order')
})

test('on a phone a mis-tap is undone by the same tap', async (house) => {
  const opened = await openEvent(await house.person(PHONE), 'night-trains')
  await opened.enter('balcony-1-centre')
  const [seat] = await opened.reachable('balcony-1-centre')
  await opened.take(seat)
  await opened.tapSeat(seat)
  await until('nothing to be held', async () => (await opened.hold()) === null)
  await opened.see(seat, 'f')
})

test('one finger scrolls the page over the whole venue, and moves the map once it is zoomed', async (house) => {
  const page = await house.person(PHONE)
  const opened = await openEvent(page, 'night-trains')
  const touch = await page.context().newCDPSession(page)
  /** A finger on the middle of the map moves up. */
  const swipe = async () => {
    const { x, y, width, height } = await opened.byId('seat-map').boundingBox()
    const at = { x: x + width / 2, y: Math.min(y + height / 2, 700) }
    await touch.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints: [at] })
    for (let moved = 15; moved <= 120; moved += 15)
      await touch.send('Input.dispatchTouchEvent', { type: 'touchMove', touchPoints: [{ x: at.x, y: at.y - moved }] })
    await touch.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] })
  }
  await swipe()
  await until('the page to scroll', () => page.evaluate(() => scrollY > 60))
  await page.evaluate(() => scrollTo(0, 0))
  await opened.enter('stalls-centre')
  const row = opened.event.layout.sections.find(({ id }) => id === 'stalls-centre').rows.at(-1)
  const before = await opened.placeOf(row.seats[0].id)
  const scrolled = await page.evaluate(() => scrollY)
  await swipe()
  await until('the map to move', async () => Math.abs((await opened.placeOf(row.seats[0].id)).y - before.y) > 20)
  assert.equal(await page.evaluate(() => scrollY), scrolled, 'the page stays')
})

test('on a tablet everything fits, upright and on its side', async (house) => {
  const page = await house.person(TABLET)
  const opened = await openEvent(page, 'aurora-lines')
  await expectNoSidewaysScroll(page)
  await picture(page, 'tablet-event')
  await page.setViewportSize({ width: 1180, height: 820 })
  await expectNoSidewaysScroll(page)
  const section = opened.event.layout.sections.find(({ rows }) => rows.length > 0).id
  await opened.enter(section)
  const [seat] = await opened.reachable(section)
  const { pitch } = await opened.placeOf(seat)
  assert.ok(pitch >= TARGET_PIXELS_MIN, `seats are ${pitch.toFixed(1)} px apart`)
  await opened.take(seat)
  await expectLargeTargets(page)
  await picture(page, 'tablet-section')
})

test('at 200 % zoom nothing is lost and nothing scrolls sideways', async (house) => {
  // A browser's zoom of 200 % is a window of half the size with twice the density.
  const page = await house.person({ viewport: { width: 640, height: 400 }, deviceScaleFactor: 2 })
  for (const path of ['/', '/events/night-trains', '/orders', '/nothing-here']) {
    if (path === '/nothing-here') house.allowComplaints(/404/)
    await page.goto(sale.site + path)
    await page.waitForLoadState('load')
    await expectNoSidewaysScroll(page)
  }
  const opened = await openEvent(page, 'night-trains')
  await opened.enter('stalls-right')
  const [seat] = await opened.reachable('stalls-right')
  await opened.take(seat)
  await picture(page, 'zoom-200')
  await expectNoSidewaysScroll(page)
})

test('letters of twice the size fit too', async (house) => {
  const page = await house.person()
  const opened = await openEvent(page, 'night-trains')
  await page.evaluate(() => (document.documentElement.style.fontSize = '200%'))
  await expectNoSidewaysScroll(page)
  const clipped = await opened.page.evaluate(() =>
    [...document.querySelectorAll('button, a, h1, h2, strong, label')]
      .filter((element) => {
        const style = getComputedStyle(element)
        const isCut = element.scrollWidth > element.clientWidth + 2 && style.overflowX === 'hidden'
        return element.checkVisibility?.() && isCut && style.textOverflow !== 'ellipsis' && !element.closest('.unseen')
      })
      .map((element) => element.innerText),
  )
  assert.deepEqual(clipped, [], 'no words are cut off')
  await picture(page, 'letters-200')
})
