import { grown, overlap, type Box } from '../venue/geometry'
import { toScreen, type Camera } from './camera'
import type { Section, Venue } from '../venue/venue'
import type { Palette } from './palette'
import { rowLabelSize, type RowLabels } from './row-labels'
import { freeOfSection, type Scene } from './scene'
import type { PlacedShape } from './shapes'

const FACE = 'Geist, system-ui, sans-serif'
const NAME_PIXELS_MAX = 13
const NAME_PIXELS_MIN = 9
/** When a name would be smaller than this, all are said short. */
const LONG_PIXELS_MIN = 11
const DETAIL_PIXELS = 11
/** Height of a line in sizes. */
const LINE = 1.2
/** Room a label leaves to the edge of what it names. */
const PADDING = 6
/** How much of the ground lies under a name, so that it can be read on any colour. */
const PLATE_ALPHA = 0.84
/** A plate hides at most this part of a place: how full it is must stay visible. */
const PLATE_PART_MAX = 0.5

const widths = new Map<string, number>()

/** Width of a text at 1 px; measuring is slow and the texts are few. */
function widthOf(context: CanvasRenderingContext2D, text: string): number {
  let width = widths.get(text)
  if (width === undefined) {
    if (widths.size > 4000) widths.clear()
    context.font = `600 20px ${FACE}`
    widths.set(text, (width = context.measureText(text).width / 20))
  }
  return width
}

/** Room for a label, in pixels. */
interface Room {
  width: number
  height: number
}

/** A name as it fits: in one line or in two. */
interface Fit {
  lines: string[]
  size: number
}

/** A name in one line, or in two when one would be too small to read; null when two are too. */
function fit(context: CanvasRenderingContext2D, name: string, { width, height }: Room): Fit | null {
  return fitLines(context, [name], width, height) ?? fitLines(context, halves(name), width, height)
}

function fitLines(context: CanvasRenderingContext2D, lines: string[], width: number, height: number): Fit | null {
  const widest = Math.max(...lines.map((line) => widthOf(context, line)))
  const room = width - (longest(lines) > 4 ? PADDING : 1)
  const size = Math.min(NAME_PIXELS_MAX, (height - 2) / (lines.length * LINE), room / widest)
  return size >= NAME_PIXELS_MIN ? { lines, size } : null
}

/** "Balcony 1 centre" -> "Balcony 1", "centre": broken at the space nearest to the middle. */
function halves(name: string): string[] {
  const words = name.split(' ')
  let best = [name]
  for (let at = 1; at < words.length; at++) {
    const lines = [words.slice(0, at).join(' '), words.slice(at).join(' ')]
    if (longest(lines) < longest(best)) best = lines
  }
  return best
}

const longest = (lines: string[]) => Math.max(...lines.map(({ length }) => length))

/** "Block 112" -> "112": how people call a block when they stand in front of it. "Stalls left" has no short name. */
function shortName(name: string): string {
  const last = name.split(/\s+/).pop() ?? name
  return /\d/.test(last) ? last : name
}

/** A name and what is said below it, on a plate of the ground. */
function paintPlate(
  context: CanvasRenderingContext2D,
  [x, y]: [number, number],
  { lines, size }: Fit,
  ink: string,
  detail: { text: string; ink: string } | null,
  palette: Palette,
): void {
  const widest = Math.max(...lines.map((line) => widthOf(context, line) * size))
  const width = Math.max(widest, detail ? widthOf(context, detail.text) * DETAIL_PIXELS : 0) + PADDING
  const height = lines.length * size * LINE + (detail ? DETAIL_PIXELS * LINE : 0)
  context.globalAlpha = PLATE_ALPHA
  context.fillStyle = palette.floor
  context.beginPath()
  context.roundRect(x - width / 2, y - height / 2 - 1, width, height + 2, 4)
  context.fill()
  context.globalAlpha = 1
  context.textAlign = 'center'
  context.textBaseline = 'middle'
  context.font = `600 ${size}px ${FACE}`
  context.fillStyle = ink
  let middle = y - height / 2 + (size * LINE) / 2
  for (const line of lines) {
    context.fillText(line, x, middle)
    middle += size * LINE
  }
  if (!detail) return
  context.font = `500 ${DETAIL_PIXELS}px ${FACE}`
  context.fillStyle = detail.ink
  context.fillText(detail.text, x, y + height / 2 - (DETAIL_PIXELS * LINE) / 2)
}

/** Whether there is room for a line about a place below its name, and enough of the place is left to see. */
function hasRoomFor(context: CanvasRenderingContext2D, detail: string, { lines, size }: Fit, room: Room): boolean {
  const height = lines.length * size * LINE + DETAIL_PIXELS * LINE + PADDING
  const width = widthOf(context, detail) * DETAIL_PIXELS + PADDING
  const isLow = width * height < room.width * room.height * PLATE_PART_MAX
  return detail !== '' && height < room.height && width < room.width && isLow
}

