/**
 * The server's clock, as far as a browser can know it.
 *
 * Counts on the monotonic clock from the moment a server's time was received, so that a wrong or
 * changed clock on the reader's machine changes nothing.
 */
export class ServerClock {
  private offset: number

  /** `serverTime` in Unix milliseconds; `receivedAt` on the scale of `monotonic`. */
  constructor(
    serverTime: number,
    receivedAt: number,
    private readonly monotonic: () => number = () => performance.now(),
  ) {
    this.offset = serverTime - receivedAt
  }

  /** Unix milliseconds, as the server would say. */
  now(): number {
    return this.offset + this.monotonic()
  }

  /** Takes a newer reading. */
  adjust(serverTime: number, receivedAt: number): void {
    this.offset = serverTime - receivedAt
  }

  /** Asks the server anew. The monotonic clock may stand still while a machine sleeps. */
  async resynchronise(fetchTime: typeof fetch = fetch): Promise<void> {
    const sentAt = this.monotonic()
    const answer = await fetchTime('/time', { cache: 'no-store', signal: AbortSignal.timeout(5000) })
    const middle = (sentAt + this.monotonic()) / 2
    const serverTime = await readTime(answer)
    if (serverTime !== null) this.adjust(serverTime, middle)
  }
}

async function readTime(answer: Response): Promise<number | null> {
  if (answer.ok) {
    const body = (await answer.json().catch(() => null)) as { serverTime?: string } | null
    const time = Date.parse(body?.serverTime ?? '')
    if (!Number.isNaN(time)) return time
  }
  // The header has whole seconds; half a second more is right on average.
  const header = Date.parse(answer.headers.get('date') ?? '')
  return Number.isNaN(header) ? null : header + 500
}

/** The clock of this page: starts from the time printed into it, corrects itself when the page wakes up. */
export function pageClock(serverTime: string): ServerClock {
  const navigation = performance.getEntriesByType('navigation')[0] as PerformanceNavigationTiming | undefined
  const clock = new ServerClock(Date.parse(serverTime), navigation?.responseStart ?? 0)
  const correct = () => void clock.resynchronise().catch(() => undefined)
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') correct()
  })
  addEventListener('pageshow', (event) => {
    if (event.persisted) correct()
  })
  addEventListener('online', correct)
  return clock
}
