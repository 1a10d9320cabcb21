import type { Live } from '../live/connection'
import type { SeatChange, SeatStates } from '../venue/states'
import type { Section, Venue } from '../venue/venue'

/** Who wants a section to be followed. The map, the list and the search each have their own set. */
export type Interest = 'map' | 'list' | 'search' | 'basket'

export interface FollowerHandlers {
  /** A section's seats became known. `since` is when the message came. */
  arrived(section: Section, since: number): void
  changed(section: Section, changes: SeatChange[], since: number): void
  forgotten(section: Section): void
}

/** Subscribes to the sections that somebody looks at, and to no others. */
export class SectionFollower {
  private readonly interests = new Map<Interest, ReadonlySet<Section>>()
  private readonly stops = new Map<Section, () => void>()
  private readonly waiting = new Map<Section, (() => void)[]>()

  constructor(
    private readonly live: Live,
    private readonly venue: Venue,
    private readonly event: string,
    private readonly states: SeatStates,
    private readonly handlers: FollowerHandlers,
  ) {}

  follow(interest: Interest, sections: Iterable<Section>): void {
    this.interests.set(interest, new Set(sections))
    const wanted = new Set<Section>()
    for (const set of this.interests.values()) for (const section of set) wanted.add(section)
    for (const [section, stop] of this.stops) {
      if (wanted.has(section)) continue
      stop()
      this.stops.delete(section)
      this.states.forget(section)
      this.handlers.forgotten(section)
    }
    for (const section of wanted) {
      if (!this.stops.has(section) && section.seatEnd > section.seatStart) this.stops.set(section, this.watch(section))
    }
  }

  /** Resolves when the section's seats are known, or after `milliseconds`. The section must be followed. */
  known(section: Section, milliseconds: number): Promise<void> {
    if (this.states.isKnown(section)) return Promise.resolve()
    return new Promise((resolve) => {
      setTimeout(resolve, milliseconds)
      this.waiting.set(section, [...(this.waiting.get(section) ?? []), resolve])
    })
  }

  get followed(): Section[] {
    return [...this.stops.keys()]
  }

  /** Rows of everything followed, as the models wrote them. */
  snapshot(): Record<string, { seq: number; rows: Record<string, string> }> {
    const result: Record<string, { seq: number; rows: Record<string, string> }> = {}
    for (const section of this.stops.keys()) {
      const seq = this.states.sequenceOf(section)
      if (seq === undefined) continue
      const rows: Record<string, string> = {}
      for (let row = section.rowStart; row < section.rowEnd; row++)
        rows[this.venue.rows[row]!.id] = this.states.rowText(row)
      result[section.id] = { seq, rows }
    }
    return result
  }

  private watch(section: Section): () => void {
    return this.live.watch(`tickets.event.${this.event}.section.${section.id}`, {
      value: (properties, names) => {
        const since = performance.now()
        const wasKnown = this.states.isKnown(section)
        const changes = this.states.apply(section, properties, names)
        if (!wasKnown) {
          this.handlers.arrived(section, since)
          for (const resolve of this.waiting.get(section) ?? []) resolve()
          this.waiting.delete(section)
        } else if (changes.length > 0) this.handlers.changed(section, changes, since)
      },
    })
  }
}
