import type { Box } from './geometry'
import type { Venue } from './venue'

/** Seats per cell that the grid aims at. */
const SEATS_PER_CELL = 8

/** Finds seats by place: a uniform grid, because seats are spread evenly by nature. */
export class SeatGrid {
  private readonly cell: number
  private readonly columns: number
  private readonly lines: number
  /** Seats sorted by cell; `starts[cell]` is where a cell's seats begin. */
  private readonly seats: Uint32Array
  private readonly starts: Uint32Array

  constructor(private readonly venue: Venue) {
    const { left, top, right, bottom } = venue.box
    const width = Math.max(1, right - left)
    const height = Math.max(1, bottom - top)
    this.cell = Math.max(venue.pitch, Math.sqrt((width * height * SEATS_PER_CELL) / Math.max(1, venue.seatCount)) / 2)
    this.columns = Math.ceil(width / this.cell) + 1
    this.lines = Math.ceil(height / this.cell) + 1
    this.starts = new Uint32Array(this.columns * this.lines + 1)
    for (let seat = 0; seat < venue.seatCount; seat++) this.starts[this.cellOf(seat) + 1]!++
    for (let cell = 1; cell < this.starts.length; cell++) this.starts[cell]! += this.starts[cell - 1]!
    this.seats = new Uint32Array(venue.seatCount)
    const next = this.starts.slice()
    for (let seat = 0; seat < venue.seatCount; seat++) this.seats[next[this.cellOf(seat)]!++] = seat
  }

  /** Calls `visit` for every seat whose centre lies in the box; may call it for a few just outside. */
  within(box: Box, visit: (seat: number) => void): void {
    const { left, top } = this.venue.box
    const from = this.clampColumn((box.left - left) / this.cell)
    const to = this.clampColumn((box.right - left) / this.cell)
    const lineFrom = this.clampLine((box.top - top) / this.cell)
    const lineTo = this.clampLine((box.bottom - top) / this.cell)
    for (let line = lineFrom; line <= lineTo; line++) {
      const end = this.starts[line * this.columns + to + 1]!
      for (let index = this.starts[line * this.columns + from]!; index < end; index++) visit(this.seats[index]!)
    }
  }

  /** The seat nearest to a point, no farther than `reach`. */
  nearest(x: number, y: number, reach: number): number | null {
    let best: number | null = null
    let bestDistance = reach * reach
    this.within({ left: x - reach, top: y - reach, right: x + reach, bottom: y + reach }, (seat) => {
      const distance = (this.venue.seatX[seat]! - x) ** 2 + (this.venue.seatY[seat]! - y) ** 2
      if (distance <= bestDistance) {
        bestDistance = distance
        best = seat
      }
    })
    return best
  }

  private cellOf(seat: number): number {
    const { left, top } = this.venue.box
    const column = this.clampColumn((this.venue.seatX[seat]! - left) / this.cell)
    const line = this.clampLine((this.venue.seatY[seat]! - top) / this.cell)
    return line * this.columns + column
  }

  private clampColumn(column: number): number {
    return Math.max(0, Math.min(this.columns - 1, Math.floor(column)))
  }

  private clampLine(line: number): number {
    return Math.max(0, Math.min(this.lines - 1, Math.floor(line)))
  }
}
