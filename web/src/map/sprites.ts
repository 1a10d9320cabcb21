import type { Palette } from './palette'

/** What a seat looks like. Every look differs in shape, not only in colour. */
export type Look = 'free' | 'held' | 'sold' | 'blocked' | 'unknown' | 'mine' | 'pending'

/** Seats for wheelchairs are square, with the sign on them; companion seats are rounded squares. */
export type Form = 'round' | 'accessible' | 'companion'

/** Diameter of a seat in pitches: neighbours do not touch. */
export const SEAT_PART = 0.78
/** Below this diameter (device pixels) a seat carries no sign. */
const SIGN_PIXELS_MIN = 14
/** Sheets on which the pictures are collected: one large canvas costs less than hundreds of small ones. */
const SHEET_PIXELS = 1024
const SHEETS_MAX = 6

/** A picture of a seat: a square part of a sheet, with the seat in its middle. */
export interface Sprite {
  sheet: HTMLCanvasElement
  x: number
  y: number
  /** Width and height of the part, larger than the seat. */
  size: number
}

/**
 * Seats as small pictures, drawn once for each look, colour and size, then stamped: a stamp costs a tenth of a path.
 *
 * Get all pictures of a painting before stamping the first one: a sheet that is written to and read from in turn is
 * copied each time.
 */
export class Sprites {
  private readonly cache = new Map<string, Sprite>()
  private sheets: CanvasRenderingContext2D[] = []
  private x = 0
  private y = 0
  private lineHeight = 0

  constructor(private palette: Palette) {}

  use(palette: Palette): void {
    this.palette = palette
    this.forget()
  }

  /** The seat in the picture is `diameter` device pixels wide. */
  get(look: Look, form: Form, category: number, diameter: number, label: string): Sprite {
    const size = Math.max(2, Math.round(diameter))
    const key = `${look}${form}${category}.${size}.${label}`
    const known = this.cache.get(key)
    if (known) return known
    const { context, sprite } = this.place(Math.ceil(size * 1.3) + 4)
    context.setTransform(1, 0, 0, 1, sprite.x + sprite.size / 2, sprite.y + sprite.size / 2)
    this.draw(context, look, form, this.palette.categories[category] ?? this.palette.ink, size, label)
    this.cache.set(key, sprite)
    return sprite
  }

  private forget(): void {
    this.cache.clear()
    this.sheets = []
    this.x = this.y = this.lineHeight = 0
  }

  /** A free square: in the present line of the sheet, else in the next line, else on the next sheet. */
  private place(size: number): { context: CanvasRenderingContext2D; sprite: Sprite } {
    if (this.x + size > SHEET_PIXELS) {
      this.x = 0
      this.y += this.lineHeight
      this.lineHeight = 0
    }
    if (this.y + size > SHEET_PIXELS || this.sheets.length === 0) {
      if (this.sheets.length >= SHEETS_MAX) this.forget()
      this.sheets.push(newSheet())
      this.x = this.y = this.lineHeight = 0
    }
    const context = this.sheets.at(-1)!
    const sprite = { sheet: context.canvas, x: this.x, y: this.y, size }
    this.x += size
    this.lineHeight = Math.max(this.lineHeight, size)
    return { context, sprite }
  }

