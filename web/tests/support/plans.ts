import type { AreaFile, LayoutFile, SeatFile } from '../../src/venue/layout-file'
import { SeatStates } from '../../src/venue/states'
import { Venue } from '../../src/venue/venue'

/** A plan of straight rows, 50 apart in the row and 90 between rows, as the generated venues are. */
export function plan(
  sections: { id: string; rows: number; seats: number; category?: string }[],
  areas: AreaFile[] = [],
): LayoutFile {
  let left = 0
  const placed = sections.map(({ id, rows, seats, category = 'stalls' }) => {
    const start = left
    left += seats * 50 + 200
    return {
      id,
      name: `Section ${id}`,
      areas: [],
      rows: Array.from({ length: rows }, (_row, line) => ({
        id: `${id}-${line + 1}`,
        label: String.fromCharCode(65 + line),
        seats: Array.from({ length: seats }, (_seat, index): SeatFile => ({
          id: `${id}-${line + 1}-${index + 1}`,
          label: String(index + 1),
          x: start + index * 50,
          y: line * 90,
          category,
        })),
      })),
    }
  })
  return {
    id: 'plan',
    name: 'Hall',
    size: [left, 1000],
    sections: areas.length > 0 ? [...placed, { id: 'floor', name: 'Floor', rows: [], areas }] : placed,
    categories: [
      { id: 'stalls', name: 'Stalls', color: '#2f6fde' },
      { id: 'balcony', name: 'Balcony', color: '#c98a1b' },
    ],
  }
}

export function known(file: LayoutFile, rows: Record<string, string> = {}): { venue: Venue; states: SeatStates } {
  const venue = new Venue(file)
  const states = new SeatStates(venue)
  for (const section of venue.sections) {
    const properties: Record<string, unknown> = { seq: 1 }
    for (let row = section.rowStart; row < section.rowEnd; row++) {
      const { id, seatStart, seatEnd } = venue.rows[row]!
      properties[`row:${id}`] = rows[id] ?? 'f'.repeat(seatEnd - seatStart)
    }
    states.apply(section, properties, null)
  }
  return { venue, states }
}

export const indices = (venue: Venue, ids: string[]) => ids.map((id) => venue.seat(id)!)
