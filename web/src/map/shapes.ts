import { boxOf, centreOf, type Box } from '../venue/geometry'
import type { Point, ShapeFile } from '../venue/layout-file'
import type { Venue } from '../venue/venue'

/** Part of the distance between seats that a row's ribbon is wide in the overview. */
const RIBBON_WIDTH = 0.86
/** Seats farther apart than this many pitches are not one ribbon: there is an aisle between them. */
const RIBBON_GAP = 2.2

/** The rows of a section in one category, as one path of thick lines. */
export interface Ribbon {
  category: number
  path: Path2D
  width: number
}

export interface SectionShape {
  outline: Path2D
  ribbons: Ribbon[]
}

export function pathOf(polygon: Point[], closed = true): Path2D {
  const path = new Path2D()
  polygon.forEach(([x, y], index) => (index === 0 ? path.moveTo(x, y) : path.lineTo(x, y)))
  if (closed) path.closePath()
  return path
}

/** Paths are made once, in the plan's units; drawing them at another place or size needs no new ones. */
export function sectionShapes(venue: Venue): SectionShape[] {
  return venue.sections.map((section) => {
    const paths = new Map<number, Path2D>()
    for (let row = section.rowStart; row < section.rowEnd; row++) addRow(venue, row, section.pitch, paths)
    const ribbons = [...paths].map(([category, path]) => ({ category, path, width: section.pitch * RIBBON_WIDTH }))
    return { outline: pathOf(section.polygon), ribbons }
  })
}

function addRow(venue: Venue, row: number, pitch: number, paths: Map<number, Path2D>): void {
  const { seatStart, seatEnd } = venue.rows[row]!
  let previous = -1
  for (let seat = seatStart; seat < seatEnd; seat++) {
    const x = venue.seatX[seat]!
    const y = venue.seatY[seat]!
    const category = venue.seatCategory[seat]!
    let path = paths.get(category)
    if (!path) paths.set(category, (path = new Path2D()))
    const isNext =
      previous >= 0 && venue.seatCategory[previous] === category && venue.distance(previous, seat) < pitch * RIBBON_GAP
    if (isNext) path.lineTo(x, y)
    else {
      path.moveTo(x, y)
      // A lone seat is a dot: a line needs a length to be seen.
      path.lineTo(x + 0.01, y)
    }
    previous = seat
  }
}

/** A shape of the plan, ready to draw. */
export interface PlacedShape {
  kind: string
  path: Path2D
  label: string | null
  centre: Point
  box: Box
}

export function placedShapes(shapes: ShapeFile[]): PlacedShape[] {
  return shapes.map(({ kind, polygon, label }) => {
    const box = boxOf(polygon)
    const isOpen = kind === 'line'
    const centre: Point =
      isOpen || kind === 'text' ? [(box.left + box.right) / 2, (box.top + box.bottom) / 2] : centreOf(polygon)
    return {
      kind,
      path: pathOf(polygon, !isOpen),
      label: label ?? null,
      centre,
      box,
    }
  })
}
