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

/** What a browser's setting for larger letters does: 16 px become 32, in media queries too. */
async function doubleLetters(page) {
  const session = await page.context().newCDPSession(page)
  await session.send('Page.setFontSizes', { fontSizes: { standard: 32, fixed: 26 } })
}

test('letters of twice the size fit too, in one column', async (house) => {
  const page = await house.person()
  await doubleLetters(page)
  const opened = await openEvent(page, 'night-trains')
  assert.equal(await page.evaluate(() => getComputedStyle(document.documentElement).fontSize), '32px')
  await expectNoSidewaysScroll(page)
  const { width } = await opened.byId('seat-map').boundingBox()
  assert.ok(width > 1100, `the map has the whole width, not ${width} px beside a column`)
  const clipped = await page.evaluate(() =>
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

test('a window of 320 pixels is wide enough, for letters of twice the size too', async (house) => {
  house.allowComplaints(/404/)
  for (const prepare of [async () => undefined, doubleLetters]) {
    const page = await house.person({ viewport: { width: 320, height: 640 } })
    await prepare(page)
    for (const path of ['/', '/orders', '/nothing-here', '/events/low-ceiling', '/events/night-trains#seat-list']) {
      await page.goto(sale.site + path)
      await page.waitForLoadState('load')
      await expectNoSidewaysScroll(page)
    }
    const opened = await openEvent(page, 'night-trains')
    await expectNoSidewaysScroll(page)
    await opened.byId('finder-go').click()
    await opened.byId('basket-toggle').click()
    await opened.byId('basket-order').waitFor()
    await expectNoSidewaysScroll(page)
    await picture(page, `narrow-${prepare.name || 'plain'}`)
    await opened.order()
    await expectNoSidewaysScroll(page)
  }
})

const DESKS = [
  { width: 1280, height: 800 },
  { width: 1440, height: 900 },
]
for (const viewport of DESKS) {
  test(`in a window of ${viewport.width} × ${viewport.height} the whole map and the basket are there at once`, async (house) => {
    const page = await house.person({ viewport })
    for (const slug of ['night-trains', 'aurora-lines', 'low-ceiling']) {
      const opened = await openEvent(page, slug)
      await picture(page, `desk-${viewport.width}-${slug}`)
      for (const name of ['event-name', 'legend', 'seat-map', 'zoom-in', 'zoom-out', 'basket'])
        await expectInWindow(opened.byId(name), viewport)
      const { height } = await opened.byId('seat-map').boundingBox()
      assert.ok(height >= viewport.height * 0.55, `the map of ${slug} is only ${height} px high`)
    }
    const opened = await openEvent(page, 'night-trains')
    const before = await opened.byId('seat-map').boundingBox()
    await opened.byId('finder-party').selectOption('8')
    await opened.byId('finder-go').click()
    await opened.byId('basket-line').nth(7).waitFor({ state: 'attached' })
    await picture(page, `desk-${viewport.width}-full-basket`)
    assert.deepEqual(await opened.byId('seat-map').boundingBox(), before, 'a full basket moves nothing')
    for (const name of ['basket-total', 'basket-timer', 'basket-order'])
      await expectInWindow(opened.byId(name), viewport)
    assert.equal(await page.evaluate(() => scrollY), 0)
  })
}

async function expectInWindow(locator, { width, height }) {
  const box = await locator.boundingBox()
  const isInside = box && box.x >= 0 && box.y >= 0 && box.x + box.width <= width && box.y + box.height <= height
  assert.ok(isInside, `${locator} is at ${JSON.stringify(box)} in a window of ${width} × ${height}`)
}

test('what the server printed and what the script puts in its place are at the same place', async (house) => {
  const plain = await house.person()
  // The script is held back: this is what is seen before it runs.
  await plain.route(/\/assets\/event-.*\.js$/, () => undefined)
  await plain.goto(`${sale.site}/events/night-trains`, { waitUntil: 'commit' })
  const printed = plain.locator('.stage-loading .skeleton-map')
  await printed.waitFor()
  const opened = await openEvent(await house.person(), 'night-trains')
  const [before, after] = [await printed.boundingBox(), await opened.byId('seat-map').boundingBox()]
  for (const side of ['x', 'y', 'width', 'height'])
    assert.ok(Math.abs(before[side] - after[side]) <= 40, `${side}: ${before[side]} before, ${after[side]} after`)
})
