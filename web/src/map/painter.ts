import { grown, overlap, type Box } from '../venue/geometry'
import type { SeatGrid } from '../venue/seat-grid'
import type { Camera } from './camera'
import { paintAreaLabels, paintRowLabels, paintSectionLabels, paintShapeLabels } from './labels'
import type { Palette } from './palette'
import { ROWS_PIXELS_MIN, RowLabels } from './row-labels'
import { formOf, lookOf, type Scene } from './scene'
import { pathOf, placedShapes, sectionShapes, type PlacedShape, type SectionShape } from './shapes'
import { SEAT_PART, Sprites, type Sprite } from './sprites'

/** Distance of seats on the screen, in pixels, from which seats are drawn; below it sections are shapes. */
export const SEATS_PIXELS_MIN = 7
/** From here on a seat carries its number. */
const NUMBERS_PIXELS_MIN = 25
/** Seats of categories that the reader filtered out. */
const FILTERED_ALPHA = 0.14

export interface Surface {
  context: CanvasRenderingContext2D
  width: number
  height: number
  /** Device pixels per CSS pixel. */
  density: number
}

/** Draws the map, or a part of it, as it is now. Keeps no state about what changed. */
export class Painter {
  readonly sprites: Sprites
  private readonly sections: SectionShape[]
  private readonly areas: Path2D[]
  private readonly shapes: PlacedShape[]
  private readonly rowLabels: RowLabels
  private hatch: CanvasPattern | null = null

  constructor(
    private readonly scene: Scene,
    private readonly grid: SeatGrid,
    private palette: Palette,
  ) {
    this.sprites = new Sprites(palette)
    this.sections = sectionShapes(scene.venue)
    this.areas = scene.venue.areas.map(({ polygon }) => pathOf(polygon))
    this.shapes = placedShapes(scene.venue.shapes)
    this.rowLabels = new RowLabels(scene.venue, grid)
  }

  use(palette: Palette): void {
    this.palette = palette
    this.sprites.use(palette)
    this.hatch = null
  }

  /**
   * Paints what lies in `box` (plan units). The caller clips when the box is not all that can be seen. While the map
   * moves, seats are stretched from pictures of about their size: making new ones for each step would cost the frame.
   */
  paint(surface: Surface, camera: Camera, box: Box, isMoving = false): void {
    const { context, density } = surface
    const scale = camera.scale * density
    const seatPixels = this.scene.venue.pitch * camera.scale
    context.setTransform(1, 0, 0, 1, 0, 0)
    context.fillStyle = this.palette.floor
    context.fillRect(0, 0, surface.width * density, surface.height * density)
    context.setTransform(scale, 0, 0, scale, -camera.x * scale, -camera.y * scale)
    context.lineJoin = context.lineCap = 'round'
    this.paintShapes(context, camera, box)
    this.paintAreas(context, box, camera)
    this.paintSections(context, box, camera, seatPixels)
    context.setTransform(1, 0, 0, 1, 0, 0)
    if (seatPixels >= SEATS_PIXELS_MIN) this.paintSeats(surface, camera, box, seatPixels, isMoving)
    context.setTransform(density, 0, 0, density, 0, 0)
    paintShapeLabels(context, camera, box, this.shapes, this.palette)
    if (seatPixels >= ROWS_PIXELS_MIN)
      paintRowLabels(context, camera, box, this.scene.venue, this.rowLabels, this.palette)
    paintAreaLabels(context, camera, box, this.scene, this.palette)
    if (seatPixels < SEATS_PIXELS_MIN * 1.6)
      paintSectionLabels(context, camera, box, this.scene, this.palette, seatPixels >= SEATS_PIXELS_MIN)
  }

  /** The whole plan, small and without words, for the minimap. */
  paintSmall(context: CanvasRenderingContext2D, camera: Camera, density: number): void {
    const scale = camera.scale * density
    context.setTransform(scale, 0, 0, scale, -camera.x * scale, -camera.y * scale)
    context.lineJoin = context.lineCap = 'round'
    this.paintShapes(context, camera, this.scene.venue.box)
    this.paintAreas(context, this.scene.venue.box, camera)
    this.paintSections(context, this.scene.venue.box, camera, 0)
  }

  private paintShapes(context: CanvasRenderingContext2D, camera: Camera, view: Box): void {
    const { palette } = this
    for (const { kind, path, box } of this.shapes) {
      if (kind === 'text' || !overlap(box, view)) continue
      context.lineWidth = 1.25 / camera.scale
      context.strokeStyle = palette.sectionLine
      if (kind === 'line') {
        context.stroke(path)
        continue
      }
      context.globalAlpha = kind === 'floor' ? 0.45 : 1
      context.fillStyle = kind === 'stage' ? palette.stage : palette.section
      context.fill(path)
      context.globalAlpha = 1
      if (kind !== 'stage') context.stroke(path)
    }
  }

  private paintAreas(context: CanvasRenderingContext2D, box: Box, camera: Camera): void {
    const { venue } = this.scene
    venue.areas.forEach((area, index) => {
      if (!overlap(area.box, box)) return
      const free = this.scene.freeOf(area.id)
      this.fillByState(context, this.areas[index]!, free, area.capacity, area.category, camera)
      const isMine = this.scene.claimedIn(index) > 0
      context.strokeStyle = isMine ? this.palette.mine : this.palette.categories[area.category]!
      context.globalAlpha = isMine || this.scene.isShown(area.category) ? 1 : FILTERED_ALPHA
      context.lineWidth = (isMine ? 3 : 1.5) / camera.scale
      context.stroke(this.areas[index]!)
      context.globalAlpha = 1
    })
  }

