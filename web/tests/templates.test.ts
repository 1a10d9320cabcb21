import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { describe, expect, it } from 'vitest'
import { texts } from '../src/texts/en'

interface Environment {
  addTemplate(name: string, source: string): void
  addFilter(name: string, filter: (value: string) => unknown): void
  renderTemplate(name: string, context: object): string
}

const { Environment } = createRequire(import.meta.url)('minijinja-js') as { Environment: new () => Environment }
const folder = new URL('../../services/site/templates/', import.meta.url)

/** The JavaScript binding knows no functions, so `assets(entry)` is written as a filter here. */
const environment = new Environment()
for (const name of readdirSync(folder).filter((file) => file.endsWith('.html'))) {
  environment.addTemplate(
    name,
    readFileSync(new URL(name, folder), 'utf8').replace(/assets\(([^)]*)\)/g, '($1|assets)'),
  )
}
environment.addFilter('assets', (entry) => ({
  script: `/assets/${entry}`,
  styles: [],
  preloads: ['/assets/shared.js'],
  fonts: ['/assets/face.woff2'],
}))

const card = {
  id: 'evt_1',
  url: '/events/night-trains',
  name: 'Night <Trains> & "more"',
  venue: 'Grand Hall, Berlin',
  art: Array.from({ length: 16 }, (_value, index) => (index * 37) % 256),
  starts_at: '2026-03-14T19:00:00Z',
  starts_text: 'Saturday, 14 March 2026, 20:00',
  zone_text: 'Berlin time',
  weekday: 'Sat',
  day: '14',
  month: 'Mar',
  year: '2026',
  time: '20:00',
  status: 'on_sale',
  on_sale_at: null,
  on_sale_text: null,
  from_price_text: '€29',
  price_count: 4,
  free: 12_034,
  total: 39_417,
}
const event = {
  ...card,
  time_zone: 'Europe/Berlin',
  currency: 'EUR',
  layout: 'abc',
  layout_url: '/layouts/abc.json',
  description: '</script><script>alert(1)</script>',
  prices: [
    { category: 'a', name: 'Premium', color: null, price_text: '€89', amount: 8900, currency: 'EUR', decimal: '89.00' },
  ],
  price_low: '29.00',
  price_high: '89.00',
  seats_per_hold_max: 8,
  hold_minutes: 10,
}
const common = {
  site: { name: 'Livehouse', url: 'https://tickets.example.org' },
  path: '/',
  page_data: {
    page: 'events',
    liveUrl: 'ws://x/',
    serverTime: '2026-03-01T00:00:00.000Z',
    locale: 'en',
    evil: '</script>',
  },
}
const render = (name: string, context: object = {}) => environment.renderTemplate(name, { ...common, ...context })

const pages: [string, string][] = [
  ['events', render('events.html', { events: [card] })],
  ['no events', render('events.html', { events: [] })],
  ['event', render('event.html', { event })],
  ['orders', render('orders.html', { orders: null })],
  [
    'orders, printed',
    render('orders.html', {
      orders: [
        {
          id: 'o',
          url: '/orders/o',
          number: 'LH-1',
          state: 'paid',
          event_name: 'X',
          created_text: 'now',
          total_text: '€5',
          lines: [],
        },
      ],
    }),
  ],
  ['order', render('order.html', { order_id: 'ord_1', order: null })],
  ['not found', render('error.html', { status: 404, message: null, request: null })],
  ['not ready', render('error.html', { status: 503, message: 'Resgate is away.', request: 'abc' })],
]

describe.each(pages)('the page: %s', (_name, html) => {
  it('obeys the content policy: no inline style, no inline script, no handler', () => {
    expect(html).not.toMatch(/\sstyle=/)
    expect(html).not.toMatch(/<style/)
    expect(html).not.toMatch(/\son[a-z]+=/)
    for (const [tag] of html.matchAll(/<script[^>]*>/g)) expect(tag).toMatch(/type="application\/(ld\+)?json"|src=/)
  })

  it('has a title, a description, a language and one main heading', () => {
    expect(html).toMatch(/<title>.+<\/title>/s)
    expect(html).toMatch(/<meta name="description" content=".+">/)
    expect(html).toMatch(/<html lang="en">/)
    expect(html.match(/<h1[\s>]/g)).toHaveLength(1)
  })

  it('prints its data so that it cannot break out', () => {
    const data = /<script type="application\/json" id="page-data">(.*?)<\/script>/s.exec(html)![1]!
    expect((JSON.parse(data) as { evil: string }).evil).toBe('</script>')
  })
})

describe('the list of events', () => {
  const html = render('events.html', {
    events: [card, { ...card, id: 'evt_2', status: 'sold_out', price_count: 1, from_price_text: 'Free' }],
  })

  it('says when, where, how much and how much is left', () => {
    for (const text of [
      'Sat, 14 Mar 2026, 20:00',
      'Grand Hall, Berlin',
      'from €29',
      '12,034 of 39,417 free',
      texts.status.soldOut,
    ])
      expect(html).toContain(text)
    expect(html).not.toContain('from Free')
  })

  it('draws the same picture for the same event, and another for another', () => {
    const picture = (id: string, art: number[]) =>
      /<svg class="artwork".*?<\/svg>/s.exec(render('events.html', { events: [{ ...card, id, art }] }))![0]
    const other = card.art.map((byte) => 255 - byte)
    expect(picture('a', card.art)).toBe(picture('a', card.art))
    expect(picture('a', other)).not.toBe(picture('a', card.art))
    for (let motif = 0; motif < 5; motif++) expect(picture('a', [motif, ...card.art.slice(1)])).toContain('</svg>')
  })

  it('escapes what people wrote', () => {
    expect(html).not.toContain('<Trains>')
  })
})

describe('the page of an event', () => {
  const html = render('event.html', { event })

  it('describes itself to machines', () => {
    const data = JSON.parse(/<script type="application\/ld\+json">(.*?)<\/script>/s.exec(html)![1]!) as Record<
      string,
      unknown
    >
    expect(data).toMatchObject({
      '@type': 'Event',
      name: card.name,
      startDate: card.starts_at,
      offers: {
        lowPrice: '29.00',
        highPrice: '89.00',
        priceCurrency: 'EUR',
        availability: 'https://schema.org/InStock',
      },
    })
  })

  it('shows the prices before any script runs', () => {
    expect(html).toContain('Premium')
    expect(html).toContain('€89')
  })
})

describe('the words of the templates', () => {
  it('are those of the scripts', () => {
    const parts = readFileSync(new URL('parts.html', folder), 'utf8')
    const { status, order } = texts
    const words = [
      status.announced,
      status.onSale,
      status.noneFree,
      status.paused,
      status.soldOut,
      status.cancelled,
      status.past,
      ...Object.values(order.state),
    ]
    for (const word of words) expect(parts).toContain(word)
  })
})
