/** Measurements a test or an operator can read with `performance.getEntriesByName`. */
export type Measurement = 'map:overview' | 'map:section' | 'map:change'

/** The browser keeps entries for ever; a page may be open for hours. */
const ENTRIES_MAX = 200
const counts = new Map<Measurement, number>()

/** Records the time from `start` (on `performance.now()`'s scale) until now. `drawing` is the part spent painting. */
export function measured(name: Measurement, start: number, drawing: number, what: number): void {
  const count = (counts.get(name) ?? 0) + 1
  counts.set(name, count)
  if (count % ENTRIES_MAX === 0) performance.clearMeasures(name)
  performance.measure(name, { start, end: performance.now(), detail: { drawing, what } })
}
