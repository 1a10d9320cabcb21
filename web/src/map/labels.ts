import { grown, overlap, type Box } from '../venue/geometry'
import { toScreen, type Camera } from './camera'
import type { Section, Venue } from '../venue/venue'
import type { Palette } from './palette'
import { freeOfSection, type Scene } from './scene'
import type { PlacedShape, RowLabel } from './shapes'

const FACE = 'Geist, system-ui, sans-serif'
const NAME_PIXELS_MAX = 15
const NAME_PIXELS_MIN = 9
const SHORT_PIXELS_MAX = 12.5
/** Room a label leaves to the edge of what it names. */
const PADDING = 6

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

/** The size at which a text fits, or null when that is too small to read. */
function fittingSize(
  context: CanvasRenderingContext2D,
  text: string,
  width: number,
  height: number,
  most = NAME_PIXELS_MAX,
): number | null {
  const size = Math.min(most, height - 2, (width - (text.length > 4 ? PADDING : 1)) / widthOf(context, text))
  return size >= NAME_PIXELS_MIN ? size : null
}

/** "Block 112" -> "112": how people call a block when they stand in front of it. "Stalls left" has no short name. */
function shortName(name: string): string {
  const last = name.split(/\s+/).pop() ?? name
  return /\d/.test(last) ? last : name
}

/** A text with a halo of the ground, so that it can be read on any colour. */
function haloed(
  context: CanvasRenderingContext2D,
  text: string,
  x: number,
  y: number,
  size: number,
  weight: number,
  ink: string,
  halo: string,
): void {
  context.font = `${weight} ${size}px ${FACE}`
  context.lineWidth = Math.max(3, size * 0.3)
  context.strokeStyle = halo
  context.strokeText(text, x, y)
  context.fillStyle = ink
  context.fillText(text, x, y)
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
  context.textAlign = 'center'
  context.textBaseline = 'middle'
  context.lineJoin = 'round'
  const sections = scene.venue.sections.filter(({ seatStart, seatEnd }) => seatEnd > seatStart)
  const sizeOf = ({ room }: Section, name: string, most?: number) =>
    fittingSize(context, name, room.width * camera.scale, room.height * camera.scale * 0.8, most)
  const isShort = sections.some(
    (section) => sizeOf(section, section.name) === null && sizeOf(section, shortName(section.name)) !== null,
  )
  for (const section of sections) {
    if (!overlap(section.box, box)) continue
    const name = isShort ? shortName(section.name) : section.name
    const size = sizeOf(section, name, isShort ? SHORT_PIXELS_MAX : NAME_PIXELS_MAX)
    if (size === null) continue
    const [x, y] = toScreen(camera, section.centre[0], section.centre[1])
    const free = freeOfSection(scene, section.index)
    const detail = free === null ? '' : free === 0 ? scene.words.soldOut : scene.words.free(free)
    const width = section.room.width * camera.scale
    const hasRoom =
      !overSeats &&
      detail !== '' &&
      section.room.height * camera.scale > 40 &&
      widthOf(context, detail) * 11 + PADDING < width
    const shift = hasRoom ? size * 0.55 : 0
    haloed(context, name, x, y - shift, size, 600, free === 0 ? palette.inkSoft : palette.ink, palette.floor)
    if (hasRoom) haloed(context, detail, x, y + shift + 2, 11, 500, palette.inkSoft, palette.floor)
  }
}

export function paintAreaLabels(
  context: CanvasRenderingContext2D,
  camera: Camera,
  box: Box,
  scene: Scene,
  palette: Palette,
): void {
  context.textAlign = 'center'
  context.textBaseline = 'middle'
  context.lineJoin = 'round'
  scene.venue.areas.forEach((area, index) => {
    if (!overlap(area.box, box)) return
    const width = (area.box.right - area.box.left) * camera.scale
    const height = (area.box.bottom - area.box.top) * camera.scale
    const name = [area.name, shortName(area.name)].find(
      (text) => fittingSize(context, text, width, height * 0.6) !== null,
    )
    if (!name) return
    const size = fittingSize(context, name, width, height * 0.6)!
    const [x, y] = toScreen(camera, area.centre[0], area.centre[1])
    const free = scene.freeOf(area.id)
    const mine = scene.claimedIn(index)
    const detail =
      mine > 0 ? `✓ ${mine}` : free === null ? '' : free === 0 ? scene.words.soldOut : scene.words.free(free)
    const hasRoom = detail !== '' && height > 40 && widthOf(context, detail) * 12 + PADDING < width
    const shift = hasRoom ? size * 0.6 : 0
    haloed(context, name, x, y - shift, size, 600, palette.ink, palette.floor)
    if (hasRoom)
      haloed(
        context,
        detail,
        x,
        y + shift + 3,
        12,
        mine > 0 ? 700 : 500,
        mine > 0 ? palette.mine : palette.inkSoft,
        palette.floor,
      )
  })
}

export function paintRowLabels(
  context: CanvasRenderingContext2D,
  camera: Camera,
  box: Box,
  venue: Venue,
  labels: RowLabel[][],
  palette: Palette,
): void {
  context.textAlign = 'center'
  context.textBaseline = 'middle'
  context.fillStyle = palette.inkSoft
  context.font = `600 ${Math.min(13, Math.max(9, venue.pitch * camera.scale * 0.42))}px ${FACE}`
  const near = grown(box, venue.pitch * 1.5)
  for (const section of venue.sections) {
    if (!overlap(section.box, near)) continue
    for (const { text, x, y } of labels[section.index]!) {
      if (x < near.left || x > near.right || y < near.top || y > near.bottom) continue
      context.fillText(text, (x - camera.x) * camera.scale, (y - camera.y) * camera.scale)
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
