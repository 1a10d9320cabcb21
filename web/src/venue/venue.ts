import {
  boxOf,
  centreOf,
  chordsThrough,
  distance,
  emptyBox,
  grown,
  include,
  includeBox,
  median,
  outlineOfRows,
  type Box,
} from './geometry'
import type { CategoryFile, LayoutFile, Point, SectionFile, ShapeFile } from './layout-file'

export interface Row {
  id: string
  label: string
  section: number
  /** Seats of the row: `seatStart` up to, not including, `seatEnd`. */
  seatStart: number
  seatEnd: number
}

export interface Area {
  id: string
  name: string
  section: number
  capacity: number
  category: number
  polygon: Point[]
  box: Box
  centre: Point
}

export interface Section {
  id: string
  name: string
  index: number
  rowStart: number
  rowEnd: number
  seatStart: number
  seatEnd: number
  areas: number[]
  /** Where it is drawn and touched; from its rows when the plan gives none. */
  polygon: Point[]
  /** Whether `polygon` runs through the outermost seats, so that it has to be drawn with a margin. */
  isOutlined: boolean
  box: Box
  centre: Point
  /** Room for words around the centre, in the plan's units. */
  room: { width: number; height: number }
  /** Distance of neighbouring seats, in the plan's units. */
  pitch: number
  /** Category with the most seats, and all that occur. */
  category: number
  categories: number[]
  capacity: number
}

export const Attribute = { accessible: 1, companion: 2, restricted: 4, aisle: 8 } as const

const ATTRIBUTES: Record<string, number> = {
  accessible: Attribute.accessible,
  wheelchair: Attribute.accessible,
  companion: Attribute.companion,
  restrictedView: Attribute.restricted,
  restricted_view: Attribute.restricted,
  'restricted view': Attribute.restricted,
  aisle: Attribute.aisle,
}

function attributeBits(names: string[]): number {
  return names.reduce((bits, name) => bits | (ATTRIBUTES[name] ?? 0), 0)
}

/** Distance of seats when a plan has no two in a row. */
const PITCH_FALLBACK = 24

/**
 * A plan, laid out for speed: everything about a seat is found by its number (0, 1, 2 … in the plan's order) in flat
 * arrays, so that forty thousand seats are a few hundred kilobytes and no objects.
 */
export class Venue {
  readonly name: string
  readonly categories: CategoryFile[]
  readonly shapes: ShapeFile[]
  readonly sections: Section[] = []
  readonly rows: Row[] = []
  readonly areas: Area[] = []
  readonly seatCount: number
  readonly seatX: Float32Array
  readonly seatY: Float32Array
  readonly seatRow: Uint32Array
  readonly seatCategory: Uint8Array
  readonly seatAttributes: Uint8Array
  readonly seatIds: string[]
  readonly seatLabels: string[]
  readonly box: Box
  /** Typical distance of neighbouring seats, in the plan's units. */
  readonly pitch: number
  /** Made when a seat is first looked for by its id, which is when the reader chooses one: no picture waits for it. */
  private seatById: Map<string, number> | null = null
  private readonly sectionById = new Map<string, number>()
  private readonly areaById = new Map<string, number>()
  private readonly rowById = new Map<string, number>()

  constructor(file: LayoutFile) {
    this.name = file.name
    this.categories = file.categories
    this.shapes = file.shapes ?? []
    this.seatCount = file.sections.reduce(
      (sum, { rows }) => sum + rows.reduce((count, { seats }) => count + seats.length, 0),
      0,
    )
    this.seatX = new Float32Array(this.seatCount)
    this.seatY = new Float32Array(this.seatCount)
    this.seatRow = new Uint32Array(this.seatCount)
    this.seatCategory = new Uint8Array(this.seatCount)
    this.seatAttributes = new Uint8Array(this.seatCount)
    this.seatIds = new Array<string>(this.seatCount)
    this.seatLabels = new Array<string>(this.seatCount)
    const categoryIndex = new Map(file.categories.map(({ id }, index) => [id, index]))
    for (const section of file.sections) this.addSection(section, categoryIndex)
    this.pitch =
      median(this.sections.filter(({ seatEnd, seatStart }) => seatEnd > seatStart).map(({ pitch }) => pitch)) ||
      PITCH_FALLBACK
    this.box = this.measure(file)
  }

  seat(id: string): number | undefined {
    if (this.seatById === null) {
      this.seatById = new Map()
      for (let seat = 0; seat < this.seatCount; seat++) this.seatById.set(this.seatIds[seat]!, seat)
    }
    return this.seatById.get(id)
  }

  section(id: string): Section | undefined {
    const index = this.sectionById.get(id)
    return index === undefined ? undefined : this.sections[index]
  }

  area(id: string): Area | undefined {
    const index = this.areaById.get(id)
    return index === undefined ? undefined : this.areas[index]
  }

  row(id: string): number | undefined {
    return this.rowById.get(id)
  }

