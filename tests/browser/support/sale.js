// A sale for the tests: `cargo dev up` with a folder of its own, so that it runs beside the one a person plays with.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import path from 'node:path'
import { createInterface } from 'node:readline'
import pg from 'pg'

export const ROOT = path.resolve(import.meta.dirname, '../../..')
/** Where the tests' own sale keeps its state; `cargo dev up` without it uses `.livehouse/up`. */
const OWN_FOLDER = path.join(ROOT, '.livehouse/browser-tests')
/** Building every service is part of a first start. */
const START_MILLISECONDS_MAX = 20 * 60_000
const STOP_MILLISECONDS_MAX = 30_000
/** Real seating plans, where there are some: too large and too much other people's work to lie in the repository. */
const PLANS_FOLDER = process.env.LIVEHOUSE_PLANS ?? path.join(ROOT, '../shared/data')
const PLANS = {
  stadium: { file: 'stadium-metalist.json', name: 'Stadium Night', days: '70' },
  theatre: { file: 'seating-plan-738.json', name: 'The Understudy', days: '40' },
}

/** What the tests know of the sale: its addresses, where its state is, and the events made for them. */
export async function prepareSale(say, broken) {
  const sale = process.env.SITE_URL ? runningSale(process.env.SITE_URL) : await startSale(say, broken)
  try {
    sale.events = await prepareEvents(sale, say)
  } catch (problem) {
    await sale.stop()
    throw problem
  }
  return sale
}

/** A sale that somebody else runs: its processes are theirs, so tests that kill some are left out. */
function runningSale(site) {
  const folder = process.env.LIVEHOUSE_UP_FOLDER ?? path.join(ROOT, '.livehouse/up')
  const state = readState(folder)
  if (!state || state.site !== site.replace(/\/$/, ''))
    throw new Error(`${folder} does not belong to the sale on ${site}: name its folder in LIVEHOUSE_UP_FOLDER`)
  return { ...addresses(state), folder, isOwn: false, stop: async () => undefined }
}

async function startSale(say, broken) {
  mkdirSync(OWN_FOLDER, { recursive: true })
  const started = performance.now()
  const port = String(await freePort())
  const child = spawn('cargo', ['dev', 'up', '--headless', '--fresh', '--port', port], {
    cwd: ROOT,
    env: { ...process.env, LIVEHOUSE_UP_FOLDER: OWN_FOLDER },
    stdio: ['ignore', 'pipe', 'pipe'],
    // Ctrl-C is for the tests, which then stop the sale in order.
    detached: true,
  })
  const said = []
  createInterface({ input: child.stderr }).on('line', (line) => said.push(line))
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGTERM')
    // A test may have stopped its clock.
    child.kill('SIGCONT')
    const patience = setTimeout(() => child.kill('SIGKILL'), STOP_MILLISECONDS_MAX)
    await once(child, 'exit')
    clearTimeout(patience)
  }
  const patience = setTimeout(() => void stop(), START_MILLISECONDS_MAX)
  broken.addEventListener('abort', () => void stop())
  const [line] = await Promise.race([once(createInterface({ input: child.stdout }), 'line'), once(child, 'exit')])
  clearTimeout(patience)
  if (typeof line !== 'string') throw new Error(`the sale did not start; it said\n${said.slice(-30).join('\n')}`)
  say(`a sale of its own, ready after ${seconds(performance.now() - started)}`)
  return { ...addresses(readState(OWN_FOLDER)), folder: OWN_FOLDER, isOwn: true, stop, said }
}

function addresses({ site, resgate, live, databases }) {
  return { site, resgate, live, databases }
}

export function readState(folder) {
  const file = path.join(folder, 'state.json')
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : null
}

/** Events of the tests' own: holds that end soon, and the real plans where they are at hand. */
async function prepareEvents(sale, say) {
  const listed = await (await fetch(`${sale.resgate}/api/tickets/events`)).json()
  const studio = listed.map((item) => item.model ?? item).find(({ name }) => name.startsWith('Open Rehearsal'))
  const plan = path.join(sale.folder, 'studio.json')
  writeFileSync(plan, await (await fetch(`${sale.site}/layouts/${studio.layout}.json`)).text())
  const events = {}
  for (const [key, holdSeconds] of [
    ['short', 8],
    ['shorter', 6],
  ]) {
    const made = importPlan(sale, plan, ['--name', `Short Patience ${holdSeconds}`, '--price', '2400'])
    await limitHolds(sale, made.slug, holdSeconds)
    events[key] = { id: made.event, slug: made.slug, holdSeconds }
  }
  for (const [key, { file, name, days }] of Object.entries(PLANS)) {
    const at = path.join(PLANS_FOLDER, file)
    if (!existsSync(at)) {
      say(`no real plan at ${at}: what it would prove is left out (LIVEHOUSE_PLANS names another folder)`)
      continue
    }
    const started = performance.now()
    const made = importPlan(sale, at, ['--name', name, '--days', days])
    events[key] = { id: made.event, slug: made.slug }
    say(`${name}: ${made.seats} seats put on sale in ${seconds(performance.now() - started)}`)
  }
  return events
}

function importPlan(sale, file, options) {
  const done = spawnSync('cargo', ['dev', 'import', file, ...options, '--json'], {
    cwd: ROOT,
    env: { ...process.env, LIVEHOUSE_UP_FOLDER: sale.folder },
    encoding: 'utf8',
  })
  const line = done.stdout?.split('\n').find((text) => text.startsWith('{'))
  if (done.status !== 0 || !line) throw new Error(`cannot import ${file}: ${done.stderr}${done.stdout}`)
  return JSON.parse(line)
}

/** Holds of this event end after so many seconds and cannot be prolonged. */
async function limitHolds(sale, slug, holdSeconds) {
  const client = new pg.Client({ connectionString: sale.databases.tickets })
  await client.connect()
  try {
    const found = await client.query(
      'update event set hold_seconds = $2, hold_seconds_max = $2, version = version + 1 where slug = $1',
      [slug, holdSeconds],
    )
    if (found.rowCount !== 1) throw new Error(`there is no event ${slug} in the database`)
  } finally {
    await client.end()
  }
}

/**
 * A port that stays free until the site is built and listens: below those that the system hands out for outgoing
 * connections, one of which took the site's place before.
 */
async function freePort() {
  for (let tries = 0; tries < 50; tries += 1) {
    const server = createServer()
    try {
      server.listen(20_000 + Math.floor(Math.random() * 12_000), '127.0.0.1')
      await once(server, 'listening')
    } catch {
      continue
    }
    const { port } = server.address()
    server.close()
    await once(server, 'close')
    return port
  }
  throw new Error('no free port between 20000 and 32000 was found in 50 tries')
}

export function seconds(milliseconds) {
  return `${(milliseconds / 1000).toFixed(1)} s`
}
