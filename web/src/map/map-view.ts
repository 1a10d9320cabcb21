import { SeatGrid } from '../venue/seat-grid'
import type { Section } from '../venue/venue'
import {
  centred,
  clamped,
  fitted,
  panned,
  toPlan,
  toScreen,
  viewBox,
  zoomedAt,
  type Camera,
  type Margin,
  type Viewport,
} from './camera'
import { listen, type GestureHandlers } from './gestures'
import { isSameTarget, sectionsInView, targetAt, type Target } from './hit'
import { measured } from './measure'
import { Minimap } from './minimap'
import { fling, glide, type Motion } from './motion'
import { Overlay } from './overlay'
import { Painter, SEATS_PIXELS_MIN } from './painter'
import { readPalette, type Palette } from './palette'
import { Repaint } from './repaint'
import type { Scene } from './scene'

export interface MapHandlers {
  pickSeat(seat: number): void
  pickArea(area: number): void
  hover(target: Target | null, x: number, y: number): void
  /** The sections whose seats are large enough to see, nearest to the middle first. */
  sectionsInView(sections: Section[]): void
  zoomed(isZoomed: boolean): void
  wheelRefused(): void
}

/** Distance of seats, in pixels, at which a seat can be chosen by a tap; below it a tap zooms in. */
const PICK_PIXELS_MIN = 22
const WORKING_PIXELS_MOUSE = 32
const WORKING_PIXELS_TOUCH = 44
const ZOOM_PIXELS_MAX = 76
const FRAME_MILLISECONDS = 14
const SETTLE_MILLISECONDS = 120
/** Room around the whole venue; on a phone its invitation and its tools need a line above it. */
const MARGIN: Margin = { top: 24, right: 24, bottom: 24, left: 24 }
const MARGIN_NARROW: Margin = { top: 64, right: 16, bottom: 16, left: 16 }
const NARROW_PIXELS_MAX = 640

/** The seat map: a camera and hands above two canvases. Draws only when something changed. */
export class MapView {
  private readonly painter: Painter
  private readonly grid: SeatGrid
  private readonly repaint: Repaint
  private readonly overlay: Overlay
  private readonly minimap: Minimap
  private palette: Palette
  private viewport: Viewport = { width: 0, height: 0 }
  private density = 1
  private camera: Camera = { x: 0, y: 0, scale: 1 }
  private home: Camera = { x: 0, y: 0, scale: 1 }
  private motion: Motion | null = null
  private frame = 0
  private changedAt: number | null = null
  private arrived: { at: number; seats: number } | null = null
  /** When the last drawing was done. */
  private drawnAt = Number.NEGATIVE_INFINITY
  private isOverviewMeasured = false
  private isHidden = false
  private hovered: Target | null = null
  private wasZoomed = false
  private followTimer = 0
  private settleTimer = 0
  private readonly stops: (() => void)[] = []

  constructor(
    private readonly root: HTMLElement,
    private readonly canvas: HTMLCanvasElement,
    private readonly scene: Scene,
    private readonly handlers: MapHandlers,
    /** When the plan arrived, on `performance.now()`'s scale. */
    private readonly planAt: number,
  ) {
    this.palette = this.readPalette()
    this.grid = new SeatGrid(scene.venue)
    this.painter = new Painter(scene, this.grid, this.palette)
    this.repaint = new Repaint(canvas.getContext('2d', { alpha: false })!, this.painter, scene.venue)
    this.overlay = new Overlay(scene)
    this.minimap = new Minimap(this.painter, scene.venue.box, (x, y) => this.lookAt(x, y))
    root.append(this.overlay.canvas, this.minimap.canvas)
    this.watchSurroundings()
    this.stops.push(listen(canvas, this.gestures()))
    this.resize()
  }

  destroy(): void {
    cancelAnimationFrame(this.frame)
    clearTimeout(this.followTimer)
    clearTimeout(this.settleTimer)
    for (const stop of this.stops) stop()
    this.overlay.canvas.remove()
    this.minimap.canvas.remove()
  }

