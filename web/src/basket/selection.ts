/** What a reader wants: seats by id in the order of choosing, and units of areas. Never changed, only replaced. */
export interface Selection {
  readonly seats: readonly string[]
  readonly areas: Readonly<Record<string, number>>
}

export const nothing: Selection = { seats: [], areas: {} }

export function countOf({ seats, areas }: Selection): number {
  return seats.length + Object.values(areas).reduce((sum, quantity) => sum + quantity, 0)
}

export function isSame(a: Selection, b: Selection): boolean {
  const keys = Object.keys(a.areas)
  return (
    a.seats.length === b.seats.length &&
    keys.length === Object.keys(b.areas).length &&
    a.seats.every((seat) => b.seats.includes(seat)) &&
    keys.every((area) => a.areas[area] === b.areas[area])
  )
}

export function withSeats(selection: Selection, seats: readonly string[]): Selection {
  return { ...selection, seats: [...selection.seats, ...seats.filter((seat) => !selection.seats.includes(seat))] }
}

export function withoutSeats(selection: Selection, seats: readonly string[]): Selection {
  return { ...selection, seats: selection.seats.filter((seat) => !seats.includes(seat)) }
}

export function withArea(selection: Selection, area: string, quantity: number): Selection {
  const areas = { ...selection.areas }
  if (quantity > 0) areas[area] = quantity
  else delete areas[area]
  return { ...selection, areas }
}

export function areaList({ areas }: Selection): { area: string; quantity: number }[] {
  return Object.entries(areas).map(([area, quantity]) => ({ area, quantity }))
}

export function selectionOf(seats: readonly string[], areas: readonly { area: string; quantity: number }[]): Selection {
  return { seats: [...seats], areas: Object.fromEntries(areas.map(({ area, quantity }) => [area, quantity])) }
}
