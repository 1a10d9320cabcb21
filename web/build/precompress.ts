import { readdir, readFile, writeFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import type { Plugin, ResolvedConfig } from 'vite'

/** Below this a compressed copy saves less than its own headers cost. */
const BYTES_MIN = 512

/** Writes `.br` and `.gz` beside every text file of the build, so that no server compresses the same file twice. */
export function precompress(extensions: string[]): Plugin {
  let resolved: ResolvedConfig
  return {
    name: 'livehouse-precompress',
    apply: 'build',
    configResolved(config) {
      resolved = config
    },
    async closeBundle() {
      const root = resolved.build.outDir
      for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile() || !extensions.includes(extname(entry.name))) continue
        const path = join(entry.parentPath, entry.name)
        const content = await readFile(path)
        if (content.length < BYTES_MIN) continue
        const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY } }
        await writeFile(`${path}.br`, brotliCompressSync(content, quality))
        await writeFile(`${path}.gz`, gzipSync(content, { level: 9 }))
      }
    },
  }
}
