import { toScreen, type Camera } from './camera'
import type { Palette } from './palette'
import type { Venue } from '../venue/venue'

const PULSE_MILLISECONDS = 520
const PULSES_MAX = 120

/** Soft rings where somebody else just took a seat, so that the eye sees why it is gone. */
export class Pulses {
  private running: { seat: number; startedAt: number }[] = []

  constructor(private readonly venue: Venue) {}

  get isEmpty(): boolean {
    return this.running.length === 0
  }

  add(seat: number): void {
    if (this.running.length < PULSES_MAX) this.running.push({ seat, startedAt: performance.now() })
  }

  clear(): void {
    this.running = []
  }

  draw(context: CanvasRenderingContext2D, camera: Camera, palette: Palette): void {
    const now = performance.now()
    this.running = this.running.filter(({ startedAt }) => now - startedAt < PULSE_MILLISECONDS)
    for (const { seat, startedAt } of this.running) {
      const part = (now - startedAt) / PULSE_MILLISECONDS
      const [x, y] = toScreen(camera, this.venue.seatX[seat]!, this.venue.seatY[seat]!)
      const radius = this.venue.pitch * camera.scale * (0.4 + 0.4 * part)
      context.globalAlpha = (1 - part) * 0.55
      context.strokeStyle = palette.ink
      context.lineWidth = 2
      context.beginPath()
      context.arc(x, y, radius, 0, Math.PI * 2)
      context.stroke()
    }
    context.globalAlpha = 1
  }
}
