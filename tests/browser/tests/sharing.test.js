// Two people look at the same seats.
import assert from 'node:assert/strict'
import { test, until } from '../support/person.js'
import { openEvent } from '../support/sale-page.js'

const EVENT = 'night-trains'
/** Somebody else's tap has to be on the screen by then. */
const SEEN_MILLISECONDS_MAX = 1000

/** Two people in the same section of the same event. */
async function twoPeople(house, section, options = {}) {
  const pages = await Promise.all([house.person(options), house.person(options)])
  const opened = await Promise.all(pages.map((page) => openEvent(page, EVENT)))
  for (const each of opened) await each.enter(section)
  return opened
}

/** Remembers when the colours of a seat's place on the canvas change: what eyes see, not what a script was told. */
async function watchPixels(opened, seat) {
  await opened.page.mouse.move(2, 2)
  const place = await opened.placeOf(seat)
  await opened.page.evaluate(({ x, y, pitch }) => {
    const canvas = document.querySelector('[data-testid="seat-map-canvas"]')
    const { left, top, width } = canvas.getBoundingClientRect()
    const density = canvas.width / width
    const size = Math.round(pitch * 0.6 * density)
    const look = () =>
      canvas
        .getContext('2d')
        .getImageData(
          Math.round((x - left) * density - size / 2),
          Math.round((y - top) * density - size / 2),
          size,
          size,
        )
        .data.join()
    const before = look()
    window.seenAt = new Promise((resolve) => {
      const watch = () =>
        look() === before ? requestAnimationFrame(watch) : resolve(performance.timeOrigin + performance.now())
      requestAnimationFrame(watch)
    })
  }, place)
}

/** Taps a seat and answers when the hand went up, on the clock all pages of this machine share. */
async function tapAndTell(opened, seat) {
  await opened.page.evaluate(() => {
    window.tappedAt = new Promise((resolve) => {
      addEventListener('pointerup', (event) => resolve(performance.timeOrigin + event.timeStamp), {
        once: true,
        capture: true,
      })
    })
  })
  await opened.tapSeat(seat)
  return opened.page.evaluate(() => window.tappedAt)
}

test('a seat picked in one browser is seen held in the other within a second', async (house) => {
  const [one, other] = await twoPeople(house, 'stalls-centre')
  const times = []
  for (let round = 0; round < 5; round++) {
    const [seat] = await one.reachable('stalls-centre')
    await watchPixels(other, seat)
    const tappedAt = await tapAndTell(one, seat)
    const seenAt = await other.page.evaluate(() => window.seenAt)
    times.push(Math.round(seenAt - tappedAt))
    await other.see(seat, 'h')
    await one.byId('basket').locator(`[data-seat="${seat}"]`).waitFor({ state: 'attached' })
  }
  house.say(`from the tap in one browser to the pixels in the other: ${times.join(', ')} ms`)
  assert.ok(Math.max(...times) < SEEN_MILLISECONDS_MAX, `the slowest took ${Math.max(...times)} ms`)
})

test('a seat given back by the same tap is free in the other browser too', async (house) => {
  const [one, other] = await twoPeople(house, 'stalls-left')
  const [seat] = await one.reachable('stalls-left')
  await one.take(seat)
  await other.see(seat, 'h')
  await one.tapSeat(seat)
  await other.see(seat, 'f')
  await one.byId('basket-empty').waitFor()
  assert.equal(await one.hold(), null)
})

test('when two people tap the same seat at the same moment, one has it and the other is told so kindly', async (house) => {
  const [one, other] = await twoPeople(house, 'stalls-right')
  const [seat] = await one.reachable('stalls-right')
  const places = await Promise.all([one.placeOf(seat), other.placeOf(seat)])
  await Promise.all([one.tapAt(places[0]), other.tapAt(places[1])])
  const outcome = async (opened) => {
    if (await opened.hold()) return 'has it'
    return (await opened.byId('message').count()) > 0 ? 'was told' : null
  }
  const outcomes = await Promise.all([one, other].map((opened) => until('an outcome', () => outcome(opened))))
  assert.deepEqual(outcomes.sort(), ['has it', 'was told'])
  const loser = (await one.hold()) ? other : one
  const text = await loser.byId('message').innerText()
  const { label } = loser.event.seats.get(seat)
  assert.match(text, new RegExp(`Seat ${label} (was taken a moment ago|is held by somebody)`))
  assert.doesNotMatch(text, /error|failed|tickets\./i)
})

test('whoever was slower is offered free seats nearby, and one tap holds them', async (house) => {
  const [one] = await twoPeople(house, 'stalls-centre')
  const slowPage = await house.person()
  const line = await slowLine(slowPage)
  const slow = await openEvent(slowPage, EVENT)
  await slow.enter('stalls-centre')
  const [seat] = await one.reachable('stalls-centre')
  line.hold()
  await one.take(seat)
  assert.equal(await slow.stateOf(seat), 'f', 'the slow line has not brought the news yet')
  await slow.tapSeat(seat)
  const message = slow.byId('message')
  await message.waitFor()
  line.letGo()
  const { label } = slow.event.seats.get(seat)
  assert.match(
    await message.innerText(),
    new RegExp(`Seat ${label} was taken a moment ago\\..*Seat .* is free\\.`, 's'),
  )
  await slow.byId('message-action').click()
  const lines = slow.byId('basket-line')
  await lines.waitFor()
  const alternative = await lines.getAttribute('data-seat')
  assert.notEqual(alternative, seat)
  await one.see(alternative, 'h')
  const [wanted, got] = [seat, alternative].map((id) => slow.event.seats.get(id))
  assert.equal(got.category, wanted.category, 'the alternative costs the same')
  assert.equal(got.section, wanted.section)
})

test('two tabs of one person show the same basket', async (house) => {
  const page = await house.person()
  const one = await openEvent(page, EVENT)
  const tab = await openEvent(await house.page(page.context()), EVENT)
  await one.page.bringToFront()
  await one.enter('stalls-left')
  const [seat] = await one.reachable('stalls-left')
  await one.take(seat)
  await tab.byId('basket').locator(`[data-seat="${seat}"]`).waitFor({ state: 'attached' })
  assert.equal(await tab.byId('basket-total').innerText(), await one.byId('basket-total').innerText())
})

/** A line on which news can be held up, while answers to this person's own requests come through. */
async function slowLine(page) {
  let isHeld = false
  const waiting = []
  await page.routeWebSocket(/.*/, (socket) => {
    const server = socket.connectToServer()
    server.onMessage((message) => {
      if (isHeld && JSON.parse(message).event) waiting.push(() => socket.send(message))
      else socket.send(message)
    })
  })
  return {
    hold: () => (isHeld = true),
    letGo: () => {
      isHeld = false
      for (const send of waiting.splice(0)) send()
    },
  }
}