  rowOf(seat: number): Row {
    return this.rows[this.seatRow[seat]!]!
  }

  sectionOf(seat: number): Section {
    return this.sections[this.rowOf(seat).section]!
  }

  /** How far two seats are apart, in the plan's units. */
  distance(one: number, other: number): number {
    return distance(this.seatX[one]!, this.seatY[one]!, this.seatX[other]!, this.seatY[other]!)
  }

  private addSection(file: SectionFile, categoryIndex: Map<string, number>): void {
    const index = this.sections.length
    const rowStart = this.rows.length
    const seatStart = rowStart === 0 ? 0 : this.rows[rowStart - 1]!.seatEnd
    const counts = new Map<number, number>()
    let seat = seatStart
    for (const row of file.rows) {
      const rowIndex = this.rows.length
      this.rowById.set(row.id, rowIndex)
      const start = seat
      for (const given of row.seats) {
        this.seatX[seat] = given.x
        this.seatY[seat] = given.y
        this.seatRow[seat] = rowIndex
        const category = categoryIndex.get(given.category) ?? 0
        this.seatCategory[seat] = category
        if (given.attributes) this.seatAttributes[seat] = attributeBits(given.attributes)
        this.seatIds[seat] = given.id
        this.seatLabels[seat] = given.label
        counts.set(category, (counts.get(category) ?? 0) + 1)
        seat++
      }
      this.rows.push({ id: row.id, label: row.label, section: index, seatStart: start, seatEnd: seat })
    }
    const areas = (file.areas ?? []).map((area) => {
      const polygon = area.polygon ?? file.polygon ?? []
      const category = categoryIndex.get(area.category ?? '') ?? 0
      counts.set(category, (counts.get(category) ?? 0) + area.capacity)
      this.areaById.set(area.id, this.areas.length)
      const { id, name, capacity } = area
      return (
        this.areas.push({
          id,
          name,
          capacity,
          category,
          section: index,
          polygon,
          box: boxOf(polygon),
          centre: centreOf(polygon),
        }) - 1
      )
    })
    const ranked = [...counts].sort(([, a], [, b]) => b - a).map(([category]) => category)
    const given = file.polygon && file.polygon.length > 2 ? file.polygon : null
    const areaPolygon = areas.length > 0 && seat === seatStart ? this.areas[areas[0]!]!.polygon : null
    const polygon = given ?? areaPolygon ?? outlineOfRows(file.rows.map(({ seats }) => seats.map(({ x, y }) => [x, y])))
    const pitch = this.pitchOf(rowStart, seatStart, seat)
    const box = boxOf(polygon)
    const centre = centreOf(polygon)
    for (let index = seatStart; index < seat; index++) include(box, this.seatX[index]!, this.seatY[index]!)
    for (const area of areas) includeBox(box, this.areas[area]!.box)
    this.sectionById.set(file.id, index)
    this.sections.push({
      id: file.id,
      name: file.name,
      index,
      rowStart,
      rowEnd: this.rows.length,
      seatStart,
      seatEnd: seat,
      areas,
      polygon,
      isOutlined: !given && !areaPolygon,
      box: grown(box, seat > seatStart ? pitch / 2 : 0),
      centre,
      room: chordsThrough(polygon, centre),
      pitch,
      category: ranked[0] ?? 0,
      categories: ranked,
      capacity: seat - seatStart + areas.reduce((sum, area) => sum + this.areas[area]!.capacity, 0),
    })
  }

  private pitchOf(rowStart: number, seatStart: number, seatEnd: number): number {
    const distances: number[] = []
    const step = Math.max(1, Math.floor((seatEnd - seatStart) / 200))
    for (let seat = seatStart; seat + 1 < seatEnd; seat += step) {
      if (this.seatRow[seat] !== this.seatRow[seat + 1]) continue
      distances.push(this.distance(seat, seat + 1))
    }
    for (let row = rowStart; row + 1 < this.rows.length; row++) {
      const gap = this.gapOfRows(this.rows[row]!, this.rows[row + 1]!)
      // Rows closer together than the seats in them are what limits the size of a seat.
      if (gap > 0 && gap < (distances[0] ?? Infinity)) distances.push(gap)
    }
    return median(distances) || PITCH_FALLBACK
  }

  private gapOfRows(one: Row, other: Row): number {
    if (one.seatEnd === one.seatStart || other.seatEnd === other.seatStart) return 0
    const seat = (one.seatStart + one.seatEnd) >> 1
    let nearest = Infinity
    for (let index = other.seatStart; index < other.seatEnd; index++) {
      nearest = Math.min(nearest, this.distance(index, seat))
    }
    return nearest
  }

  private measure(file: LayoutFile): Box {
    const box = emptyBox()
    for (const section of this.sections) includeBox(box, section.box)
    for (const shape of this.shapes) includeBox(box, boxOf(shape.polygon))
    if (box.left > box.right) return { left: 0, top: 0, right: file.size[0], bottom: file.size[1] }
    return grown(box, this.pitch)
  }
}
