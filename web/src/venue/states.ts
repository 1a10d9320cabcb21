import type { Section, Venue } from './venue'

/** The states of a seat as the section model writes them, and `unknown` before it came. */
export const State = { unknown: 0, free: 1, held: 2, sold: 3, blocked: 4 } as const
export type State = (typeof State)[keyof typeof State]

const LETTERS: Record<number, State> = {
  ['f'.charCodeAt(0)]: State.free,
  ['h'.charCodeAt(0)]: State.held,
  ['s'.charCodeAt(0)]: State.sold,
  ['b'.charCodeAt(0)]: State.blocked,
}

const ROW_PREFIX = 'row:'

/** A seat whose state changed. */
export interface SeatChange {
  seat: number
  before: State
  after: State
}

/** What is known of every seat: one byte each. */
export class SeatStates {
  private readonly bytes: Uint8Array
  private readonly sequence = new Map<number, number>()

  constructor(private readonly venue: Venue) {
    this.bytes = new Uint8Array(venue.seatCount)
  }

  of(seat: number): State {
    return this.bytes[seat] as State
  }

  isFree(seat: number): boolean {
    return this.bytes[seat] === State.free
  }

  isKnown(section: Section): boolean {
    return this.sequence.has(section.index)
  }

  sequenceOf(section: Section): number | undefined {
    return this.sequence.get(section.index)
  }

  /**
   * Takes the properties of a section model: all of them, or those named in `changed`. Answers the seats that are
   * different now. A model older than what is known (its `seq` went back) is left out.
   */
  apply(section: Section, properties: Record<string, unknown>, changed: string[] | null): SeatChange[] {
    const seq = typeof properties.seq === 'number' ? properties.seq : 0
    const known = this.sequence.get(section.index)
    if (known !== undefined && seq < known) return []
    this.sequence.set(section.index, seq)
    const changes: SeatChange[] = []
    for (const name of changed ?? Object.keys(properties)) {
      if (!name.startsWith(ROW_PREFIX)) continue
      const row = this.venue.row(name.slice(ROW_PREFIX.length))
      const text = properties[name]
      if (row !== undefined && typeof text === 'string') this.applyRow(row, text, changes)
    }
    return changes
  }

  /** The section is not followed any more: what is known of it grows old and is dropped. */
  forget(section: Section): void {
    this.sequence.delete(section.index)
    this.bytes.fill(State.unknown, section.seatStart, section.seatEnd)
  }

  /** The row as its model writes it; `?` for what is unknown. */
  rowText(row: number): string {
    const { seatStart, seatEnd } = this.venue.rows[row]!
    let text = ''
    for (let seat = seatStart; seat < seatEnd; seat++) text += '?fhsb'[this.bytes[seat]!]
    return text
  }

  private applyRow(row: number, text: string, changes: SeatChange[]): void {
    const { seatStart, seatEnd } = this.venue.rows[row]!
    const end = Math.min(seatEnd, seatStart + text.length)
    for (let seat = seatStart; seat < end; seat++) {
      const after = LETTERS[text.charCodeAt(seat - seatStart)] ?? State.unknown
      const before = this.bytes[seat] as State
      if (after === before) continue
      this.bytes[seat] = after
      changes.push({ seat, before, after })
    }
  }
}
