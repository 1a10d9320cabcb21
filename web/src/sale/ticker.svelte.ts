import type { ServerClock } from '../kernel/clock'

/** The server's time once a second, as state: whatever reads `now` is drawn anew each second. */
export class Ticker {
  now = $state(0)
  private readonly timer: ReturnType<typeof setInterval>

  constructor(clock: ServerClock) {
    this.now = clock.now()
    this.timer = setInterval(() => (this.now = clock.now()), 1000)
    // Timers of a hidden page are late: be right at once when it is shown.
    document.addEventListener('visibilitychange', () => (this.now = clock.now()))
  }

  stop(): void {
    clearInterval(this.timer)
  }
}
