/** The colours of the map in the present theme, as texts for the canvas. */
export interface Palette {
  floor: string
  section: string
  sectionLine: string
  stage: string
  stageInk: string
  ink: string
  inkSoft: string
  seatEdge: string
  seatGone: string
  mine: string
  mineInk: string
  focus: string
  /** Per category, in the order of the plan. */
  categories: string[]
  /** For signs on a seat in a category's colour. */
  categoryInk: string
  isDark: boolean
}

/** Hues nearer than this are told apart by lightness too. */
const HUE_DISTANCE_MIN = 24
const LIGHTNESS_STEP = 0.13

/** Reads the tokens of src/styles/tokens.css as they are now. */
export function readPalette(element: Element, colors: (string | undefined)[]): Palette {
  const style = getComputedStyle(element)
  const token = (name: string) => style.getPropertyValue(name).trim()
  const lightness = Number(token('--map-category-lightness'))
  const chroma = Number(token('--map-category-chroma'))
  const isDark = lightness > 0.63
  return {
    floor: token('--map-floor'),
    section: token('--map-section'),
    sectionLine: token('--map-section-line'),
    stage: token('--map-stage'),
    stageInk: token('--map-stage-ink'),
    ink: token('--map-ink'),
    inkSoft: token('--map-ink-soft'),
    seatEdge: token('--map-seat-edge'),
    seatGone: token('--map-seat-gone'),
    mine: token('--map-mine'),
    mineInk: token('--map-mine-ink'),
    focus: token('--ink'),
    categories: categoryColors(colors, lightness, chroma),
    categoryInk: isDark ? token('--map-mine-ink') : 'oklch(1 0 0)',
    isDark,
  }
}

/**
 * Colours for categories: the plan's hues, brought to the theme's lightness and strength, so that every plan looks
 * calm and every sign on a seat can be read in both themes.
 */
export function categoryColors(colors: (string | undefined)[], lightness: number, chroma: number): string[] {
  const used: { hue: number; lightness: number }[] = []
  return colors.map((color, index) => {
    const given = color ? hueOf(color) : null
    const hue = given?.hue ?? (255 + index * 67) % 360
    const strength = given && given.chroma < 0.03 ? given.chroma : chroma
    const near = used.filter((other) => hueDistance(other.hue, hue) < HUE_DISTANCE_MIN).length
    const own = lightness - near * LIGHTNESS_STEP
    used.push({ hue, lightness: own })
    return `oklch(${own.toFixed(3)} ${strength.toFixed(3)} ${hue.toFixed(1)})`
  })
}

function hueDistance(a: number, b: number): number {
  const distance = Math.abs(a - b) % 360
  return Math.min(distance, 360 - distance)
}

/** Hue and chroma of `#rrggbb` in OKLCH; null for anything else. */
export function hueOf(color: string): { hue: number; chroma: number } | null {
  const match = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(color)
  if (!match) return null
  const linear = (hex: string) => {
    const value = parseInt(hex, 16) / 255
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
  }
  const red = linear(match[1]!)
  const green = linear(match[2]!)
  const blue = linear(match[3]!)
  const long = Math.cbrt(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue)
  const medium = Math.cbrt(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue)
  const short = Math.cbrt(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue)
  const a = 1.9779984951 * long - 2.428592205 * medium + 0.4505937099 * short
  const b = 0.0259040371 * long + 0.7827717662 * medium - 0.808675766 * short
  const hue = (Math.atan2(b, a) * 180) / Math.PI
  return { hue: (hue + 360) % 360, chroma: Math.hypot(a, b) }
}
