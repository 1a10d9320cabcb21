import { between, easeOut, panned, type Camera, type Viewport } from './camera'

/** A camera that moves by itself: asked once a frame where it is now, until it has arrived. */
export type Motion = (camera: Camera, now: number) => { camera: Camera; hasArrived: boolean }

const GLIDE_MILLISECONDS = 240
const FLING_DECAY_MILLISECONDS = 280
/** A frame that took longer than this is not made up for: the map would jump. */
const FLING_STEP_MILLISECONDS_MAX = 40
/** Pixels per millisecond below which the eye sees no motion any more. */
const FLING_SPEED_MIN = 0.02

/** From one camera to another in a fixed time. */
export function glide(from: Camera, to: Camera, viewport: Viewport, startedAt: number): Motion {
  return (_camera, now) => {
    const part = Math.min(1, (now - startedAt) / GLIDE_MILLISECONDS)
    return part === 1
      ? { camera: to, hasArrived: true }
      : { camera: between(from, to, easeOut(part), viewport), hasArrived: false }
  }
}

/** On from where a hand let go, slower and slower. Speeds are in pixels per millisecond. */
export function fling(vx: number, vy: number, startedAt: number): Motion {
  let last = startedAt
  return (camera, now) => {
    const passed = Math.min(FLING_STEP_MILLISECONDS_MAX, now - last)
    last = now
    const moved = panned(camera, vx * passed, vy * passed)
    const decay = Math.exp(-passed / FLING_DECAY_MILLISECONDS)
    vx *= decay
    vy *= decay
    return { camera: moved, hasArrived: Math.hypot(vx, vy) <= FLING_SPEED_MIN }
  }
}
