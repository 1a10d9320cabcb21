import { describe, expect, it } from 'vitest'
import {
  between,
  centred,
  clamped,
  evenMargin,
  fitted,
  panned,
  toPlan,
  toScreen,
  viewBox,
  zoomedAt,
} from '../src/map/camera'
import { categoryColors, hueOf } from '../src/map/palette'

const viewport = { width: 800, height: 600 }
const box = { left: 0, top: 0, right: 4000, bottom: 2000 }

describe('the camera', () => {
  it('translates between the plan and the screen', () => {
    const camera = { x: 100, y: 50, scale: 2 }
    expect(toScreen(camera, 110, 60)).toEqual([20, 20])
    expect(toPlan(camera, 20, 20)).toEqual([110, 60])
  })

  it('shows all of a box in the middle of what the margins leave', () => {
    const camera = fitted(box, viewport, evenMargin(40))
    expect(camera.scale).toBeCloseTo(720 / 4000)
    const view = viewBox(camera, viewport)
    expect((view.left + view.right) / 2).toBeCloseTo(2000)
    expect((view.top + view.bottom) / 2).toBeCloseTo(1000)
    expect(view.left).toBeLessThan(0)
  })

  it('keeps what is under the finger under the finger while it zooms', () => {
    const camera = zoomedAt({ x: 10, y: 20, scale: 1 }, 300, 200, 2.5)
    expect(toPlan(camera, 300, 200)).toEqual([310, 220])
    expect(camera.scale).toBe(2.5)
  })

  it('pans by the distance the finger went', () => {
    const camera = panned({ x: 100, y: 100, scale: 2 }, 50, -20)
    expect(toScreen(camera, 100, 100)).toEqual([50, -20])
  })

  it('does not lose the plan out of sight', () => {
    const far = clamped({ x: 90_000, y: -90_000, scale: 1 }, box, viewport, evenMargin(20))
    const view = viewBox(far, viewport)
    expect(view.right).toBe(4020)
    expect(view.top).toBe(-20)
  })

  it('centres an axis on which all of the plan fits', () => {
    const camera = clamped({ x: 0, y: 999, scale: 0.1 }, box, viewport, evenMargin(20))
    expect(viewBox(camera, viewport).top + 300 / 0.1).toBeCloseTo(1000)
  })

  it('starts and ends a move where it should, and keeps the point that the zoom turns around', () => {
    const from = centred(2000, 1000, 0.2, viewport)
    const to = zoomedAt(from, 600, 100, 1.4)
    expect(between(from, to, 0, viewport).scale).toBeCloseTo(0.2)
    const end = between(from, to, 1, viewport)
    expect(end.x).toBeCloseTo(to.x)
    expect(end.y).toBeCloseTo(to.y)
    const [x, y] = toPlan(between(from, to, 0.4, viewport), 600, 100)
    const [fixedX, fixedY] = toPlan(from, 600, 100)
    expect(x).toBeCloseTo(fixedX)
    expect(y).toBeCloseTo(fixedY)
  })

  it('moves straight when there is nothing to zoom', () => {
    const half = between(centred(0, 0, 1, viewport), centred(100, 40, 1, viewport), 0.5, viewport)
    expect(toPlan(half, 400, 300)).toEqual([50, 20])
  })
})

describe('colours', () => {
  it('keep the hue of the plan', () => {
    expect(hueOf('#ff0000')!.hue).toBeCloseTo(29.2, 0)
    expect(hueOf('#0000ff')!.hue).toBeCloseTo(264, 0)
    expect(hueOf('teal')).toBeNull()
  })

  it('are brought to one lightness, and told apart by it when hues are near', () => {
    const [red, blue, alsoRed, grey, none] = categoryColors(
      ['#ff0000', '#0000ff', '#ee1100', '#777777', undefined],
      0.6,
      0.15,
    )
    expect(red).toMatch(/^oklch\(0\.600 0\.150 29/)
    expect(blue).toMatch(/^oklch\(0\.600 0\.150 264/)
    expect(alsoRed).toMatch(/^oklch\(0\.470/)
    expect(Number(grey!.split(' ')[1])).toBeLessThan(0.03)
    expect(none).toMatch(/^oklch/)
  })
})
