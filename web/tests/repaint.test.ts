import { describe, expect, it } from 'vitest'
import { viewBox, type Camera } from '../src/map/camera'
import { SEATS_PIXELS_MIN, type Painter, type Surface } from '../src/map/painter'
import { Repaint } from '../src/map/repaint'
import { overlap, type Box } from '../src/venue/geometry'
import { indices, known, plan } from './support/plans'

const viewport = { width: 800, height: 600 }
/** So near that seats are drawn, and the second section begins in view and ends outside. */
const camera: Camera = { x: 0, y: 0, scale: 0.5 }
/** What a patch paints around itself, against seams. */
const SEAM = 3 / camera.scale

const nothing = () => undefined
const context = new Proxy({}, { get: () => nothing }) as CanvasRenderingContext2D

/** Paints what changed, and answers the boxes that were painted for it. */
function painted(change: (repaint: Repaint, seats: (ids: string[]) => number[]) => void): Box[] {
  const { venue } = known(
    plan([
      { id: 'left', rows: 4, seats: 20 },
      { id: 'right', rows: 4, seats: 60 },
    ]),
  )
  expect(venue.pitch * camera.scale).toBeGreaterThanOrEqual(SEATS_PIXELS_MIN)
  const boxes: Box[] = []
  const painter = { paint: (_surface: Surface, _camera: Camera, box: Box) => boxes.push(box) } as unknown as Painter
  const repaint = new Repaint(context, painter, venue)
  repaint.paint(camera, viewport, 1, false)
  boxes.length = 0
  change(repaint, (ids) => indices(venue, ids))
  repaint.paint(camera, viewport, 1, false)
  return boxes
}

describe('a repaint', () => {
  it('is of nothing when nothing changed', () => {
    expect(painted(nothing)).toEqual([])
  })

  it('is of a seat and what its picture reaches', () => {
    const [box, ...others] = painted((repaint, seats) => repaint.addSeats(seats(['left-2-3'])))
    expect(others).toEqual([])
    expect(box!.left).toBeGreaterThan(40)
    expect(box!.left).toBeLessThan(100 - 25)
    expect(box!.right).toBeLessThan(160)
  })

  it('does not paint what cannot be seen', () => {
    const view = viewBox(camera, viewport)
    const [box, ...others] = painted((repaint) => repaint.addSections([1]))
    expect(others).toEqual([])
    expect(box!.right).toBeLessThanOrEqual(view.right + SEAM)
    expect(painted((repaint, seats) => repaint.addSeats(seats(['right-1-60'])))).toEqual([])
  })

  it('paints nothing twice', () => {
    const ids = ['left-1-1', 'left-1-2', 'left-1-3', 'left-1-9', 'left-1-10']
    const boxes = painted((repaint, seats) => repaint.addSeats(seats(ids)))
    expect(boxes.length).toBe(2)
    expect(overlap(boxes[0]!, boxes[1]!)).toBe(false)
    // A seat in a section that is painted as a whole.
    const [whole, ...others] = painted((repaint, seats) => {
      repaint.addSeats(seats(ids))
      repaint.addSections([0])
    })
    expect(others).toEqual([])
    expect(whole!.left).toBeLessThanOrEqual(-SEAM)
  })
})