  get isZoomed(): boolean {
    return this.camera.scale > this.home.scale * 1.06
  }

  /** Distance of neighbouring seats on the screen, in pixels. */
  get seatPixels(): number {
    return this.scene.venue.pitch * this.camera.scale
  }

  /** Seats look different. `since` is when the news came, for the measurement; `pulse` are seats that others took. */
  seatsChanged(seats: Iterable<number>, since: number | null = null, pulse: number[] = []): void {
    this.repaint.addSeats(seats)
    if (since !== null) this.changedAt ??= since
    if (!this.isMotionReduced() && this.seatPixels >= SEATS_PIXELS_MIN) this.overlay.pulse(pulse)
    this.drawNowOrSoon()
  }

  /** A section's seats became known. */
  sectionArrived(section: Section, since: number): void {
    this.arrived = {
      at: Math.min(this.arrived?.at ?? since, since),
      seats: (this.arrived?.seats ?? 0) + section.seatEnd - section.seatStart,
    }
    this.repaint.addSections([section.index])
    this.drawNowOrSoon()
  }

  sectionsChanged(sections: Iterable<number>): void {
    this.repaint.addSections(sections)
    this.request()
  }

  allChanged(): void {
    this.repaint.addAll()
    this.minimap.forget()
    this.request()
  }

  zoomBy(factor: number): void {
    this.moveTo(
      zoomedAt(
        this.camera,
        this.viewport.width / 2,
        this.viewport.height / 2,
        this.allowed(this.camera.scale * factor),
      ),
    )
  }

  reset(): void {
    this.moveTo(this.home)
  }

  panBy(dx: number, dy: number): void {
    this.moveTo(panned(this.camera, dx, dy))
  }

  /** Zooms until a section's seats can be chosen. `at` is what the hand pointed to, in the plan. */
  showSection(section: Section, at: [number, number] = section.centre, isTouch = this.isCoarse()): void {
    const working = (isTouch ? WORKING_PIXELS_TOUCH : WORKING_PIXELS_MOUSE) / section.pitch
    const whole = fitted(section.box, this.viewport, { top: 56, right: 40, bottom: 40, left: 40 }, working * 1.25)
    if (whole.scale >= working) this.moveTo(whole)
    else this.moveTo(centred(at[0], at[1], working, this.viewport))
  }

  showSeat(seat: number): void {
    const { seatX, seatY } = this.scene.venue
    const scale = Math.max(this.camera.scale, this.workingScale())
    this.moveTo(centred(seatX[seat]!, seatY[seat]!, scale, this.viewport))
  }

  /** Where a seat is on the screen, for tests and for notes beside it. */
  placeOf(seat: number): { x: number; y: number } {
    const [x, y] = toScreen(this.camera, this.scene.venue.seatX[seat]!, this.scene.venue.seatY[seat]!)
    return { x, y }
  }

  /** Where the middle of a section is on the screen. */
  placeOfSection(section: Section): { x: number; y: number } {
    const [x, y] = toScreen(this.camera, section.centre[0], section.centre[1])
    return { x, y }
  }

  private workingScale(): number {
    return (this.isCoarse() ? WORKING_PIXELS_TOUCH : WORKING_PIXELS_MOUSE) / this.scene.venue.pitch
  }

  private gestures(): GestureHandlers {
    return {
      ownsOneFinger: () => this.isZoomed,
      grab: () => {
        this.motion = null
      },
      pan: (dx, dy) => {
        this.setHovered(null, 0, 0)
        this.set(panned(this.camera, dx, dy))
      },
      zoom: (x, y, factor) => {
        this.motion = null
        this.settleSoon()
        this.set(zoomedAt(this.camera, x, y, this.allowed(this.camera.scale * factor)))
      },
      fling: (vx, vy) => {
        if (!this.isMotionReduced()) this.start(fling(vx, vy, performance.now()))
      },
      tap: (x, y, isTouch) => this.tap(x, y, isTouch),
      doubleTap: (x, y) => this.doubleTap(x, y),
      hover: (x, y) => this.hover(x, y),
      leave: () => this.setHovered(null, 0, 0),
      wheelRefused: () => this.handlers.wheelRefused(),
    }
  }

