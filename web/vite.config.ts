import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vitest/config'
import { budget } from './build/budget.ts'
import { precompress } from './build/precompress.ts'

export default defineConfig({
  plugins: [
    svelte(),
    budget({ entry: 'src/pages/event.ts', gzippedBytesMax: 90_000 }),
    precompress(['.js', '.css', '.svg', '.json', '.txt']),
  ],
  build: {
    target: 'es2022',
    manifest: 'manifest.json',
    // The pages are written by the site service; it finds these entries in the manifest.
    rollupOptions: {
      input: [
        'src/styles/site.css',
        'src/pages/events.ts',
        'src/pages/event.ts',
        'src/pages/orders.ts',
        'src/pages/order.ts',
      ],
    },
    // The site prints its own <link rel="modulepreload">; fonts stay files, the content policy allows no data: fonts.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    sourcemap: false,
  },
  test: { include: ['tests/**/*.test.ts'], environment: 'node' },
})
