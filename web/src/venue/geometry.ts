import type { Point } from './layout-file'

/** An axis-parallel rectangle. */
export interface Box {
  left: number
  top: number
  right: number
  bottom: number
}

/** Distance of two points. `Math.hypot` minds overflows that a plan does not have, and takes five times as long. */
export function distance(ax: number, ay: number, bx: number, by: number): number {
  return Math.sqrt((ax - bx) ** 2 + (ay - by) ** 2)
}

export function emptyBox(): Box {
  return { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity }
}

export function include(box: Box, x: number, y: number): void {
  if (x < box.left) box.left = x
  if (x > box.right) box.right = x
  if (y < box.top) box.top = y
  if (y > box.bottom) box.bottom = y
}

export function includeBox(box: Box, other: Box): void {
  if (other.left > other.right) return
  include(box, other.left, other.top)
  include(box, other.right, other.bottom)
}

export function grown(box: Box, by: number): Box {
  return { left: box.left - by, top: box.top - by, right: box.right + by, bottom: box.bottom + by }
}

export function overlap(a: Box, b: Box): boolean {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom
}

/** The part of a box that lies in another; they overlap. */
export function intersection(box: Box, other: Box): Box {
  return {
    left: Math.max(box.left, other.left),
    top: Math.max(box.top, other.top),
    right: Math.min(box.right, other.right),
    bottom: Math.min(box.bottom, other.bottom),
  }
}

export function boxOf(points: Point[]): Box {
  const box = emptyBox()
  for (const [x, y] of points) include(box, x, y)
  return box
}

/** Even-odd rule; a point on an edge may count either way. */
export function isInside(polygon: Point[], x: number, y: number): boolean {
  let inside = false
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
    const [ax, ay] = polygon[i]!
    const [bx, by] = polygon[j]!
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside
  }
  return inside
}

/** The centre of gravity of a polygon's area; of its corners when it has no area. */
export function centreOf(polygon: Point[]): Point {
  let area = 0
  let x = 0
  let y = 0
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
    const [ax, ay] = polygon[j]!
    const [bx, by] = polygon[i]!
    const cross = ax * by - bx * ay
    area += cross
    x += (ax + bx) * cross
    y += (ay + by) * cross
  }
  if (Math.abs(area) < 1e-6) {
    const count = Math.max(1, polygon.length)
    return [polygon.reduce((sum, [px]) => sum + px, 0) / count, polygon.reduce((sum, [, py]) => sum + py, 0) / count]
  }
  return [x / (3 * area), y / (3 * area)]
}

/**
 * The outline of a section that comes without one: along the first row, down the ends of the rows, back along the
 * last. Follows curved rows, which a convex hull would not.
 */
export function outlineOfRows(rows: Point[][]): Point[] {
  const filled = rows.filter((row) => row.length > 0)
  const first = filled[0]
  const last = filled.at(-1)
  if (!first || !last) return []
  if (filled.length === 1) return [...first, ...[...first].reverse()]
  // A plan may number its rows from either end: turn those that run against the first.
  const direction = (row: Point[]): Point => [row.at(-1)![0] - row[0]![0], row.at(-1)![1] - row[0]![1]]
  const [dx, dy] = direction(first)
  const turned = filled.map((row) => {
    const [rx, ry] = direction(row)
    return rx * dx + ry * dy < 0 ? [...row].reverse() : row
  })
  const between = turned.slice(1, -1)
  return [
    ...turned[0]!,
    ...between.map((row) => row.at(-1)!),
    ...[...turned.at(-1)!].reverse(),
    ...between.map((row) => row[0]!).reverse(),
  ]
}

/** The median; NaN of nothing. Sorts its argument. */
export function median(values: number[]): number {
  values.sort((a, b) => a - b)
  return values.length === 0 ? NaN : values[Math.floor(values.length / 2)]!
}

/** How much room a polygon has around a point: the lengths of the level and the upright chord through it. */
export function chordsThrough(polygon: Point[], [x, y]: Point): { width: number; height: number } {
  return { width: chord(polygon, x, y, 0), height: chord(polygon, y, x, 1) }
}

/** Length of the chord along one axis (0: level, 1: upright) that holds the point `along`, at the height `across`. */
function chord(polygon: Point[], along: number, across: number, axis: 0 | 1): number {
  const other = axis === 0 ? 1 : 0
  let before = -Infinity
  let after = Infinity
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
    const a = polygon[i]!
    const b = polygon[j]!
    if (a[other] > across === b[other] > across) continue
    const crossing = a[axis] + ((across - a[other]) / (b[other] - a[other])) * (b[axis] - a[axis])
    if (crossing <= along) before = Math.max(before, crossing)
    else after = Math.min(after, crossing)
  }
  return Number.isFinite(after - before) ? after - before : 0
}
