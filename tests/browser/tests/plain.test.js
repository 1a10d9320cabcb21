// Without scripts, and where nothing is.
import assert from 'node:assert/strict'
import { picture, sale, test } from '../support/person.js'

test('without JavaScript the list tells every event, when, where, and what it costs', async (house) => {
  const page = await house.person({ javaScriptEnabled: false })
  await page.goto(sale.site)
  const cards = page.getByTestId('event-card')
  assert.ok((await cards.count()) >= 6)
  const card = cards.filter({ hasText: 'Night Trains' })
  const text = await card.innerText()
  assert.match(text, /Lindenhalle, Berlin/)
  assert.match(text, /20\d\d, 20:00/)
  assert.match(text, /from €\d+/)
  assert.match(text, /of 2,045 free/)
  await card.getByRole('link').click()
  assert.match(page.url(), /\/events\/night-trains$/)
})

test('without JavaScript the page of an event has its facts and prices, and says what is missing', async (house) => {
  const page = await house.person({ javaScriptEnabled: false })
  await page.goto(`${sale.site}/events/night-trains`)
  assert.equal(await page.locator('h1').innerText(), 'Night Trains: Music for Departures')
  assert.match(await page.getByTestId('event-date').innerText(), /\w+day, \d+ \w+ 20\d\d, 20:00/)
  assert.equal(await page.getByTestId('event-zone').innerText(), 'Berlin time')
  assert.equal(await page.getByTestId('prices').locator('li').count(), 5)
  assert.match(await page.locator('main').innerText(), /The seat map is live and needs JavaScript/)
  assert.match(await page.title(), /Night Trains/)
  const data = JSON.parse(await page.locator('script[type="application/ld+json"]').innerText())
  assert.equal(data['@type'], 'Event')
  await picture(page, 'plain-event')
})

test('an address that leads nowhere is answered with 404 and a way back', async (house) => {
  house.allowComplaints(/404/)
  const page = await house.person()
  for (const path of ['/nowhere', '/events/nothing-of-that-name', '/layouts/0123.json']) {
    const answer = await page.goto(sale.site + path)
    assert.equal(answer.status(), 404, path)
  }
  await page.goto(`${sale.site}/events/nothing-of-that-name`)
  assert.equal(await page.locator('h1').innerText(), 'There is nothing here')
  await picture(page, 'error-404')
  await page.getByRole('link', { name: 'See the events' }).click()
  await page.getByTestId('events').waitFor()
})

test('no page runs a script or a style of its own, and nothing is loaded from elsewhere', async (house) => {
  const page = await house.person()
  const foreign = []
  page.on('request', (request) => {
    const { origin, protocol } = new URL(request.url())
    if (origin !== sale.site && protocol.startsWith('http')) foreign.push(request.url())
  })
  for (const path of ['/', '/events/night-trains', '/orders']) {
    const answer = await page.goto(sale.site + path, { waitUntil: 'load' })
    const policy = answer.headers()['content-security-policy'] ?? ''
    assert.match(policy, /default-src 'none'/)
    assert.doesNotMatch(policy, /unsafe-inline|unsafe-eval/)
  }
  assert.deepEqual(foreign, [])
})
