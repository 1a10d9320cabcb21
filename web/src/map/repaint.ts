import { grown, includeBox, intersection, overlap, type Box } from '../venue/geometry'
import type { Venue } from '../venue/venue'
import { toScreen, viewBox, type Camera, type Viewport } from './camera'
import { SEATS_PIXELS_MIN, type Painter } from './painter'

/** More than this is faster drawn all at once. */
const SEATS_PATCHED_MAX = 40
const SECTIONS_PATCHED_MAX = 10
/** How far around a seat its picture reaches, in pitches. */
const SEAT_REACH = 0.62

/** Knows what changed since the last picture, and paints that: small patches where it can, else everything. */
export class Repaint {
  private isAll = true
  private readonly seats = new Set<number>()
  private readonly sections = new Set<number>()

  constructor(
    private readonly context: CanvasRenderingContext2D,
    private readonly painter: Painter,
    private readonly venue: Venue,
  ) {}

  addAll(): void {
    this.isAll = true
  }

  addSeats(seats: Iterable<number>): void {
    for (const seat of seats) this.seats.add(seat)
  }

  addSections(sections: Iterable<number>): void {
    for (const section of sections) this.sections.add(section)
  }

  paint(camera: Camera, viewport: Viewport, density: number, isMoving: boolean): void {
    const view = viewBox(camera, viewport)
    const surface = { context: this.context, ...viewport, density }
    if (this.isAll || this.seats.size > SEATS_PATCHED_MAX || this.sections.size > SECTIONS_PATCHED_MAX)
      this.painter.paint(surface, camera, view, isMoving)
    else for (const box of this.patches(camera, view)) this.patch(surface, camera, box)
    this.isAll = false
    this.seats.clear()
    this.sections.clear()
  }

  private patches(camera: Camera, view: Box): Box[] {
    const { venue } = this
    const boxes: Box[] = []
    for (const index of this.sections) boxes.push(grown(venue.sections[index]!.box, venue.pitch))
    if (venue.pitch * camera.scale >= SEATS_PIXELS_MIN) {
      for (const seat of this.seats) {
        const [x, y] = [venue.seatX[seat]!, venue.seatY[seat]!]
        boxes.push(grown({ left: x, top: y, right: x, bottom: y }, venue.sectionOf(seat).pitch * SEAT_REACH))
      }
    }
    // What lies outside is not to be seen; where two lie on each other, everything would be painted twice.
    return joined(boxes.filter((box) => overlap(box, view)).map((box) => intersection(box, view)))
  }

  private patch(surface: Viewport & { context: CanvasRenderingContext2D; density: number }, camera: Camera, box: Box) {
    const { context, density } = surface
    const [left, top] = toScreen(camera, box.left, box.top)
    const [right, bottom] = toScreen(camera, box.right, box.bottom)
    context.save()
    context.setTransform(density, 0, 0, density, 0, 0)
    context.beginPath()
    // Whole pixels, or the edges of the patch would shine through.
    context.rect(Math.floor(left) - 1, Math.floor(top) - 1, Math.ceil(right - left) + 3, Math.ceil(bottom - top) + 3)
    context.clip()
    this.painter.paint(surface, camera, grown(box, 3 / camera.scale))
    context.restore()
  }
}

/** All of these places, and what lies between some, in boxes of which none lies on another. */
function joined(boxes: Box[]): Box[] {
  const apart: Box[] = []
  for (const box of boxes) {
    for (;;) {
      const other = apart.findIndex((each) => overlap(each, box))
      if (other < 0) break
      includeBox(box, apart[other]!)
      apart.splice(other, 1)
    }
    apart.push(box)
  }
  return apart
}
