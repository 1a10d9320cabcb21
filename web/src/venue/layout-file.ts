/** `/layouts/<hash>.json`: where everything is, as it was when the event was made. Never changes for a hash. */
export interface LayoutFile {
  id: string
  name: string
  size: [number, number]
  sections: SectionFile[]
  categories: CategoryFile[]
  /** What is no seat but tells where you are: a stage, a pitch. */
  shapes?: ShapeFile[]
}

export interface SectionFile {
  id: string
  name: string
  polygon?: Point[]
  rows: RowFile[]
  areas?: AreaFile[]
}

export interface RowFile {
  id: string
  label: string
  seats: SeatFile[]
}

export interface SeatFile {
  id: string
  label: string
  x: number
  y: number
  category: string
  attributes?: string[]
}

export interface AreaFile {
  id: string
  name: string
  capacity: number
  category?: string
  polygon?: Point[]
}

export interface CategoryFile {
  id: string
  name: string
  color?: string
}

export interface ShapeFile {
  kind: string
  label?: string
  polygon: Point[]
}

export type Point = [number, number]
