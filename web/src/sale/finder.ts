import { bestTogether, type Finding } from '../basket/best'
import { boxOf, distance } from '../venue/geometry'
import type { SeatStates } from '../venue/states'
import type { Section, Venue } from '../venue/venue'
import type { SectionFollower } from './follower'

/** Sections looked into, nearest to the stage first. */
const SECTIONS_MAX = 8
const WAIT_MILLISECONDS = 4000

export interface Proposal extends Finding {
  section: Section
}

/** Finds the best free seats together over all sections that may have them. */
export class Finder {
  constructor(
    private readonly venue: Venue,
    private readonly states: SeatStates,
    private readonly follower: SectionFollower,
    private readonly freeOf: (id: string) => number | null,
  ) {}

  async find(party: number, isWanted: (category: number) => boolean): Promise<Proposal | null> {
    const sections = this.venue.sections
      .filter(
        (section) =>
          section.seatEnd > section.seatStart &&
          section.categories.some(isWanted) &&
          (this.freeOf(section.id) ?? 1) >= party,
      )
      .sort((a, b) => this.distance(a) - this.distance(b))
      .slice(0, SECTIONS_MAX)
    this.follower.follow('search', sections)
    try {
      for (const section of sections) {
        await this.follower.known(section, WAIT_MILLISECONDS)
        const finding = bestTogether(this.venue, this.states, section, party, isWanted)
        // A section far back in the middle row is no better than one near the stage at its side: the first that has
        // seats wins, and inside it the best ones.
        if (finding) return { ...finding, section }
      }
      return null
    } finally {
      // What was found must stay known until it is held; the map follows it from then on.
      setTimeout(() => this.follower.follow('search', []), WAIT_MILLISECONDS)
    }
  }

  private distance(section: Section): number {
    const [x, y] = this.focus()
    return distance(section.centre[0], section.centre[1], x, y)
  }

  /** What people look at: the stage, else the pitch, else the middle. */
  private focus(): [number, number] {
    const shape =
      this.venue.shapes.find(({ kind }) => kind === 'stage') ?? this.venue.shapes.find(({ kind }) => kind === 'pitch')
    const box = shape ? boxOf(shape.polygon) : this.venue.box
    return [(box.left + box.right) / 2, (box.top + box.bottom) / 2]
  }
}
