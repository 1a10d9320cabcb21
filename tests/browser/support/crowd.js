// Everybody else: guests without a browser, who hold and order over HTTP as any program may.
import pg from 'pg'
import { sale, until } from './person.js'
import { sectionOnServer } from './sale-page.js'

/** Requests on their way at a time. */
const AT_ONCE = 8

async function guest() {
  const answer = await fetch(sale.site)
  await answer.arrayBuffer()
  const cookie = answer.headers.getSetCookie()[0].split(';')[0]
  return async (path, parameters) => {
    const done = await fetch(`${sale.resgate}/api/${path}`, {
      method: 'POST',
      headers: { cookie, 'content-type': 'application/json' },
      body: JSON.stringify({ ...parameters, key: crypto.randomUUID() }),
      redirect: 'manual',
    })
    const text = await done.text()
    if (!done.ok && done.status !== 307 && done.status !== 303)
      throw new Error(`${path} answered ${done.status}: ${text}`)
    return text ? JSON.parse(text) : null
  }
}

/** Random numbers that are the same each time, so that pictures of two runs can be compared. */
function dice(seed) {
  let state = seed
  return () => {
    state = (state * 1664525 + 1013904223) % 4294967296
    return state / 4294967296
  }
}

/** Groups of two to four neighbours as people choose them: near the stage and the middle first. */
function groups(event, part, random) {
  const result = []
  for (const section of event.layout.sections) {
    section.rows.forEach((row, depth) => {
      const ease = part * (1.25 - (0.5 * depth) / section.rows.length)
      for (let at = 0; at < row.seats.length;) {
        const size = 2 + Math.floor(random() * 3)
        const middle = 1 - Math.abs((at + size / 2) / row.seats.length - 0.5)
        if (random() < ease * middle * 1.2) result.push(row.seats.slice(at, at + size).map(({ id }) => id))
        at += size + Math.floor(random() * 2)
      }
    })
  }
  return result
}

async function inTurns(work) {
  const queue = [...work]
  const lane = async () => {
    for (let next = queue.shift(); next; next = queue.shift()) await next()
  }
  await Promise.all(Array.from({ length: AT_ONCE }, lane))
}

/**
 * Fills about `part` of an event: most of it sold, the rest held. There is no paying yet, so while the crowd buys it
 * costs nothing.
 */
export async function fill(event, part, databases, seed = 7) {
  const random = dice(seed)
  const client = new pg.Client({ connectionString: databases.tickets })
  await client.connect()
  try {
    const { rows } = await client.query('select prices from event where slug = $1', [event.slug])
    const { prices } = rows[0]
    const set = (wanted) =>
      client.query('update event set prices = $2, version = version + 1 where slug = $1', [
        event.slug,
        JSON.stringify(wanted),
      ])
    await set(Object.fromEntries(Object.keys(prices).map((category) => [category, 0])))
    const isFree = async (expected) => {
      const model = await (await fetch(`${sale.resgate}/api/tickets/event/${event.id}`)).json()
      return Object.values(model.prices).every(({ amount }) => (amount === 0) === expected)
    }
    await until('the event to cost nothing', () => isFree(true))
    await inTurns(
      groups(event, part, random).map((seats) => async () => {
        const ask = await guest()
        const { hold } = await ask(`tickets/event/${event.id}/hold`, { seats, areas: [] })
        await ask('orders/new', { hold })
      }),
    )
    await set(prices)
    await until('the event to have its prices again', () => isFree(false))
  } finally {
    await client.end()
  }
  await hold(event, 0.12, random)
}

/** Some more people are choosing right now. */
async function hold(event, part, random) {
  const states = await Promise.all(event.layout.sections.map(({ id }) => sectionOnServer(event.id, id)))
  const isFree = (id) => {
    const { section, row, position } = event.seats.get(id)
    return states[event.layout.sections.findIndex((each) => each.id === section)].rows[row.id][position] === 'f'
  }
  const wanted = groups(event, part, random).filter((seats) => seats.every(isFree))
  await inTurns(
    wanted.map((seats) => async () => {
      const ask = await guest()
      await ask(`tickets/event/${event.id}/hold`, { seats, areas: [] })
    }),
  )
}
