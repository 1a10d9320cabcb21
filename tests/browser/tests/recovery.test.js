// The gateway dies under an open page.
import assert from 'node:assert/strict'
import { sale, test, until } from '../support/person.js'
import { openEvent, sectionOnServer } from '../support/sale-page.js'
import { readState } from '../support/sale.js'

const isForeign = !sale.isOwn && "the sale is somebody else's: its gateway is not killed"

/**
 * Kills the gateway, as `kill -9` does. `cargo dev up` starts it again within a moment, before anybody notices; so
 * it is held until `letGo`.
 */
async function killGateway(house) {
  const { owner, processes } = readState(sale.folder)
  house.afterwards(() => process.kill(owner.pid, 'SIGCONT'))
  process.kill(owner.pid, 'SIGSTOP')
  process.kill(processes.resgate.pid, 'SIGKILL')
  return {
    letGo: async () => {
      process.kill(owner.pid, 'SIGCONT')
      await until('the gateway to be back', async () => (await fetch(`${sale.resgate}/api/tickets/events`)).ok, 30_000)
    },
  }
}

test(
  'when the gateway dies, open pages say so, come back by themselves, and show what is true',
  { skip: isForeign },
  async (house) => {
    house.allowComplaints(/WebSocket|ERR_|500|503/)
    const { slug, holdSeconds } = sale.events.shorter
    const pages = [await house.person(), await house.person()]
    const [one, other] = await Promise.all(pages.map((page) => openEvent(page, slug)))
    const section = one.event.layout.sections[0].id
    for (const each of [one, other]) await each.enter(section)
    const [seat] = await other.reachable(section)
    await other.take(seat)
    const { expiresAt } = await other.hold()
    await one.see(seat, 'h')

    const gateway = await killGateway(house)
    const notes = [one, other].map((each) => each.byId('connection-note'))
    for (const note of notes) await note.waitFor()
    assert.match(await notes[0].innerText(), /We lost the connection\. What you see may be old; trying again/)
    assert.equal(await one.stateOf(seat), 'h', 'what was known stays on the screen')
    // The sale goes on without the gateway: the hold ends while nobody can see it.
    await until('the hold to run out unseen', () => Date.now() > Date.parse(expiresAt) + 300, (holdSeconds + 5) * 1000)
    const healed = [one, other].map((each) =>
      each.page.locator('[data-testid="connection-note"][data-state="back"]').waitFor({ timeout: 40_000 }),
    )
    const back = performance.now()
    await gateway.letGo()
    await Promise.all(healed)
    for (const each of [one, other]) {
      await until('the page to be online', () => each.page.evaluate(() => window.livehouse.link === 'online'), 30_000)
      await each.see(seat, 'f', 15_000)
    }
    house.say(`healed ${((performance.now() - back) / 1000).toFixed(1)} s after the gateway might start again`)
    for (const note of notes) await note.waitFor({ state: 'detached' })
    for (const each of [one, other]) {
      await until('the map to equal the server', async () => {
        const [here, there] = await Promise.all([
          each.page.evaluate((name) => window.livehouse.sections[name], section),
          sectionOnServer(each.event.id, section),
        ])
        try {
          assert.deepEqual(here, there)
          return true
        } catch (difference) {
          throw new Error(difference.message)
        }
      })
    }
    // And it is alive, not only right: the next change arrives.
    const [next] = await one.reachable(section)
    await one.take(next)
    await other.see(next, 'h')
  },
)

test('a seat tapped while the gateway is gone is held when it is back', { skip: isForeign }, async (house) => {
  house.allowComplaints(/WebSocket|ERR_|500|503/)
  const opened = await openEvent(await house.person(), 'night-trains')
  await opened.enter('balcony-2-centre')
  const [seat] = await opened.reachable('balcony-2-centre')
  const gateway = await killGateway(house)
  await opened.byId('connection-note').waitFor()
  await opened.tapSeat(seat)
  await opened.byId('basket-line-pending').waitFor()
  await gateway.letGo()
  await opened.byId('basket').locator(`[data-testid="basket-line"][data-seat="${seat}"]`).waitFor({ timeout: 40_000 })
  const { section, row, position } = opened.event.seats.get(seat)
  assert.equal((await sectionOnServer(opened.event.id, section)).rows[row.id][position], 'h')
})
