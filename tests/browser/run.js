// Starts one sale and one Chromium for all tests, runs them, and stops both. `npm test -- --testNamePattern WORDS` runs some of
// them; SITE_URL=http://127.0.0.1:8000 takes a sale that runs already.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, readdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { chromium } from 'playwright-core'
import { prepareSale, seconds } from './support/sale.js'

const FOLDER = import.meta.dirname
const PARENT_LOOK_MILLISECONDS = 500
const { values, positionals } = parseArgs({
  options: {
    testNamePattern: { type: 'string', short: 't' },
    // A name that fits no test here may fit one elsewhere; node's runner never minds.
    passWithNoTests: { type: 'boolean' },
    pictures: { type: 'boolean', default: false },
  },
  allowPositionals: true,
})
const say = (text) => console.log(`· ${text}`)

/** Aborted when the tests are to end early: by a signal, or because whoever started them is gone. */
function whenBrokenOff() {
  const broken = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => broken.abort())
  const parent = process.ppid
  setInterval(() => process.ppid !== parent && broken.abort(), PARENT_LOOK_MILLISECONDS).unref()
  return broken.signal
}

/** Playwright brings no browser along: the system's is used, as people have it. */
function findChromium() {
  const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']
  const folders = [...(process.env.PATH ?? '').split(path.delimiter), '/usr/bin', '/snap/bin']
  const candidates = folders.flatMap((folder) => names.map((name) => path.join(folder, name)))
  candidates.push('/Applications/Google Chrome.app/Contents/MacOS/Google Chrome')
  if (process.env.CHROMIUM) candidates.unshift(process.env.CHROMIUM)
  const found = candidates.find((file) => {
    try {
      accessSync(file, constants.X_OK)
      return true
    } catch {
      return false
    }
  })
  if (!found) throw new Error('no Chromium: install chromium or google-chrome, or name one in CHROMIUM')
  return found
}

async function runTests(sale, browser, broken) {
  const tests = path.join(FOLDER, values.pictures ? 'pictures' : 'tests')
  const files = readdirSync(tests)
    .filter(
      (name) => name.endsWith('.test.js') && (positionals.length === 0 || positionals.includes(name.split('.')[0])),
    )
    .sort()
    .map((name) => path.join(tests, name))
  const { site, resgate, folder, isOwn, events } = sale
  const surroundings = { sale: { site, resgate, folder, isOwn, events }, browser: browser.wsEndpoint() }
  // One file at a time: what is measured is one person's machine, not a race between tests.
  const options = ['--test', '--test-concurrency=1', '--test-reporter=spec']
  if (values.testNamePattern) options.push(`--test-name-pattern=${values.testNamePattern}`)
  const child = spawn(process.execPath, [...options, ...files], {
    cwd: FOLDER,
    env: { ...process.env, LIVEHOUSE_BROWSER_TESTS: JSON.stringify(surroundings) },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  broken.addEventListener('abort', () => child.kill('SIGTERM'))
  const [code] = await once(child, 'exit')
  return code ?? 1
}

const started = performance.now()
const broken = whenBrokenOff()
rmSync(path.join(FOLDER, 'shots'), { recursive: true, force: true })
let browser
let sale
try {
  sale = await prepareSale(say, broken)
  // Chromium refuses to run as root with its sandbox.
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : []
  browser = await chromium.launchServer({ executablePath: findChromium(), args, handleSIGINT: false })
  process.exitCode = await runTests(sale, browser, broken)
  if (process.exitCode !== 0 && sale.said) console.error(`what the sale said last:\n${sale.said.slice(-12).join('\n')}`)
} catch (problem) {
  console.error(problem.message)
  process.exitCode = 1
} finally {
  await browser?.close()
  await sale?.stop()
  say(`in all ${seconds(performance.now() - started)}`)
}
