import { describe, expect, it } from 'vitest'
import { RowLabels, ROWS_PIXELS_MIN, type PlacedLabel } from '../src/map/row-labels'
import { SEAT_PART } from '../src/map/sprites'
import { overlap } from '../src/venue/geometry'
import type { LayoutFile } from '../src/venue/layout-file'
import { SeatGrid } from '../src/venue/seat-grid'
import { Venue } from '../src/venue/venue'
import { plan } from './support/plans'

const PITCH = 50
/** About as wide as letters of the map's face. */
const widthOf = (text: string) => text.length * 0.58

/** Two blocks of rows with an aisle between them, their rows named by `name`. */
function blocks(aisle: number, name: (block: number, line: number) => string): Venue {
  const file: LayoutFile = plan([
    { id: 'left', rows: 6, seats: 8 },
    { id: 'right', rows: 6, seats: 8 },
  ])
  file.sections.forEach((section, block) =>
    section.rows.forEach((row, line) => {
      row.label = name(block, line)
      row.seats.forEach((seat, index) => (seat.x = block * (7 * PITCH + aisle) + index * PITCH))
    }),
  )
  return new Venue(file)
}

const labelsOf = (venue: Venue, pixels: number): PlacedLabel[] =>
  new RowLabels(venue, new SeatGrid(venue)).at(pixels / venue.pitch, widthOf).flat()

const boxOf = ({ x, y, halfWidth, halfHeight }: PlacedLabel) => ({
  left: x - halfWidth,
  right: x + halfWidth,
  top: y - halfHeight,
  bottom: y + halfHeight,
})

function expectApart(venue: Venue, labels: PlacedLabel[]): void {
  labels.forEach((label, index) => {
    const box = boxOf(label)
    for (const other of labels.slice(index + 1))
      expect(overlap(box, boxOf(other)), `${label.text} and ${other.text}`).toBe(false)
    for (let seat = 0; seat < venue.seatCount; seat++) {
      const dx = Math.max(box.left - venue.seatX[seat]!, 0, venue.seatX[seat]! - box.right)
      const dy = Math.max(box.top - venue.seatY[seat]!, 0, venue.seatY[seat]! - box.bottom)
      expect(Math.hypot(dx, dy), `${label.text} and a seat`).toBeGreaterThan((venue.pitch * SEAT_PART) / 2 - 1e-6)
    }
  })
}

describe('labels of rows', () => {
  it('never lie on each other or on seats, however long they are and near the blocks', () => {
    for (const aisle of [60, 90, 140]) {
      const venue = blocks(aisle, (block, line) => `${String.fromCharCode(65 + line)} (${block + 3})`)
      for (const pixels of [ROWS_PIXELS_MIN, 20, 32, 44, 76]) expectApart(venue, labelsOf(venue, pixels))
    }
  })

  it('leave out a second label before any row loses its only one', () => {
    const venue = blocks(90, (block, line) => `${String.fromCharCode(65 + line)} (${block + 3})`)
    const texts = labelsOf(venue, 32).map(({ text }) => text)
    expect(new Set(texts).size).toBe(12)
    expect(texts.length).toBeLessThan(24)
  })

  it('stand at both ends where there is room', () => {
    const venue = blocks(400, (block, line) => `${String.fromCharCode(65 + line)}${block}`)
    expect(labelsOf(venue, 32)).toHaveLength(24)
  })

  it('become one between two blocks that share a row', () => {
    const venue = blocks(110, (_block, line) => String.fromCharCode(65 + line))
    const labels = labelsOf(venue, 32).filter(({ text }) => text === 'A')
    expect(labels.map(({ x }) => Math.round(x)).sort((a, b) => a - b)[1]).toBe(7 * PITCH + 55)
    expect(labels).toHaveLength(3)
  })

  it('become one at each of two places that lie near to each other', () => {
    const file = plan([{ id: 'gangway', rows: 4, seats: 2 }])
    const starts: [number, number][] = [
      [-120, -20],
      [-78, 22],
      [30, -20],
      [72, 22],
    ]
    file.sections[0]!.rows.forEach((row, line) => {
      const [x, y] = starts[line]!
      row.label = 'A'
      row.seats.forEach((seat, index) => Object.assign(seat, { x: x + index * PITCH, y }))
    })
    const middles = labelsOf(new Venue(file), 76).map(({ x, y }) => [Math.round(x), Math.round(y)])
    expect(middles).toContainEqual([-20, -20])
    expect(middles).toContainEqual([22, 22])
  })

  it('stay the same objects while the zoom changes a little, so that a patch is drawn like the whole', () => {
    const venue = blocks(90, (block, line) => `${line} (${block})`)
    const labels = new RowLabels(venue, new SeatGrid(venue))
    expect(labels.at(32 / PITCH, widthOf)).toBe(labels.at(32.5 / PITCH, widthOf))
  })
})
