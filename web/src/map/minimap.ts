import type { Box } from '../venue/geometry'
import { evenMargin, fitted, toPlan, type Camera } from './camera'
import type { Painter } from './painter'
import type { Palette } from './palette'

const SIZE_MAX = 148
/** The small picture follows the sale, but nobody sees it move: once in this time is enough. */
const REDRAW_MILLISECONDS = 1500

/** The whole venue in a corner while the map is zoomed, with a frame around what is in view. */
export class Minimap {
  readonly canvas: HTMLCanvasElement
  private readonly picture: HTMLCanvasElement
  private readonly camera: Camera
  private readonly width: number
  private readonly height: number
  private readonly density = Math.min(2, globalThis.devicePixelRatio || 1)
  private drawnAt = Number.NEGATIVE_INFINITY

  constructor(
    private readonly painter: Painter,
    box: Box,
    goTo: (x: number, y: number) => void,
  ) {
    const ratio = (box.right - box.left) / (box.bottom - box.top)
    this.width = Math.round(ratio > 1 ? SIZE_MAX : Math.max(56, SIZE_MAX * ratio))
    this.height = Math.round(ratio > 1 ? Math.max(56, SIZE_MAX / ratio) : SIZE_MAX)
    this.camera = fitted(box, { width: this.width, height: this.height }, evenMargin(6))
    this.canvas = this.makeCanvas()
    this.picture = this.makeCanvas()
    this.canvas.className = 'minimap'
    this.canvas.setAttribute('aria-hidden', 'true')
    this.canvas.style.width = `${this.width}px`
    this.canvas.style.height = `${this.height}px`
    this.canvas.hidden = true
    const point = (event: PointerEvent) => {
      if (event.type === 'pointermove' && event.buttons === 0) return
      // It may be drawn smaller than it is: on a phone.
      const { left, top, width } = this.canvas.getBoundingClientRect()
      const ratio = this.width / width
      goTo(...toPlan(this.camera, (event.clientX - left) * ratio, (event.clientY - top) * ratio))
      event.stopPropagation()
    }
    this.canvas.addEventListener('pointerdown', point)
    this.canvas.addEventListener('pointermove', point)
  }

  /** The sale changed so much that the picture should not wait. */
  forget(): void {
    this.drawnAt = Number.NEGATIVE_INFINITY
  }

  draw(view: Box, palette: Palette): void {
    const now = performance.now()
    if (now - this.drawnAt > REDRAW_MILLISECONDS) {
      this.drawnAt = now
      const drawing = this.picture.getContext('2d')!
      drawing.setTransform(1, 0, 0, 1, 0, 0)
      drawing.clearRect(0, 0, this.picture.width, this.picture.height)
      this.painter.paintSmall(drawing, this.camera, this.density)
    }
    const context = this.canvas.getContext('2d')!
    context.setTransform(1, 0, 0, 1, 0, 0)
    context.clearRect(0, 0, this.canvas.width, this.canvas.height)
    context.drawImage(this.picture, 0, 0)
    const scale = this.camera.scale * this.density
    const left = Math.max(1, (view.left - this.camera.x) * scale)
    const top = Math.max(1, (view.top - this.camera.y) * scale)
    const right = Math.min(this.canvas.width - 1, (view.right - this.camera.x) * scale)
    const bottom = Math.min(this.canvas.height - 1, (view.bottom - this.camera.y) * scale)
    context.strokeStyle = palette.focus
    context.lineWidth = 2 * this.density
    context.beginPath()
    context.roundRect(left, top, Math.max(4, right - left), Math.max(4, bottom - top), 3 * this.density)
    context.stroke()
  }

  private makeCanvas(): HTMLCanvasElement {
    const canvas = document.createElement('canvas')
    canvas.width = this.width * this.density
    canvas.height = this.height * this.density
    return canvas
  }
}
