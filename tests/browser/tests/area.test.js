// Places without seats: standing room.
import assert from 'node:assert/strict'
import { PHONE, picture, sale, test, until } from '../support/person.js'
import { openEvent } from '../support/sale-page.js'

const EVENT = 'low-ceiling'

async function areaOnServer(opened) {
  const area = opened.event.layout.sections[0].areas[0].id
  return (await fetch(`${sale.resgate}/api/tickets/event/${opened.event.id}/area/${area}`)).json()
}

const leftOn = async (picker) => Number((await picker.innerText()).match(/([\d,]+) left/)[1].replace(',', ''))

test('units of standing room are taken one by one and given back, and everybody sees how many are left', async (house) => {
  const pages = [await house.person(), await house.person()]
  const [one, other] = await Promise.all(pages.map((page) => openEvent(page, EVENT, '#seat-list')))
  const pickers = [one, other].map((opened) => opened.byId('area-picker').first())
  for (const picker of pickers) await picker.waitFor()
  const before = await leftOn(pickers[1])
  for (let unit = 1; unit <= 3; unit++) {
    await pickers[0].getByTestId('area-more').click()
    await until(
      `${unit} units`,
      async () => (await pickers[0].getByTestId('area-quantity').innerText()) === String(unit),
    )
  }
  const line = one.byId('basket-line')
  await until('the basket to have three', async () => /× 3/.test((await line.count()) ? await line.innerText() : ''))
  await until('the other to see three less', async () => (await leftOn(pickers[1])) === before - 3)
  await pickers[0].getByTestId('area-fewer').click()
  await until('the other to see one back', async () => (await leftOn(pickers[1])) === before - 2)
  const { free, held } = await areaOnServer(one)
  assert.equal(free, before - 2)
  assert.ok(held >= 2)
  await until('the total of two', async () => /48/.test(await one.byId('basket-total').innerText()))
  await picture(one.page, 'area-list')
})

test('nobody can take more units than one person may have', async (house) => {
  const opened = await openEvent(await house.person(), EVENT, '#seat-list')
  const more = opened.byId('area-picker').first().getByTestId('area-more')
  const max = opened.event.model.seatsPerHoldMax
  for (let unit = 1; unit <= max; unit++) {
    await more.click()
    await until('the step', async () => (await opened.byId('area-quantity').first().innerText()) === String(unit))
  }
  assert.ok(await more.isDisabled())
  await until('the hold', async () => (await opened.hold())?.lines?.[0]?.quantity === max)
})

test('on a phone a tap on the standing room opens its stepper over the map', async (house) => {
  const page = await house.person(PHONE)
  const opened = await openEvent(page, EVENT)
  const section = opened.event.layout.sections[0].id
  await opened.byId('seat-map').scrollIntoViewIfNeeded()
  await opened.tapAt(await page.evaluate((id) => window.livehouse.sectionPlace(id), section))
  const sheet = opened.byId('area-sheet')
  await sheet.waitFor()
  await sheet.getByTestId('area-more').tap()
  await sheet.getByTestId('area-more').tap()
  await until('two units', async () => (await opened.hold())?.lines?.[0]?.quantity === 2)
  await picture(page, 'phone-area')
  await opened.openBasketOnPhone()
  assert.match(await opened.byId('basket-line').innerText(), /× 2/)
})
