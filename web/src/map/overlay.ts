import { toScreen, type Camera } from './camera'
import type { Target } from './hit'
import type { Palette } from './palette'
import { Pulses } from './pulses'
import { lookOf, type Scene } from './scene'

/** The canvas above the map: what is pointed at, and the pulses of seats that others took. Cheap to draw anew each frame. */
export class Overlay {
  readonly canvas: HTMLCanvasElement
  private readonly context: CanvasRenderingContext2D
  private readonly pulses: Pulses

  constructor(private readonly scene: Scene) {
    this.canvas = document.createElement('canvas')
    this.canvas.className = 'map-overlay'
    this.canvas.setAttribute('aria-hidden', 'true')
    this.context = this.canvas.getContext('2d')!
    this.pulses = new Pulses(scene.venue)
  }

  /** Whether something on it moves by itself. */
  get isAlive(): boolean {
    return !this.pulses.isEmpty
  }

  pulse(seats: Iterable<number>): void {
    for (const seat of seats) this.pulses.add(seat)
  }

  draw(camera: Camera, density: number, palette: Palette, target: Target | null): void {
    const { context } = this
    context.setTransform(1, 0, 0, 1, 0, 0)
    context.clearRect(0, 0, this.canvas.width, this.canvas.height)
    context.setTransform(density, 0, 0, density, 0, 0)
    this.pulses.draw(context, camera, palette)
    if (!target) return
    context.strokeStyle = palette.focus
    context.lineWidth = 2
    if (target.kind === 'seat') this.ring(camera, target.seat)
    else this.outline(camera, target)
  }

  private ring(camera: Camera, seat: number): void {
    const { context } = this
    const { venue } = this.scene
    const [x, y] = toScreen(camera, venue.seatX[seat]!, venue.seatY[seat]!)
    const look = lookOf(this.scene, seat)
    context.globalAlpha = look === 'free' || look === 'mine' || look === 'pending' ? 1 : 0.45
    context.beginPath()
    context.arc(x, y, venue.sectionOf(seat).pitch * camera.scale * 0.52 + 1, 0, Math.PI * 2)
    context.stroke()
    context.globalAlpha = 1
  }

  private outline(camera: Camera, target: Exclude<Target, { kind: 'seat' }>): void {
    const { context } = this
    const { venue } = this.scene
    const place = target.kind === 'area' ? venue.areas[target.area]! : venue.sections[target.section]!
    context.lineJoin = 'round'
    context.beginPath()
    place.polygon.forEach(([x, y], index) => {
      const [screenX, screenY] = toScreen(camera, x, y)
      if (index === 0) context.moveTo(screenX, screenY)
      else context.lineTo(screenX, screenY)
    })
    context.closePath()
    context.stroke()
  }
}
