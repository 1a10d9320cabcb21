/** Texts for moments and spans. Moments are in the venue's time zone unless a zone is named. */

export function dateTimeText(moment: string | number, timeZone: string, locale: string): string {
  const date = new Date(moment)
  const day = new Intl.DateTimeFormat(locale === 'en' ? 'en-GB' : locale, {
    timeZone,
    weekday: 'long',
    day: 'numeric',
    month: 'long',
    year: 'numeric',
  }).format(date)
  // en-GB writes "Saturday 14 March 2026"; the pages have a comma after the weekday.
  return `${day.replace(/^(\p{L}+) (?=\d)/u, '$1, ')}, ${timeText(moment, timeZone, locale)}`
}

export function timeText(moment: string | number, timeZone: string | undefined, locale: string): string {
  return new Intl.DateTimeFormat(locale === 'en' ? 'en-GB' : locale, {
    timeZone,
    hour: '2-digit',
    minute: '2-digit',
  }).format(new Date(moment))
}

/** The reader's own time when it differs from the venue's at that moment, else null. Says the weekday when the day differs. */
export function readersTime(moment: string, timeZone: string, locale: string, readersZone?: string): string | null {
  const zone = readersZone ?? Intl.DateTimeFormat().resolvedOptions().timeZone
  if (zone === timeZone) return null
  const wall = (inZone: string) =>
    new Intl.DateTimeFormat('en-GB', { timeZone: inZone, dateStyle: 'short', timeStyle: 'short' }).format(
      new Date(moment),
    )
  const [here, there] = [wall(zone), wall(timeZone)]
  if (here === there) return null
  const day = (text: string) => text.slice(0, 10)
  const time = timeText(moment, zone, locale)
  if (day(here) === day(there)) return time
  const weekday = new Intl.DateTimeFormat(locale, { timeZone: zone, weekday: 'long' }).format(new Date(moment))
  return `${weekday}, ${time}`
}

/** "Berlin time" from "Europe/Berlin". */
export function zoneText(timeZone: string): string {
  return `${(timeZone.split('/').pop() ?? timeZone).replaceAll('_', ' ')} time`
}

export interface Remaining {
  /** Whole seconds, never negative, and never more than there are. */
  seconds: number
  /** "9:05" or "1:02:09". */
  clock: string
}

export function remaining(until: number, now: number): Remaining {
  const seconds = Math.max(0, Math.floor((until - now) / 1000))
  const hours = Math.floor(seconds / 3600)
  const minutes = Math.floor((seconds % 3600) / 60)
  const two = (value: number) => String(value).padStart(2, '0')
  const clock = hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`
  return { seconds, clock }
}
