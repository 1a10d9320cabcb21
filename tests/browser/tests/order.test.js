// From a hold to an order, and back.
import assert from 'node:assert/strict'
import { sale, test } from '../support/person.js'
import { openEvent } from '../support/sale-page.js'

const EVENT = 'the-long-winter'

async function twoPeople(house, section) {
  const pages = await Promise.all([house.person(), house.person()])
  const opened = await Promise.all(pages.map((page) => openEvent(page, EVENT)))
  for (const each of opened) await each.enter(section)
  return opened
}

test('an order shows what was chosen and what it costs, and cancelling it frees the seats for others at once', async (house) => {
  const [one, other] = await twoPeople(house, 'stalls-centre')
  const seats = await one.reachable('stalls-centre', 2)
  for (const seat of seats) await one.take(seat)
  const total = await one.byId('basket-total').innerText()
  await one.byId('basket-email').fill('ada@example.org')
  await one.order()

  assert.equal(await one.byId('order-state').innerText(), 'Waiting for payment')
  assert.equal(await one.byId('order-line').count(), 2)
  assert.equal(await one.byId('order-total').innerText(), total)
  const labels = seats.map((id) => one.event.seats.get(id).label)
  const lines = await one.byId('order-line').allInnerTexts()
  for (const label of labels)
    assert.ok(
      lines.some((line) => line.includes(`seat ${label}`)),
      `${lines} names ${label}`,
    )
  for (const seat of seats) assert.equal(await other.stateOf(seat), 'h')

  await one.byId('order-cancel').click()
  await one.byId('order-cancel-no').click()
  assert.equal(await one.byId('order-state').innerText(), 'Waiting for payment')
  await one.byId('order-cancel').click()
  await one.byId('order-cancel-yes').click()
  await one.page.locator('[data-testid="order-page"][data-state="cancelled"]').waitFor()
  for (const seat of seats) await other.see(seat, 'f')
  assert.match(await one.byId('order-page').innerText(), /The seats are free for others again/)
})

test('an order is shown live in every tab, and in the list of orders', async (house) => {
  const page = await house.person()
  const opened = await openEvent(page, EVENT)
  await opened.enter('balcony-1-centre')
  const [seat] = await opened.reachable('balcony-1-centre')
  await opened.take(seat)
  await opened.order()
  const tab = await house.page(page.context())
  await tab.goto(`${sale.site}/orders`)
  const row = tab.getByTestId('order-row').first()
  await row.waitFor()
  assert.equal(await row.getAttribute('data-state'), 'awaitingPayment')
  assert.match(await row.innerText(), /The Long Winter/)
  await opened.byId('order-cancel').click()
  await opened.byId('order-cancel-yes').click()
  await tab.locator('[data-testid="order-row"][data-state="cancelled"]').waitFor()
})

test('an order of a free event is paid at once', async (house) => {
  const [page, otherPage] = [await house.person(), await house.person()]
  const opened = await openEvent(page, 'open-rehearsal')
  const other = await openEvent(otherPage, 'open-rehearsal')
  const section = opened.event.layout.sections[0].id
  for (const each of [opened, other]) await each.enter(section)
  const [seat] = await opened.reachable(section)
  await opened.take(seat)
  assert.equal(await opened.byId('basket-order').innerText(), 'Order for free')
  await opened.order()
  await page.locator('[data-testid="order-page"][data-state="paid"]').waitFor()
  assert.equal(await opened.byId('order-state').innerText(), 'Paid')
  assert.match(await opened.byId('order-page').innerText(), /There is nothing to pay/)
  assert.equal(await opened.byId('order-line').count(), 1)
  assert.equal(await opened.byId('order-cancel').count(), 0, 'a paid order is left only by a refund')
  await other.see(seat, 's')
  await page.goto(`${sale.site}/events/open-rehearsal`)
  await opened.ready()
  await opened.byId('basket-empty').waitFor()
})

test('an order of somebody else is not shown', async (house) => {
  const opened = await openEvent(await house.person(), EVENT)
  await opened.enter('stalls-right')
  const [seat] = await opened.reachable('stalls-right')
  await opened.take(seat)
  await opened.order()
  const stranger = await house.person()
  house.allowComplaints(/403|404/)
  await stranger.goto(opened.page.url())
  await stranger.getByTestId('order-refused').or(stranger.getByTestId('error')).waitFor()
  const text = await stranger.locator('main').innerText()
  assert.doesNotMatch(text, /Row|seat \d|€/)
})