  /** A shape that empties: its category's colour, stronger the more is free; hatched when nothing is. */
  private fillByState(
    context: CanvasRenderingContext2D,
    path: Path2D,
    free: number | null,
    capacity: number,
    category: number,
    camera: Camera,
  ): void {
    context.fillStyle = this.palette.section
    context.fill(path)
    if (free === 0) {
      this.fillHatched(context, path, camera)
      return
    }
    if (!this.scene.isShown(category)) return
    context.globalAlpha = free === null ? 0.12 : 0.16 + 0.5 * Math.min(1, free / Math.max(1, capacity))
    context.fillStyle = this.palette.categories[category]!
    context.fill(path)
    context.globalAlpha = 1
  }

  private paintSections(context: CanvasRenderingContext2D, box: Box, camera: Camera, seatPixels: number): void {
    const { venue } = this.scene
    for (const section of venue.sections) {
      if (section.seatEnd === section.seatStart || !overlap(section.box, box)) continue
      const shape = this.sections[section.index]!
      context.fillStyle = context.strokeStyle = this.palette.section
      if (section.isOutlined) {
        context.lineWidth = section.pitch * 1.3
        context.stroke(shape.outline)
      }
      context.fill(shape.outline)
      const seats = section.seatEnd - section.seatStart
      const free = this.scene.freeOf(section.id)
      if (seatPixels < SEATS_PIXELS_MIN) this.paintRibbons(context, shape, free, seats, camera)
      if (!section.isOutlined) {
        context.strokeStyle = this.palette.sectionLine
        context.lineWidth = 1 / camera.scale
        context.stroke(shape.outline)
      }
    }
  }

  private paintRibbons(
    context: CanvasRenderingContext2D,
    shape: SectionShape,
    free: number | null,
    seats: number,
    camera: Camera,
  ): void {
    if (free === 0) {
      this.fillHatched(context, shape.outline, camera)
      return
    }
    const part = free === null ? 0.4 : free / Math.max(1, seats)
    for (const { category, path, width } of shape.ribbons) {
      context.globalAlpha = this.scene.isShown(category) ? 0.2 + 0.8 * part : FILTERED_ALPHA * 0.7
      context.strokeStyle = this.palette.categories[category]!
      context.lineWidth = width
      context.stroke(path)
    }
    context.globalAlpha = 1
  }

  private fillHatched(context: CanvasRenderingContext2D, path: Path2D, camera: Camera): void {
    this.hatch ??= hatchPattern(context, this.palette.seatGone)
    if (!this.hatch) return
    this.hatch.setTransform(new DOMMatrix().scale(1 / camera.scale))
    context.fillStyle = this.hatch
    context.fill(path)
  }

  private paintSeats(surface: Surface, camera: Camera, box: Box, seatPixels: number, isMoving: boolean): void {
    const { context, density } = surface
    const { venue } = this.scene
    const scale = camera.scale * density
    const stamps: Stamp[] = []
    this.grid.within(grown(box, venue.pitch), (seat) => {
      stamps.push(this.stampOf(seat, camera, scale, seatPixels >= NUMBERS_PIXELS_MIN, isMoving))
    })
    for (const { sprite, x, y, size, isFaded } of stamps) {
      if (isFaded) context.globalAlpha = FILTERED_ALPHA
      context.drawImage(sprite.sheet, sprite.x, sprite.y, sprite.size, sprite.size, x, y, size, size)
      if (isFaded) context.globalAlpha = 1
    }
  }

  private stampOf(seat: number, camera: Camera, scale: number, withNumber: boolean, isMoving: boolean): Stamp {
    const { venue } = this.scene
    const category = venue.seatCategory[seat]!
    const look = lookOf(this.scene, seat)
    const exact = venue.sectionOf(seat).pitch * SEAT_PART * scale
    const drawn = isMoving ? nearSize(exact) : exact
    const label = withNumber && (look === 'free' || look === 'pending') ? venue.seatLabels[seat]! : ''
    const sprite = this.sprites.get(look, formOf(venue, seat), category, drawn, label)
    const size = isMoving ? (sprite.size * exact) / Math.max(2, Math.round(drawn)) : sprite.size
    const x = (venue.seatX[seat]! - camera.x) * scale - size / 2
    const y = (venue.seatY[seat]! - camera.y) * scale - size / 2
    const isFaded = look === 'free' && !this.scene.isShown(category)
    // At rest on whole pixels: sharper, and a repainted seat lies exactly on the old one.
    return { sprite, x: isMoving ? x : Math.round(x), y: isMoving ? y : Math.round(y), size, isFaded }
  }
}

/** A seat's picture and where it goes, in device pixels. */
interface Stamp {
  sprite: Sprite
  x: number
  y: number
  size: number
  isFaded: boolean
}

/** One of few sizes, a sixth apart. */
function nearSize(size: number): number {
  return 1.16 ** Math.round(Math.log(size) / Math.log(1.16))
}

function hatchPattern(context: CanvasRenderingContext2D, color: string): CanvasPattern | null {
  const tile = document.createElement('canvas')
  tile.width = tile.height = 8
  const drawing = tile.getContext('2d')!
  drawing.strokeStyle = color
  drawing.lineWidth = 1.5
  drawing.beginPath()
  for (const at of [-8, 0, 8]) {
    drawing.moveTo(at - 1, 9)
    drawing.lineTo(at + 9, -1)
  }
  drawing.stroke()
  return context.createPattern(tile, 'repeat')
}
