// Buying with nothing but a keyboard.
import assert from 'node:assert/strict'
import { sale, test, until } from '../support/person.js'
import { eventOf } from '../support/sale-page.js'

const TABS_MAX = 80

/** What has the focus, and whether eyes can find it. */
function focused(page) {
  return page.evaluate(() => {
    const element = document.activeElement
    if (!element || element === document.body) return null
    const { left, top, right, bottom } = element.getBoundingClientRect()
    const style = getComputedStyle(element)
    const x = (Math.max(0, left) + Math.min(innerWidth, right)) / 2
    const y = (Math.max(0, top) + Math.min(innerHeight, bottom)) / 2
    const top_ = document.elementFromPoint(x, y)
    return {
      name: element.dataset.testid ?? element.id ?? '',
      text: (element.getAttribute('aria-label') ?? element.innerText ?? '').trim().replace(/\s+/g, ' ').slice(0, 60),
      tag: element.tagName.toLowerCase(),
      seat: element.dataset.seat ?? null,
      isInView: right > 0 && bottom > 0 && left < innerWidth && top < innerHeight && right > left && bottom > top,
      isCovered: !top_ || !(element.contains(top_) || top_.contains(element)),
      hasRing:
        (style.outlineStyle !== 'none' && Number.parseFloat(style.outlineWidth) >= 2) ||
        (style.boxShadow !== 'none' && style.boxShadow !== '') ||
        // The ring of a whole card is drawn by the card around its link.
        [element.parentElement, element.firstElementChild].some((near) => {
          const around = near && getComputedStyle(near)
          return around && around.outlineStyle !== 'none' && Number.parseFloat(around.outlineWidth) >= 2
        }),
    }
  })
}

/** The focus, once the page scrolled to it and its ring appeared; fails when it cannot be seen. */
async function seeFocus(page) {
  let last
  await until(
    'the focus to be visible',
    async () => {
      last = await focused(page)
      return last && last.isInView && !last.isCovered && last.hasRing
    },
    2000,
  ).catch(() => assert.fail(`the focus cannot be seen: ${JSON.stringify(last)}`))
  return last
}

/** Presses Tab until `wanted` has the focus. Every stop on the way must be visible. */
async function tabTo(page, wanted, key = 'Tab') {
  const way = []
  for (let stop = 0; stop < TABS_MAX; stop++) {
    await page.keyboard.press(key)
    const now = await seeFocus(page)
    way.push(now.name || now.text)
    if (wanted(now)) return now
  }
  assert.fail(`${TABS_MAX} stops and not there: ${way.join(' › ')}`)
}

test('a free seat can be found, taken and ordered with the keyboard alone, and the focus is always visible', async (house) => {
  const page = await house.person()
  const event = await eventOf('open-rehearsal')
  await page.goto(sale.site)
  await tabTo(page, ({ text }) => text.includes('Open Rehearsal'))
  await page.keyboard.press('Enter')
  await page.waitForURL(/open-rehearsal/)
  await page.waitForFunction(
    () => window.livehouse?.link === 'online' && document.querySelector('[data-testid="view-list"]'),
  )

  await tabTo(page, ({ name }) => name === 'skip-to-list')
  await page.keyboard.press('Enter')
  await until('the list to have the focus', async () => (await focused(page))?.name === 'list-section-button')
  await seeFocus(page)
  await page.keyboard.press('Enter')
  await page.getByTestId('list-seat').first().waitFor()
  const first = await tabTo(page, ({ seat }) => seat !== null)
  await page.keyboard.press('ArrowRight')
  const second = await seeFocus(page)
  assert.notEqual(second.seat, first.seat)
  await page.keyboard.press('ArrowDown')
  const third = await seeFocus(page)
  assert.notEqual(event.seats.get(third.seat).row.id, event.seats.get(second.seat).row.id)
  await page.keyboard.press('Enter')
  await page.locator(`[data-testid="basket-line"][data-seat="${third.seat}"]`).waitFor({ state: 'attached' })
  assert.equal(
    await page.locator(`[data-testid="list-seat"][data-seat="${third.seat}"]`).getAttribute('aria-pressed'),
    'true',
  )

  await tabTo(page, ({ name }) => name === 'basket-order')
  await page.keyboard.press('Enter')
  await page.waitForURL(/\/orders\/./)
  await page.locator('[data-testid="order-page"][data-state="paid"]').waitFor()
})

test('the map can be moved and zoomed with keys and is no trap', async (house) => {
  const page = await house.person()
  await page.goto(`${sale.site}/events/night-trains`)
  await page.waitForFunction(
    () => window.livehouse?.link === 'online' && document.querySelector('[data-testid="seat-map"]'),
  )
  await tabTo(page, ({ name }) => name === 'seat-map')
  const place = () => page.evaluate(() => window.livehouse.sectionPlace('stalls-left'))
  const before = await place()
  await page.keyboard.press('+')
  await page.getByTestId('zoom-reset').waitFor()
  await until('the map to be larger', async () => Math.abs((await place()).x - before.x) > 20)
  await page.keyboard.press('0')
  await page.getByTestId('zoom-reset').waitFor({ state: 'detached' })
  await tabTo(page, ({ name }) => name === 'zoom-in')
  await tabTo(page, ({ name }) => name === 'seat-map', 'Shift+Tab')
  await tabTo(page, ({ tag, text }) => tag === 'a' && text === 'My orders')
})

test('every seat in the list has a name that says where it is, what it costs and whether it can be had', async (house) => {
  const page = await house.person()
  await page.goto(`${sale.site}/events/night-trains#seat-list`)
  await page.getByTestId('list-section-button').first().click()
  const seat = page.getByTestId('list-seat').first()
  await seat.waitFor()
  const names = await page.getByRole('button', { name: /^Row .+, seat .+, Stalls left, .+, available/ }).count()
  assert.ok(names > 100, `${names} seats are named in full`)
  await seat.click()
  await page.getByTestId('basket-line').waitFor()
  await page.getByRole('button', { name: /^Row .+, seat .+, Stalls left, .+, in your basket/ }).waitFor()
  await until('it to be said aloud', async () =>
    /is yours for now/.test(await page.getByTestId('announcements').innerText()),
  )
})