/** Names of sections and how much is free there. All are short when some would have to be. */
export function paintSectionLabels(
  context: CanvasRenderingContext2D,
  camera: Camera,
  box: Box,
  scene: Scene,
  palette: Palette,
  overSeats: boolean,
): void {
  const sections = scene.venue.sections.filter(({ seatStart, seatEnd }) => seatEnd > seatStart)
  const roomOf = ({ room }: Section): Room => ({ width: room.width * camera.scale, height: room.height * camera.scale })
  const isShort = sections.some((section) => {
    const { width, height } = roomOf(section)
    const sizeOf = (name: string) => fitLines(context, [name], width, height)?.size ?? 0
    return sizeOf(section.name) < LONG_PIXELS_MIN && sizeOf(shortName(section.name)) > sizeOf(section.name)
  })
  for (const section of sections) {
    if (!overlap(section.box, box)) continue
    const name = fit(context, isShort ? shortName(section.name) : section.name, roomOf(section))
    if (name === null) continue
    const free = freeOfSection(scene, section.index)
    const text = free === null || overSeats ? '' : free === 0 ? scene.words.soldOut : scene.words.free(free)
    const detail = hasRoomFor(context, text, name, roomOf(section)) ? { text, ink: palette.inkSoft } : null
    const ink = free === 0 ? palette.inkSoft : palette.ink
    paintPlate(context, toScreen(camera, section.centre[0], section.centre[1]), name, ink, detail, palette)
  }
}

export function paintAreaLabels(
  context: CanvasRenderingContext2D,
  camera: Camera,
  box: Box,
  scene: Scene,
  palette: Palette,
): void {
  scene.venue.areas.forEach((area, index) => {
    if (!overlap(area.box, box)) return
    const room: Room = {
      width: (area.box.right - area.box.left) * camera.scale,
      height: (area.box.bottom - area.box.top) * camera.scale,
    }
    const name = [area.name, shortName(area.name)]
      .map((text) => fit(context, text, room))
      .find((found) => found !== null)
    if (!name) return
    const free = scene.freeOf(area.id)
    const mine = scene.claimedIn(index)
    const text = mine > 0 ? `✓ ${mine}` : free === null ? '' : free === 0 ? scene.words.soldOut : scene.words.free(free)
    const ink = mine > 0 ? palette.mine : palette.inkSoft
    const detail = hasRoomFor(context, text, name, room) ? { text, ink } : null
    paintPlate(context, toScreen(camera, area.centre[0], area.centre[1]), name, palette.ink, detail, palette)
  })
}

export function paintRowLabels(
  context: CanvasRenderingContext2D,
  camera: Camera,
  box: Box,
  venue: Venue,
  labels: RowLabels,
  palette: Palette,
): void {
  const near = grown(box, venue.pitch * 3)
  const chosen = labels.at(camera.scale, (text) => widthOf(context, text))
  context.textAlign = 'center'
  context.textBaseline = 'middle'
  context.fillStyle = palette.inkSoft
  context.font = `600 ${rowLabelSize(venue.pitch * camera.scale)}px ${FACE}`
  for (const section of venue.sections) {
    if (!overlap(section.box, near)) continue
    for (const { text, x, y } of chosen[section.index]!) {
      if (x < near.left || x > near.right || y < near.top || y > near.bottom) continue
      const [screenX, screenY] = toScreen(camera, x, y)
      context.fillText(text, screenX, screenY)
    }
  }
}

export function paintShapeLabels(
  context: CanvasRenderingContext2D,
  camera: Camera,
  view: Box,
  shapes: PlacedShape[],
  palette: Palette,
): void {
  context.textAlign = 'center'
  context.textBaseline = 'middle'
  for (const { kind, label, centre, box } of shapes) {
    if (!label || !overlap(box, view)) continue
    const width = box.right - box.left
    const height = box.bottom - box.top
    const [x, y] = toScreen(camera, centre[0], centre[1])
    const isUpright = height > width * 1.6 && kind !== 'text'
    const along = (isUpright ? height : width) * camera.scale
    const across = (isUpright ? width : height) * camera.scale
    const size = Math.min(kind === 'stage' ? 22 : 14, across * 0.5, (along - PADDING) / widthOf(context, label))
    if (size < 7) continue
    context.save()
    context.translate(x, y)
    if (isUpright) context.rotate(-Math.PI / 2)
    context.font = `600 ${size}px ${FACE}`
    context.fillStyle = kind === 'stage' ? palette.stageInk : palette.inkSoft
    context.fillText(label, 0, 0)
    context.restore()
  }
}
