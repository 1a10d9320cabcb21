import type { Money } from '../kernel/money'
import { CallError } from '../live/connection'
import type { AreaQuantity, Line } from '../venue/models'
import {
  areaList,
  countOf,
  isSame,
  nothing,
  selectionOf,
  withArea,
  withoutSeats,
  withSeats,
  type Selection,
} from './selection'

/** The hold that the reader has, as far as it is known. */
export interface CurrentHold {
  id: string
  selection: Selection
  expiresAt: string
  hardDeadline: string | null
  lines: Line[]
  total: Money
}

export interface HoldRequest {
  seats: readonly string[]
  areas: AreaQuantity[]
  key: string
  /** The hold whose seats the new one takes over, atomically. */
  replaces?: string
}

export interface HoldAnswer {
  hold: string
  expiresAt: string
  lines: Line[]
  total: Money
}

/** What the basket needs of the world. */
export interface Seller {
  hold(request: HoldRequest): Promise<HoldAnswer>
  release(hold: string): Promise<void>
  /** Resolves after about this time, or when the connection is back after a loss. */
  pause(milliseconds: number): Promise<void>
  key(): string
}

/** What happened, for words and for the map. */
export type Notice =
  | { kind: 'held'; added: string[]; count: number }
  | { kind: 'released'; removed: string[]; count: number }
  | { kind: 'taken'; seats: string[]; areas: string[] }
  | { kind: 'tooMany'; max: number }
  | { kind: 'limit'; max: number | null }
  | { kind: 'notOnSale' }
  | { kind: 'busy' }
  | { kind: 'unknownSeat' }
  | { kind: 'expired'; seats: string[] }
  | { kind: 'failed' }

const RETRIES_MAX = 6
const BUSY_MILLISECONDS = 250

/**
 * The reader's basket: one hold at the server, and what the reader wants beyond it.
 *
 * A hold never changes, so every change of mind asks for a new hold that replaces the old one in one step: seats in
 * both never become free in between. At most one request is on its way; what is tapped meanwhile waits and
 * goes out together, the newest wish only.
 */
export class Basket {
  private wish: Selection = nothing
  private hold: CurrentHold | null = null
  private isBusy = false

  constructor(
    private readonly seller: Seller,
    private readonly changed: () => void,
    private readonly tell: (notice: Notice) => void,
    private readonly unitsMax: () => number,
  ) {}

  get current(): CurrentHold | null {
    return this.hold
  }

  /** What the reader wants: what is held, plus what is on its way, minus what is on its way back. */
  get wanted(): Selection {
    return this.wish
  }

  get isPending(): boolean {
    return this.isBusy
  }

  has(seat: string): boolean {
    return this.wish.seats.includes(seat)
  }

  isHeld(seat: string): boolean {
    return this.hold?.selection.seats.includes(seat) ?? false
  }

  unitsIn(area: string): number {
    return this.wish.areas[area] ?? 0
  }

  toggle(seat: string): void {
    if (this.has(seat)) this.want(withoutSeats(this.wish, [seat]))
    else this.add([seat])
  }

  /** Adds all of these seats, or answers false and says why not. */
  add(seats: readonly string[]): boolean {
    return this.want(withSeats(this.wish, seats))
  }

  setArea(area: string, quantity: number): void {
    this.want(withArea(this.wish, area, quantity))
  }

  clear(): void {
    this.want(nothing)
  }

  /** A hold that exists already: after a reload, or made in another tab. */
  adopt(hold: CurrentHold): void {
    const wasSettled = !this.hold || isSame(this.wish, this.hold.selection)
    this.hold = hold
    if (wasSettled || !this.isBusy) this.wish = hold.selection
    this.changed()
  }

  /** The server prolonged the hold. */
  prolong(expiresAt: string): void {
    if (!this.hold) return
    this.hold = { ...this.hold, expiresAt }
    this.changed()
  }

  /** The hold is over. `expired` is said; `released` and `converted` are somebody's own doing. */
  end(id: string, how: 'expired' | 'released' | 'converted'): void {
    if (this.hold?.id !== id) return
    const { seats } = this.hold.selection
    this.hold = null
    this.wish = nothing
    this.changed()
    if (how === 'expired') this.tell({ kind: 'expired', seats: [...seats] })
  }

  private want(selection: Selection): boolean {
    const max = this.unitsMax()
    if (countOf(selection) > max && countOf(selection) > countOf(this.wish)) {
      this.tell({ kind: 'tooMany', max })
      return false
    }
    this.wish = selection
    this.changed()
    void this.settle()
    return true
  }

