import { distance, grown, overlap, type Box } from '../venue/geometry'
import type { SeatGrid } from '../venue/seat-grid'
import type { Venue } from '../venue/venue'
import { SEAT_PART } from './sprites'

/** Distance of seats on the screen, in pixels, from which rows are named. */
export const ROWS_PIXELS_MIN = 15
/** Room between the last seat and its row's label, in pixels. */
const GAP_PIXELS = 4
/** Height of a line of text in sizes. */
const LINE = 1.1
/** Labels are chosen anew for each step of the zoom, and stay while it lasts. */
const STEP = 1.16
/** Labels of two rows that would stand this near to each other, in pitches, become one. */
const MEETING_PITCHES = 1.1
/** Cells of the grid that finds neighbouring labels, in pitches. */
const CELL_PITCHES = 4

/** A label on the plan: its middle, and half of its size. */
export interface PlacedLabel {
  text: string
  x: number
  y: number
  halfWidth: number
  halfHeight: number
}

/** Where a row's label may stand: beyond the end at x, y, in the direction dx, dy. In the middle of two ends there is none. */
interface Place {
  text: string
  section: number
  pitch: number
  x: number
  y: number
  dx: number
  dy: number
}

/** Size of the rows' labels in pixels, by the distance of the seats. */
export function rowLabelSize(pitchPixels: number): number {
  return Math.min(13, Math.max(9, pitchPixels * 0.42))
}

/**
 * Labels of rows, beyond both ends where there is room: none lies on a seat or on another label. A row's second label
 * gives way before any row loses its only one. What is chosen depends on the zoom alone, so that a part of the map is
 * drawn the same as all of it.
 */
export class RowLabels {
  /** Made when rows are first named: the picture of a large venue names none, and does not wait for them. */
  private rows: Place[][] | null = null
  private readonly steps = new Map<number, PlacedLabel[][]>()

  constructor(
    private readonly venue: Venue,
    private readonly grid: SeatGrid,
  ) {}

  /** The labels of every section. `widthOf` answers the width of a text of size 1. */
  at(scale: number, widthOf: (text: string) => number): PlacedLabel[][] {
    const pixels = this.venue.pitch * scale
    const step = Math.max(0, Math.floor(Math.log(pixels / ROWS_PIXELS_MIN) / Math.log(STEP)))
    let labels = this.steps.get(step)
    if (!labels) {
      // Chosen for the smallest zoom of the step: closer up a label only takes less of the plan.
      const least = (ROWS_PIXELS_MIN * STEP ** step) / this.venue.pitch
      this.steps.set(step, (labels = this.choose(least, widthOf)))
    }
    return labels
  }

  private choose(scale: number, widthOf: (text: string) => number): PlacedLabel[][] {
    const size = rowLabelSize(this.venue.pitch * scale)
    const chosen: PlacedLabel[][] = this.venue.sections.map(() => [])
    const taken = new LabelGrid(this.venue.pitch * CELL_PITCHES)
    const tryPlace = (place: Place): boolean => {
      const label = placed(place, scale, size, widthOf(place.text))
      const box = boxOf(label)
      if (taken.isTaken(box) || this.isOnSeat(box)) return false
      taken.add(box)
      chosen[place.section]!.push(label)
      return true
    }
    const seconds: Place[] = []
    this.rows ??= placesOf(this.venue)
    for (const places of this.rows) {
      const first = places.findIndex(tryPlace)
      if (first >= 0) seconds.push(...places.slice(first + 1))
    }
    seconds.forEach(tryPlace)
    return chosen
  }

  private isOnSeat(box: Box): boolean {
    const { venue } = this
    let isOn = false
    this.grid.within(grown(box, venue.pitch), (seat) => {
      const x = venue.seatX[seat]!
      const y = venue.seatY[seat]!
      const nearestX = Math.max(box.left, Math.min(box.right, x))
      const nearestY = Math.max(box.top, Math.min(box.bottom, y))
      if (distance(x, y, nearestX, nearestY) < (venue.sectionOf(seat).pitch * SEAT_PART) / 2) isOn = true
    })
    return isOn
  }
}

