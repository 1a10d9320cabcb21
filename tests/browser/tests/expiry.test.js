// Time runs out, for everybody by the same clock.
import assert from 'node:assert/strict'
import { sale, test } from '../support/person.js'
import { openEvent } from '../support/sale-page.js'

const { slug, holdSeconds } = sale.events.short
/** Seen as free this soon after the time ran out. */
const FREED_MILLISECONDS_MAX = 2000

/** Makes a page believe that it is later than it is. */
function wrongClock(page, milliseconds) {
  return page.addInitScript((off) => {
    const Right = Date
    class Wrong extends Right {
      constructor(...given) {
        if (given.length === 0) super(Right.now() + off)
        else super(...given)
      }
      static now() {
        return Right.now() + off
      }
    }
    window.Date = Wrong
  }, milliseconds)
}

const secondsOn = async (opened) => {
  const [minutes, rest] = (await opened.byId('basket-timer').locator('[aria-hidden]').innerText()).split(':')
  return Number(minutes) * 60 + Number(rest)
}

test('when the time of a hold runs out, both browsers see the seat free and its owner is told', async (house) => {
  const [one, other] = await Promise.all([house.person(), house.person()]).then((pages) =>
    Promise.all(pages.map((page) => openEvent(page, slug))),
  )
  const section = one.event.layout.sections[0].id
  for (const each of [one, other]) await each.enter(section)
  const [seat] = await one.reachable(section)
  await one.take(seat)
  const { expiresAt } = await one.hold()
  await other.see(seat, 'h')
  assert.ok((await secondsOn(one)) <= holdSeconds)

  await Promise.all([one, other].map((each) => each.see(seat, 'f', holdSeconds * 1000 + FREED_MILLISECONDS_MAX)))
  const late = (await one.page.evaluate(() => window.livehouse.serverTime)) - Date.parse(expiresAt)
  house.say(`seen as free ${Math.round(late)} ms after the time ran out`)
  assert.ok(late > -200, 'not before its time')
  assert.ok(late < FREED_MILLISECONDS_MAX, `${late} ms after its time`)

  const message = one.byId('message')
  await message.waitFor()
  assert.match(await message.innerText(), /The time for your seats ran out, and they are free again/)
  await one.byId('basket-empty').waitFor()
  assert.equal(await other.byId('message').count(), 0, 'it concerns nobody else')

  await one.byId('message-action').click()
  await one.byId('basket').locator(`[data-seat="${seat}"]`).waitFor({ state: 'attached' })
  await other.see(seat, 'h')
})

for (const [what, hours] of [
  ['three hours ahead', 3],
  ['three hours behind', -3],
]) {
  test(`a clock that is ${what} changes nothing about the countdown`, async (house) => {
    const page = await house.person()
    await wrongClock(page, hours * 3_600_000)
    const opened = await openEvent(page, 'the-long-winter')
    assert.ok(Math.abs((await page.evaluate(() => Date.now())) - Date.now()) > 10_000_000, 'the clock is wrong indeed')
    await opened.enter('stalls-left')
    const [seat] = await opened.reachable('stalls-left')
    await opened.take(seat)
    const { expiresAt } = await opened.hold()
    const right = (Date.parse(expiresAt) - Date.now()) / 1000
    const shown = await secondsOn(opened)
    house.say(`shows ${shown} s of ${right.toFixed(1)} s`)
    assert.ok(Math.abs(shown - right) < 2, `shows ${shown} s while ${right} s are left`)
    await opened.byId('basket-extend').click()
    await opened.byId('message').waitFor()
    assert.match(await opened.byId('message').innerText(), /You have 15 minutes again/)
  })
}

test('an order whose time runs out while its page is open says so by itself, and frees its seats', async (house) => {
  const [one, other] = await Promise.all([house.person(), house.person()]).then((pages) =>
    Promise.all(pages.map((page) => openEvent(page, slug))),
  )
  const section = one.event.layout.sections[0].id
  for (const each of [one, other]) await each.enter(section)
  const [seat] = await one.reachable(section)
  await one.take(seat)
  await one.order()
  const state = one.byId('order-state')
  assert.equal(await state.innerText(), 'Waiting for payment')
  assert.match(await one.byId('order-timer').innerText(), /Time to pay/)
  await one.page.locator('[data-testid="order-page"][data-state="expired"]').waitFor()
  assert.equal(await state.innerText(), 'Expired')
  await other.see(seat, 'f')
})