  /** Draws one seat around the origin. */
  private draw(
    context: CanvasRenderingContext2D,
    look: Look,
    form: Form,
    color: string,
    size: number,
    label: string,
  ): void {
    const { palette } = this
    const thin = Math.max(1, size * 0.07)
    switch (look) {
      case 'free':
        outline(context, form, size)
        context.fillStyle = color
        context.fill()
        this.sign(context, form, size, label, palette.categoryInk)
        return
      case 'unknown':
        outline(context, form, size * 0.9)
        context.globalAlpha = 0.3
        context.fillStyle = color
        context.fill()
        context.globalAlpha = 1
        return
      case 'held':
        this.held(context, form, color, size, thin)
        return
      case 'sold':
        context.beginPath()
        context.arc(0, 0, size * 0.2, 0, Math.PI * 2)
        context.fillStyle = palette.seatGone
        context.fill()
        return
      case 'blocked':
        context.fillStyle = palette.seatGone
        context.fillRect(-size * 0.26, -size * 0.08, size * 0.52, size * 0.16)
        return
      case 'mine':
        outline(context, form, size * 1.04)
        context.fillStyle = palette.mine
        context.fill()
        outline(context, form, size * 1.24)
        context.strokeStyle = palette.mine
        context.lineWidth = thin
        context.stroke()
        check(context, size, palette.mineInk)
        return
      case 'pending':
        outline(context, form, size * 0.94)
        context.strokeStyle = palette.mine
        context.lineWidth = thin * 1.8
        context.stroke()
        this.sign(context, form, size * 0.9, label, palette.mine)
        return
    }
  }

  private held(context: CanvasRenderingContext2D, form: Form, color: string, size: number, thin: number): void {
    outline(context, form, size * 0.86)
    context.strokeStyle = color
    context.lineWidth = thin * 1.1
    context.globalAlpha = 0.85
    context.stroke()
    if (size >= 7) {
      context.save()
      context.clip()
      context.beginPath()
      const step = Math.max(3, size * 0.24)
      for (let at = -size; at <= size; at += step) {
        context.moveTo(at - size, size)
        context.lineTo(at + size, -size)
      }
      context.lineWidth = thin * 0.8
      context.stroke()
      context.restore()
    }
    context.globalAlpha = 1
  }

  private sign(context: CanvasRenderingContext2D, form: Form, size: number, label: string, ink: string): void {
    if (size < SIGN_PIXELS_MIN) return
    if (form === 'accessible') {
      wheelchair(context, size, ink)
      return
    }
    if (!label) return
    context.fillStyle = ink
    context.font = `600 ${Math.round(size * (label.length > 2 ? 0.34 : 0.42))}px Geist, system-ui, sans-serif`
    context.textAlign = 'center'
    context.textBaseline = 'middle'
    context.fillText(label, 0, size * 0.03)
  }
}

function newSheet(): CanvasRenderingContext2D {
  const canvas = document.createElement('canvas')
  canvas.width = canvas.height = SHEET_PIXELS
  return canvas.getContext('2d')!
}

function outline(context: CanvasRenderingContext2D, form: Form, size: number): void {
  context.beginPath()
  if (form === 'round') context.arc(0, 0, size / 2, 0, Math.PI * 2)
  else
    context.roundRect(-size * 0.46, -size * 0.46, size * 0.92, size * 0.92, size * (form === 'accessible' ? 0.16 : 0.3))
}

function check(context: CanvasRenderingContext2D, size: number, ink: string): void {
  context.beginPath()
  context.moveTo(-size * 0.22, size * 0.02)
  context.lineTo(-size * 0.06, size * 0.18)
  context.lineTo(size * 0.24, -size * 0.17)
  context.strokeStyle = ink
  context.lineWidth = Math.max(1.2, size * 0.12)
  context.lineCap = context.lineJoin = 'round'
  context.stroke()
}

function wheelchair(context: CanvasRenderingContext2D, size: number, ink: string): void {
  context.strokeStyle = context.fillStyle = ink
  context.lineWidth = size * 0.075
  context.lineCap = context.lineJoin = 'round'
  context.beginPath()
  context.arc(-size * 0.02, -size * 0.27, size * 0.07, 0, Math.PI * 2)
  context.fill()
  context.beginPath()
  context.moveTo(-size * 0.02, -size * 0.15)
  context.lineTo(-size * 0.02, size * 0.06)
  context.lineTo(size * 0.15, size * 0.06)
  context.lineTo(size * 0.22, size * 0.26)
  context.stroke()
  context.beginPath()
  context.arc(-size * 0.03, size * 0.12, size * 0.19, Math.PI * 0.12, Math.PI * 1.4)
  context.stroke()
}
