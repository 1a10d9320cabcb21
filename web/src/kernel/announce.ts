/** Screen readers are told at most one thing in this time: more is noise. */
export const ANNOUNCE_INTERVAL_MILLISECONDS = 5000
/** What waits longer than this list is old news. */
const WAITING_MAX = 6

interface Timers {
  now(): number
  after(milliseconds: number, run: () => void): void
}

const browserTimers: Timers = {
  now: () => performance.now(),
  after: (milliseconds, run) => void setTimeout(run, milliseconds),
}

/**
 * Says things to screen readers, politely: at most one in five seconds, the newest of a topic instead of all of
 * them, and what answers the reader's own action before what merely happened.
 */
export class Announcer {
  private waiting: { topic: string; text: string; own: boolean }[] = []
  private saidAt = Number.NEGATIVE_INFINITY
  private timer = false

  constructor(
    private readonly say: (text: string) => void,
    private readonly timers: Timers = browserTimers,
  ) {}

  /** `own` marks answers to something the reader did. */
  announce(text: string, topic: string, own = false): void {
    this.waiting = this.waiting.filter((entry) => entry.topic !== topic)
    if (own) this.waiting.unshift({ topic, text, own })
    else this.waiting.push({ topic, text, own })
    this.waiting.length = Math.min(this.waiting.length, WAITING_MAX)
    this.flush()
  }

  private flush(): void {
    const wait = this.saidAt + ANNOUNCE_INTERVAL_MILLISECONDS - this.timers.now()
    if (wait > 0) {
      if (this.timer) return
      this.timer = true
      this.timers.after(wait, () => {
        this.timer = false
        this.flush()
      })
      return
    }
    const next = this.waiting.shift()
    if (!next) return
    this.saidAt = this.timers.now()
    this.say(next.text)
    if (this.waiting.length > 0) this.flush()
  }
}

/** The announcer of this page: writes into the live region that base.html prints. */
export function pageAnnouncer(): Announcer {
  const region = document.getElementById('announcements')
  return new Announcer((text) => {
    if (!region) return
    // The same text twice is a change only when the node is new.
    region.replaceChildren(document.createTextNode(text))
  })
}
