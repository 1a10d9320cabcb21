/** What hands do on the map, in pixels from its top left corner. */
export interface GestureHandlers {
  /** Whether one finger moves the map; else it belongs to the page. */
  ownsOneFinger(): boolean
  grab(): void
  pan(dx: number, dy: number): void
  /** Two fingers or a wheel: by how much, around which point. */
  zoom(x: number, y: number, factor: number): void
  /** The hand let go while moving, in pixels per millisecond. */
  fling(vx: number, vy: number): void
  tap(x: number, y: number, isTouch: boolean): void
  doubleTap(x: number, y: number): void
  hover(x: number, y: number): void
  leave(): void
  /** A wheel that belongs to the page was turned over the map. */
  wheelRefused(): void
}

const TAP_PIXELS_MAX = 6
const TAP_TOUCH_PIXELS_MAX = 12
const TAP_MILLISECONDS_MAX = 600
const DOUBLE_MILLISECONDS_MAX = 320
const DOUBLE_PIXELS_MAX = 28
const FLING_WINDOW_MILLISECONDS = 90
const FLING_SPEED_MIN = 0.08

interface Pointer {
  x: number
  y: number
  startX: number
  startY: number
  startedAt: number
  isTouch: boolean
  isMoving: boolean
  trail: { x: number; y: number; at: number }[]
}

/** Turns pointer events of an element into gestures. Answers the function that stops it. */
export function listen(element: HTMLElement, handlers: GestureHandlers): () => void {
  const gestures = new Gestures(element, handlers)
  const stop = new AbortController()
  const on = <K extends keyof HTMLElementEventMap>(
    name: K,
    run: (event: HTMLElementEventMap[K]) => void,
    passive = true,
  ) => element.addEventListener(name, run, { signal: stop.signal, passive })
  on('pointerdown', gestures.down)
  on('pointermove', gestures.move)
  on('pointerup', gestures.up)
  on('pointercancel', gestures.cancel)
  on('pointerleave', gestures.leave)
  on('wheel', gestures.wheel, false)
  return () => stop.abort()
}

class Gestures {
  private readonly pointers = new Map<number, Pointer>()
  private wasPinch = false
  private lastTap = { x: 0, y: 0, at: Number.NEGATIVE_INFINITY }

  constructor(
    private readonly element: HTMLElement,
    private readonly handlers: GestureHandlers,
  ) {}

  down = (event: PointerEvent): void => {
    if (event.pointerType === 'mouse' && event.button !== 0) return
    const [x, y] = this.place(event)
    const isTouch = event.pointerType !== 'mouse'
    if (this.pointers.size === 0) {
      this.wasPinch = false
      this.handlers.grab()
    }
    this.pointers.set(event.pointerId, {
      x,
      y,
      startX: x,
      startY: y,
      startedAt: event.timeStamp,
      isTouch,
      isMoving: false,
      trail: [],
    })
    if (this.pointers.size === 2) this.wasPinch = true
    if (!isTouch || this.handlers.ownsOneFinger() || this.pointers.size > 1) capture(this.element, event.pointerId)
  }

  move = (event: PointerEvent): void => {
    const [x, y] = this.place(event)
    const pointer = this.pointers.get(event.pointerId)
    if (!pointer) {
      if (event.pointerType === 'mouse') this.handlers.hover(x, y)
      return
    }
    const dx = x - pointer.x
    const dy = y - pointer.y
    if (!pointer.isMoving) {
      const limit = pointer.isTouch ? TAP_TOUCH_PIXELS_MAX : TAP_PIXELS_MAX
      if (this.pointers.size === 1 && Math.hypot(x - pointer.startX, y - pointer.startY) < limit) return
      pointer.isMoving = true
    }
    if (this.pointers.size === 2) this.pinch(pointer, x, y)
    else if (this.pointers.size === 1 && (!pointer.isTouch || this.handlers.ownsOneFinger())) this.handlers.pan(dx, dy)
    pointer.x = x
    pointer.y = y
    pointer.trail.push({ x, y, at: event.timeStamp })
    if (pointer.trail.length > 12) pointer.trail.shift()
  }

  up = (event: PointerEvent): void => {
    const pointer = this.pointers.get(event.pointerId)
    if (!pointer) return
    this.pointers.delete(event.pointerId)
    if (this.wasPinch) return
    if (!pointer.isMoving) {
      if (event.timeStamp - pointer.startedAt < TAP_MILLISECONDS_MAX) this.tapped(pointer, event.timeStamp)
      return
    }
    if (!pointer.isTouch || this.handlers.ownsOneFinger()) this.released(pointer, event.timeStamp)
  }

  cancel = (event: PointerEvent): void => {
    this.pointers.delete(event.pointerId)
  }

  leave = (event: PointerEvent): void => {
    if (event.pointerType === 'mouse') this.handlers.leave()
  }

  wheel = (event: WheelEvent): void => {
    // A trackpad's pinch arrives as a wheel with ctrl. Any other wheel scrolls the page: the map is no trap.
    if (!event.ctrlKey && !event.metaKey) {
      this.handlers.wheelRefused()
      return
    }
    event.preventDefault()
    const [x, y] = this.place(event)
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1
    const delta = Math.max(-60, Math.min(60, event.deltaY * lines))
    this.handlers.zoom(x, y, Math.exp(-delta / 110))
  }

  private pinch(moved: Pointer, x: number, y: number): void {
    const other = [...this.pointers.values()].find((pointer) => pointer !== moved)!
    const before = Math.hypot(moved.x - other.x, moved.y - other.y)
    const after = Math.hypot(x - other.x, y - other.y)
    this.handlers.pan((x - moved.x) / 2, (y - moved.y) / 2)
    if (before > 8 && after > 8) this.handlers.zoom((x + other.x) / 2, (y + other.y) / 2, after / before)
  }

  private tapped({ x, y, isTouch }: Pointer, at: number): void {
    const isDouble =
      at - this.lastTap.at < DOUBLE_MILLISECONDS_MAX &&
      Math.hypot(x - this.lastTap.x, y - this.lastTap.y) < DOUBLE_PIXELS_MAX
    this.lastTap = { x, y, at: isDouble ? Number.NEGATIVE_INFINITY : at }
    if (isDouble) this.handlers.doubleTap(x, y)
    else this.handlers.tap(x, y, isTouch)
  }

  private released(pointer: Pointer, at: number): void {
    const first = pointer.trail.find((point) => at - point.at < FLING_WINDOW_MILLISECONDS)
    const last = pointer.trail.at(-1)
    if (!first || !last || last.at - first.at < 8) return
    const vx = (last.x - first.x) / (last.at - first.at)
    const vy = (last.y - first.y) / (last.at - first.at)
    if (Math.hypot(vx, vy) > FLING_SPEED_MIN) this.handlers.fling(vx, vy)
  }

  private place(event: MouseEvent): [number, number] {
    const { left, top } = this.element.getBoundingClientRect()
    return [event.clientX - left, event.clientY - top]
  }
}

/** Throws when the pointer is already gone, which is as good as captured. */
function capture(element: HTMLElement, pointer: number): void {
  try {
    element.setPointerCapture(pointer)
  } catch {
    // Nothing to capture.
  }
}
