import type { Box } from '../venue/geometry'

/** Where the map is looked at from: the plan's point at the screen's top left corner, and screen pixels per plan unit. */
export interface Camera {
  x: number
  y: number
  scale: number
}

export interface Viewport {
  width: number
  height: number
}

/** Room left around what a camera is fitted to, in pixels. */
export interface Margin {
  top: number
  right: number
  bottom: number
  left: number
}

export const evenMargin = (size: number): Margin => ({ top: size, right: size, bottom: size, left: size })

export function toScreen(camera: Camera, x: number, y: number): [number, number] {
  return [(x - camera.x) * camera.scale, (y - camera.y) * camera.scale]
}

export function toPlan(camera: Camera, x: number, y: number): [number, number] {
  return [x / camera.scale + camera.x, y / camera.scale + camera.y]
}

export function viewBox(camera: Camera, { width, height }: Viewport): Box {
  return {
    left: camera.x,
    top: camera.y,
    right: camera.x + width / camera.scale,
    bottom: camera.y + height / camera.scale,
  }
}

/** The camera that shows a whole box, in the middle of what the margins leave. */
export function fitted(box: Box, viewport: Viewport, margin: Margin, scaleMax = Infinity): Camera {
  const width = Math.max(1, viewport.width - margin.left - margin.right)
  const height = Math.max(1, viewport.height - margin.top - margin.bottom)
  const scale = Math.min(
    scaleMax,
    width / Math.max(1e-6, box.right - box.left),
    height / Math.max(1e-6, box.bottom - box.top),
  )
  return {
    x: (box.left + box.right) / 2 - (margin.left + width / 2) / scale,
    y: (box.top + box.bottom) / 2 - (margin.top + height / 2) / scale,
    scale,
  }
}

/** The camera with this scale that has a point of the plan in the middle of the screen. */
export function centred(x: number, y: number, scale: number, { width, height }: Viewport): Camera {
  return { x: x - width / 2 / scale, y: y - height / 2 / scale, scale }
}

/** Zooms so that what is under a point of the screen stays there. */
export function zoomedAt(camera: Camera, screenX: number, screenY: number, scale: number): Camera {
  const [x, y] = toPlan(camera, screenX, screenY)
  return { x: x - screenX / scale, y: y - screenY / scale, scale }
}

export function panned(camera: Camera, dx: number, dy: number): Camera {
  return { x: camera.x - dx / camera.scale, y: camera.y - dy / camera.scale, scale: camera.scale }
}

/** Keeps the plan in sight: its middle is centred along an axis on which all of it fits, else no empty margin opens. */
export function clamped(camera: Camera, box: Box, viewport: Viewport, margin: Margin): Camera {
  const axis = (position: number, low: number, high: number, size: number, before: number, after: number): number => {
    const least = low - before / camera.scale
    const most = high + after / camera.scale - size / camera.scale
    return least > most ? (least + most) / 2 : Math.max(least, Math.min(most, position))
  }
  return {
    x: axis(camera.x, box.left, box.right, viewport.width, margin.left, margin.right),
    y: axis(camera.y, box.top, box.bottom, viewport.height, margin.top, margin.bottom),
    scale: camera.scale,
  }
}

/** A camera between two, `part` from 0 to 1. Scale moves in equal ratios, so that zooming feels even. */
export function between(from: Camera, to: Camera, part: number, { width, height }: Viewport): Camera {
  const scale = from.scale * (to.scale / from.scale) ** part
  // The point that the whole zoom turns around stays still; without a zoom there is none, and the way is straight.
  const ratio = to.scale / from.scale
  const share = Math.abs(ratio - 1) < 1e-3 ? part : (scale / from.scale - 1) / (ratio - 1)
  const weight = Math.abs(ratio - 1) < 1e-3 ? share : (share * to.scale) / scale
  const [fromX, fromY] = toPlan(from, width / 2, height / 2)
  const [toX, toY] = toPlan(to, width / 2, height / 2)
  return centred(fromX + (toX - fromX) * weight, fromY + (toY - fromY) * weight, scale, { width, height })
}

export function easeOut(part: number): number {
  return 1 - (1 - part) ** 3
}
