import type { Palette } from './palette'

/** What a seat looks like. Every look differs in shape, not only in colour. */
export type Look = 'free' | 'held' | 'sold' | 'blocked' | 'unknown' | 'mine' | 'pending'

/** Seats for wheelchairs are square, with the sign on them; companion seats are rounded squares. */
export type Form = 'round' | 'accessible' | 'companion'

/** Below this diameter (device pixels) a seat carries no sign. */
const SIGN_PIXELS_MIN = 14
const SPRITES_MAX = 1500

/**
 * Seats as small pictures, drawn once for each look, colour and size, then stamped: a stamp costs a tenth of a path.
 */
export class Sprites {
  private readonly cache = new Map<string, HTMLCanvasElement>()

  constructor(private palette: Palette) {}

  use(palette: Palette): void {
    this.palette = palette
    this.cache.clear()
  }

  /** The picture's seat is `diameter` device pixels wide and stands in its middle; the picture is larger. */
  get(look: Look, form: Form, category: number, diameter: number, label: string): HTMLCanvasElement {
    const size = Math.max(2, Math.round(diameter))
    const key = `${look}${form}${category}.${size}.${label}`
    let sprite = this.cache.get(key)
    if (sprite) return sprite
    if (this.cache.size >= SPRITES_MAX) this.cache.clear()
    sprite = document.createElement('canvas')
    sprite.width = sprite.height = Math.ceil(size * 1.3) + 4
    const context = sprite.getContext('2d')!
    context.translate(sprite.width / 2, sprite.height / 2)
    this.draw(context, look, form, this.palette.categories[category] ?? this.palette.ink, size, label)
    this.cache.set(key, sprite)
    return sprite
  }

  /** Draws one seat around the origin. */
  draw(context: CanvasRenderingContext2D, look: Look, form: Form, color: string, size: number, label: string): void {
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
