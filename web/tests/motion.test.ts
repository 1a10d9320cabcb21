import { describe, expect, it } from 'vitest'
import { centred, toPlan } from '../src/map/camera'
import { fling, glide } from '../src/map/motion'

const viewport = { width: 800, height: 600 }
const from = centred(0, 0, 1, viewport)

describe('a map that moves by itself', () => {
  it('arrives exactly where it was sent, however late the last frame comes', () => {
    const to = centred(500, 200, 3, viewport)
    const motion = glide(from, to, viewport, 1000)
    expect(motion(from, 1100).hasArrived).toBe(false)
    expect(motion(from, 9000)).toEqual({ camera: to, hasArrived: true })
  })

  it('goes on in the direction of the hand, ever slower, and comes to rest', () => {
    const motion = fling(1, 0, 0)
    let camera = from
    const steps: number[] = []
    for (let now = 16; now < 5000; now += 16) {
      const next = motion(camera, now)
      steps.push(camera.x - next.camera.x)
      camera = next.camera
      if (next.hasArrived) break
    }
    expect(steps.length).toBeLessThan(100)
    for (let index = 1; index < steps.length; index++) expect(steps[index]!).toBeLessThan(steps[index - 1]!)
    expect(toPlan(camera, 400, 300)[1]).toBe(0)
  })

  it('does not jump after a frame that took long', () => {
    const { camera } = fling(1, 0, 0)(from, 4000)
    expect(from.x - camera.x).toBeLessThanOrEqual(40)
  })
})