  private tap(x: number, y: number, isTouch: boolean): void {
    const target = this.targetAt(x, y, isTouch)
    if (!target) return
    if (target.kind === 'area') this.handlers.pickArea(target.area)
    else if (target.kind === 'seat' && this.seatPixels >= PICK_PIXELS_MIN) this.handlers.pickSeat(target.seat)
    else {
      const { venue } = this.scene
      const section = target.kind === 'seat' ? venue.sectionOf(target.seat) : venue.sections[target.section]!
      if (this.seatPixels < PICK_PIXELS_MIN) this.showSection(section, toPlan(this.camera, x, y), isTouch)
    }
  }

  private doubleTap(x: number, y: number): void {
    const target = this.targetAt(x, y, true)
    // Two quick taps on a seat are two taps: the second takes back the first.
    if (target && (target.kind === 'area' || (target.kind === 'seat' && this.seatPixels >= PICK_PIXELS_MIN)))
      this.tap(x, y, true)
    else this.moveTo(zoomedAt(this.camera, x, y, this.allowed(this.camera.scale * 2)))
  }

  private hover(x: number, y: number): void {
    this.setHovered(this.targetAt(x, y, false), x, y)
  }

  private setHovered(target: Target | null, x: number, y: number): void {
    const isSame = isSameTarget(target, this.hovered)
    this.hovered = target
    if (isSame && target?.kind === 'seat') return
    if (target?.kind === 'seat') ({ x, y } = this.placeOf(target.seat))
    this.canvas.classList.toggle('is-pointing', target !== null)
    this.handlers.hover(target, x, y)
    if (!isSame) this.request()
  }

  private targetAt(x: number, y: number, isTouch: boolean): Target | null {
    return targetAt(this.scene.venue, this.grid, this.camera, x, y, isTouch)
  }

  private lookAt(x: number, y: number): void {
    this.motion = null
    this.set(centred(x, y, this.camera.scale, this.viewport))
  }

  private moveTo(goal: Camera): void {
    const to = this.bounded(goal)
    if (!this.isMotionReduced()) this.start(glide(this.camera, to, this.viewport, performance.now()))
    else {
      this.motion = null
      this.set(to)
    }
  }

  private start(motion: Motion): void {
    this.motion = motion
    this.request()
  }

  /** One step of what moves by itself. */
  private step(now: number): void {
    if (!this.motion) return
    const { camera, hasArrived } = this.motion(this.camera, now)
    this.set(camera)
    if (hasArrived) this.motion = null
  }

  private set(camera: Camera): void {
    this.camera = this.bounded(camera)
    this.repaint.addAll()
    if (this.isZoomed !== this.wasZoomed) {
      this.wasZoomed = this.isZoomed
      this.root.classList.toggle('is-zoomed', this.wasZoomed)
      this.minimap.canvas.hidden = !this.wasZoomed
      this.handlers.zoomed(this.wasZoomed)
    }
    this.followSoon()
    this.request()
  }

  private bounded(camera: Camera): Camera {
    const scale = this.allowed(camera.scale)
    return clamped(
      scale === camera.scale ? camera : { ...camera, scale },
      this.scene.venue.box,
      this.viewport,
      this.margin,
    )
  }

  private get margin(): Margin {
    return this.viewport.width < NARROW_PIXELS_MAX ? MARGIN_NARROW : MARGIN
  }

  private allowed(scale: number): number {
    return Math.max(
      this.home.scale,
      Math.min(Math.max(ZOOM_PIXELS_MAX / this.scene.venue.pitch, this.home.scale), scale),
    )
  }

  private get isMoving(): boolean {
    return this.motion !== null || this.settleTimer !== 0
  }

  /** While fingers zoom, seats are drawn from what there is; exactly a moment after they rest. */
  private settleSoon(): void {
    clearTimeout(this.settleTimer)
    this.settleTimer = window.setTimeout(() => {
      this.settleTimer = 0
      this.allChanged()
    }, SETTLE_MILLISECONDS)
  }