/** So far beyond the seat that the text, however long and in whatever direction, keeps its distance. */
function placed({ text, pitch, x, y, dx, dy }: Place, scale: number, size: number, width: number): PlacedLabel {
  const halfWidth = (width * size) / 2 / scale
  const halfHeight = (size * LINE) / 2 / scale
  const reach = (pitch * SEAT_PART) / 2 + GAP_PIXELS / scale + Math.abs(dx) * halfWidth + Math.abs(dy) * halfHeight
  return { text, x: x + dx * reach, y: y + dy * reach, halfWidth, halfHeight }
}

function boxOf({ x, y, halfWidth, halfHeight }: PlacedLabel): Box {
  return { left: x - halfWidth, right: x + halfWidth, top: y - halfHeight, bottom: y + halfHeight }
}

/** The places of every row; one in the middle where two rows meet under the same name. */
function placesOf(venue: Venue): Place[][] {
  const meetings = new Meetings(venue.pitch)
  return venue.rows.map(({ label, section, seatStart, seatEnd }) => {
    const last = seatEnd - 1
    if (last < seatStart) return []
    const { pitch } = venue.sections[section]!
    const ends = [
      [seatStart, Math.min(seatStart + 1, last)],
      [last, Math.max(last - 1, seatStart)],
    ] as const
    return ends
      .map(([end, inner], index): Place => {
        const x = venue.seatX[end]!
        const y = venue.seatY[end]!
        // A seat that is a row by itself has a left and a right.
        const [wayX, wayY] =
          end === inner ? [index === 0 ? -1 : 1, 0] : [x - venue.seatX[inner]!, y - venue.seatY[inner]!]
        const length = Math.hypot(wayX, wayY) || 1
        return { text: label, section, pitch, x, y, dx: wayX / length, dy: wayY / length }
      })
      .filter((place) => !meetings.join(place))
  })
}

/**
 * The number of a cell of a grid. Plans are far smaller than what would make two cells have the same; if ever two do,
 * their places are compared in vain.
 */
function cellOf(column: number, line: number): number {
  return column * 0x10_0000 + line
}

/** Finds ends of rows of the same name that face each other, and makes one place of the two. */
class Meetings {
  private readonly cells = new Map<number, Place[]>()
  private readonly reach: number

  constructor(private readonly pitch: number) {
    this.reach = pitch * MEETING_PITCHES
  }

  /** Whether another row's place now stands for this one too. */
  join(place: Place): boolean {
    const x = place.x + place.dx * this.pitch
    const y = place.y + place.dy * this.pitch
    const column = Math.round(x / this.reach)
    const line = Math.round(y / this.reach)
    for (let dx = -1; dx <= 1; dx++) {
      for (let dy = -1; dy <= 1; dy++) {
        const places = this.cells.get(cellOf(column + dx, line + dy))
        const at = places?.findIndex((other) => this.isMeeting(other, place.text, x, y)) ?? -1
        if (at < 0) continue
        const [other] = places!.splice(at, 1) as [Place]
        Object.assign(other, { x: (other.x + place.x) / 2, y: (other.y + place.y) / 2, dx: 0, dy: 0 })
        return true
      }
    }
    put(this.cells, cellOf(column, line), place)
    return false
  }

  /** Whether a place of the same name looks to about the same point. */
  private isMeeting(other: Place, text: string, x: number, y: number): boolean {
    const [otherX, otherY] = [other.x + other.dx * this.pitch, other.y + other.dy * this.pitch]
    return other.text === text && distance(otherX, otherY, x, y) <= this.reach
  }
}

/** Finds labels that lie on each other. */
class LabelGrid {
  private readonly cells = new Map<number, Box[]>()

  constructor(private readonly cell: number) {}

  isTaken(box: Box): boolean {
    return this.keys(box).some((key) => this.cells.get(key)?.some((other) => overlap(other, box)))
  }

  add(box: Box): void {
    for (const key of this.keys(box)) put(this.cells, key, box)
  }

  private keys({ left, top, right, bottom }: Box): number[] {
    const keys: number[] = []
    for (let column = Math.floor(left / this.cell); column <= Math.floor(right / this.cell); column++)
      for (let line = Math.floor(top / this.cell); line <= Math.floor(bottom / this.cell); line++)
        keys.push(cellOf(column, line))
    return keys
  }
}

function put<T>(cells: Map<number, T[]>, key: number, value: T): void {
  const values = cells.get(key)
  if (values) values.push(value)
  else cells.set(key, [value])
}