  /** Brings the hold to what is wanted, one request at a time. */
  private async settle(): Promise<void> {
    if (this.isBusy) return
    this.isBusy = true
    try {
      while (!isSame(this.wish, this.hold?.selection ?? nothing)) await this.step()
    } finally {
      this.isBusy = false
      this.changed()
    }
  }

  private async step(): Promise<void> {
    const wanted = this.wish
    const old = this.hold
    try {
      if (countOf(wanted) === 0 && old) {
        await this.persist(() => this.seller.release(old.id))
        this.released(old)
      } else {
        const key = this.seller.key()
        const request: HoldRequest = {
          seats: wanted.seats,
          areas: areaList(wanted),
          key,
          ...(old ? { replaces: old.id } : {}),
        }
        const answer = await this.persist(() => this.seller.hold(request))
        this.held(answer, wanted, old)
      }
    } catch (problem) {
      this.refused(problem as CallError, wanted, old)
    }
    this.changed()
  }

  private held(answer: HoldAnswer, wanted: Selection, old: CurrentHold | null): void {
    this.hold = {
      id: answer.hold,
      selection: wanted,
      expiresAt: answer.expiresAt,
      hardDeadline: old?.hardDeadline ?? null,
      lines: answer.lines,
      total: answer.total,
    }
    const added = wanted.seats.filter((seat) => !old?.selection.seats.includes(seat))
    const removed = (old?.selection.seats ?? []).filter((seat) => !wanted.seats.includes(seat))
    if (added.length > 0 || countOf(wanted) > countOf(old?.selection ?? nothing))
      this.tell({ kind: 'held', added, count: countOf(wanted) })
    else this.tell({ kind: 'released', removed, count: countOf(wanted) })
  }

  private released(old: CurrentHold): void {
    if (this.hold?.id === old.id) this.hold = null
    this.tell({ kind: 'released', removed: [...old.selection.seats], count: 0 })
  }

  /** Sends until the outcome is known. The same key makes a repeated request harmless. */
  private async persist<T>(send: () => Promise<T>): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await send()
      } catch (problem) {
        const error = problem as CallError
        const isWorthAnother = error.code === 'tickets.busy' || error.isUnknown
        if (!isWorthAnother || attempt >= RETRIES_MAX) throw error
        await this.seller.pause(BUSY_MILLISECONDS * 2 ** attempt * (0.5 + Math.random()))
      }
    }
  }

  /** The request failed; the old hold is as it was. The wish goes back to what can be had. */
  private refused(error: CallError, wanted: Selection, old: CurrentHold | null): void {
    const before = old?.selection ?? nothing
    const giveUp = () => {
      this.wish = this.hold?.selection ?? nothing
    }
    switch (error.code) {
      case 'tickets.seatTaken': {
        const seats = names(error.data.seats)
        const areas = names(error.data.areas)
        this.wish = withoutSeats(
          this.wish,
          seats.length + areas.length > 0 ? seats : wanted.seats.filter((seat) => !before.seats.includes(seat)),
        )
        for (const area of areas) this.wish = withArea(this.wish, area, before.areas[area] ?? 0)
        // An answer that names nothing we asked for would be asked again for ever.
        if (isSame(this.wish, wanted)) giveUp()
        this.tell({ kind: 'taken', seats, areas })
        return
      }
      case 'tickets.holdNotActive':
        // The hold ran out or was released elsewhere. Ask for what is wanted without it.
        if (old && this.hold?.id === old.id) this.hold = null
        else giveUp()
        return
      case 'tickets.tooManySeats':
        giveUp()
        this.tell({ kind: 'tooMany', max: Number(error.data.max) || this.unitsMax() })
        return
      case 'tickets.limitReached':
        giveUp()
        this.tell({ kind: 'limit', max: Number(error.data.max) || null })
        return
      case 'tickets.notOnSale':
        giveUp()
        this.tell({ kind: 'notOnSale' })
        return
      case 'tickets.unknownSeat':
        giveUp()
        this.tell({ kind: 'unknownSeat' })
        return
      case 'tickets.busy':
        giveUp()
        this.tell({ kind: 'busy' })
        return
      default:
        giveUp()
        this.tell({ kind: 'failed' })
    }
  }
}

function names(value: unknown): string[] {
  if (!Array.isArray(value)) return []
  return value.map((entry: unknown) =>
    typeof entry === 'string' ? entry : String((entry as { area?: string }).area ?? ''),
  )
}

/** A hold model as the basket knows it. */
export function currentHold(model: {
  id: string
  seats: string[]
  areas: AreaQuantity[]
  expiresAt: string
  hardDeadline: string
  lines: Line[]
  total: Money
}): CurrentHold {
  const { id, expiresAt, hardDeadline, lines, total } = model
  return { id, selection: selectionOf(model.seats ?? [], model.areas ?? []), expiresAt, hardDeadline, lines, total }
}
