// People with browsers. Every test file talks to the one Chromium and the one sale that `run.js` started.
import { test as nodeTest } from 'node:test'
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { chromium } from 'playwright-core'

const SHOTS = path.join(import.meta.dirname, '../shots')
/** A test that hangs is a failed test. */
const TEST_MILLISECONDS_MAX = 90_000
const ACTION_MILLISECONDS_MAX = 15_000

if (!process.env.LIVEHOUSE_BROWSER_TESTS)
  throw new Error('start the tests with `npm test`: it starts a sale and a browser')
const surroundings = JSON.parse(process.env.LIVEHOUSE_BROWSER_TESTS)
/** The sale: `site`, `resgate`, `folder`, `isOwn`, and `events` made for the tests. */
export const sale = surroundings.sale

export const DESKTOP = { viewport: { width: 1280, height: 800 } }
export const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 }
export const TABLET = { viewport: { width: 820, height: 1180 }, isMobile: true, hasTouch: true, deviceScaleFactor: 1 }

/**
 * A test with its own people. `house.person(options)` is a new guest with a browser of their own and gives their page; in
 * the end nobody's browser may have complained, and when the test fails there is a picture of every page.
 */
export function test(name, options, run) {
  if (typeof options === 'function') [run, options] = [options, {}]
  nodeTest(name, { timeout: TEST_MILLISECONDS_MAX, ...options }, async (context) => {
    // The test's own line to the browser; all it opened there is gone when the line is closed.
    const house = new House(name, context, await chromium.connect(surroundings.browser))
    try {
      await run(house)
      house.expectNoComplaints()
    } catch (problem) {
      await house.photograph()
      throw problem
    } finally {
      await house.close()
    }
  })
}

class House {
  #browser
  #pages = []
  #afterwards = []
  #complaints = []

  constructor(name, context, browser) {
    this.name = name
    this.context = context
    this.#browser = browser
  }

  /** What a person who reads the run should know. */
  say(text) {
    this.context.diagnostic(text)
  }

  async person(options = {}) {
    const context = await this.#browser.newContext({
      locale: 'en-GB',
      timezoneId: 'Europe/Berlin',
      ...DESKTOP,
      ...options,
    })
    context.setDefaultTimeout(ACTION_MILLISECONDS_MAX)
    return this.page(context)
  }

  /** Another tab of somebody. */
  async page(context) {
    const page = await context.newPage()
    this.#pages.push(page)
    page.on('pageerror', (error) => this.#complaints.push(`${page.url()}: ${error.message}`))
    page.on('console', (message) => {
      if (message.type() === 'error') this.#complaints.push(`${page.url()}: ${message.text()}`)
    })
    return page
  }

  /** Complaints that belong to what this test does, such as a lost connection. */
  allowComplaints(pattern) {
    this.allowed = pattern
  }

  expectNoComplaints() {
    const rest = this.#complaints.filter((text) => !this.allowed?.test(text))
    if (rest.length > 0) throw new Error(`the browser complained:\n${rest.join('\n')}`)
  }

  /** Something that must be undone, also when the test fails. */
  afterwards(undo) {
    this.#afterwards.push(undo)
  }

  async photograph() {
    for (const [index, page] of this.#pages.entries()) {
      if (page.isClosed()) continue
      await picture(page, `failed-${slug(this.name)}-${index + 1}`).catch(() => undefined)
    }
  }

  async close() {
    for (const undo of this.#afterwards) await undo()
    await this.#browser.close()
  }
}

/** A picture in `shots/`. */
export async function picture(page, name, options = {}) {
  mkdirSync(SHOTS, { recursive: true })
  const file = path.join(SHOTS, `${name}.png`)
  await page.screenshot({ path: file, animations: 'disabled', caret: 'hide', ...options })
  return file
}

function slug(text) {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 60)
}

/** Waits until `ask` answers something, and says what it answered last when that takes too long. */
export async function until(what, ask, milliseconds = 10_000) {
  const deadline = performance.now() + milliseconds
  let last
  for (;;) {
    try {
      last = await ask()
      if (last) return last
    } catch (problem) {
      last = problem
    }
    if (performance.now() > deadline) {
      const shown = last instanceof Error ? last.message : JSON.stringify(last)
      throw new Error(`waited ${milliseconds} ms for ${what}; last seen: ${shown}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}