  private followSoon(): void {
    if (this.followTimer) return
    this.followTimer = window.setTimeout(() => {
      this.followTimer = 0
      this.handlers.sectionsInView(sectionsInView(this.scene.venue, this.camera, this.viewport))
    }, 90)
  }

  private watchSurroundings(): void {
    const observer = new ResizeObserver(() => this.resize())
    observer.observe(this.root)
    const scheme = matchMedia('(prefers-color-scheme: dark)')
    const recolour = () => {
      this.palette = this.readPalette()
      this.painter.use(this.palette)
      this.allChanged()
    }
    scheme.addEventListener('change', recolour)
    void document.fonts?.ready.then(() => this.allChanged())
    this.stops.push(
      () => observer.disconnect(),
      () => scheme.removeEventListener('change', recolour),
    )
  }

  private readPalette(): Palette {
    return readPalette(
      this.root,
      this.scene.venue.categories.map(({ color }) => color),
    )
  }

  private resize(): void {
    const { width, height } = this.root.getBoundingClientRect()
    // Hidden: nothing is drawn until it is shown again, at the same place.
    this.isHidden = width < 1 || height < 1
    if (this.isHidden || (width === this.viewport.width && height === this.viewport.height)) {
      if (!this.isHidden) this.allChanged()
      return
    }
    const wasHome = !this.isZoomed || this.viewport.width === 0
    const [x, y] = toPlan(this.camera, this.viewport.width / 2, this.viewport.height / 2)
    this.density = Math.min(2, window.devicePixelRatio || 1)
    this.viewport = { width, height }
    for (const canvas of [this.canvas, this.overlay.canvas]) {
      canvas.width = Math.round(width * this.density)
      canvas.height = Math.round(height * this.density)
    }
    this.home = fitted(this.scene.venue.box, this.viewport, this.margin, WORKING_PIXELS_TOUCH / this.scene.venue.pitch)
    this.set(wasHome ? this.home : centred(x, y, this.camera.scale, this.viewport))
    // A resized canvas is empty: paint before the browser shows it.
    this.drawFrame(performance.now())
  }

  /**
   * What is new and comes alone is drawn at once and is on the next picture; what comes soon after a drawing is drawn
   * together. A frame that something else has asked for is not waited for: on a busy machine it may be many frames late.
   */
  private drawNowOrSoon(): void {
    const isRested = performance.now() - this.drawnAt > FRAME_MILLISECONDS
    if (isRested && !this.isMoving && !document.hidden) this.drawFrame(performance.now())
    else this.request()
  }

  private request(): void {
    if (this.frame === 0) this.frame = requestAnimationFrame(this.drawFrame)
  }

  private drawFrame = (now: number): void => {
    cancelAnimationFrame(this.frame)
    this.frame = 0
    if (this.viewport.width === 0 || this.isHidden) return
    this.step(Math.max(now, performance.now()))
    const start = performance.now()
    this.repaint.paint(this.camera, this.viewport, this.density, this.isMoving)
    if (this.isZoomed) this.minimap.draw(viewBox(this.camera, this.viewport), this.palette)
    this.overlay.draw(this.camera, this.density, this.palette, this.hovered)
    this.drawnAt = performance.now()
    this.report(start)
    if (this.motion || this.overlay.isAlive) this.request()
  }

  private report(start: number): void {
    const drawing = performance.now() - start
    if (!this.isOverviewMeasured) {
      this.isOverviewMeasured = true
      measured('map:overview', this.planAt, drawing, this.scene.venue.seatCount)
    }
    if (this.arrived) measured('map:section', this.arrived.at, drawing, this.arrived.seats)
    if (this.changedAt !== null) measured('map:change', this.changedAt, drawing, 1)
    this.arrived = null
    this.changedAt = null
  }

  private isCoarse(): boolean {
    return matchMedia('(pointer: coarse)').matches
  }

  private isMotionReduced(): boolean {
    return matchMedia('(prefers-reduced-motion: reduce)').matches
  }
}
