import { gzipSync } from 'node:zlib'
import type { Plugin } from 'vite'

export interface Budget {
  /** The entry whose whole script is weighed: itself and everything it imports, at once or later. */
  entry: string
  gzippedBytesMax: number
}

/** Stops the build when the script of an entry grows over its budget, and says what weighs how much. */
export function budget({ entry, gzippedBytesMax }: Budget): Plugin {
  return {
    name: 'livehouse-budget',
    apply: 'build',
    generateBundle(_options, bundle) {
      const chunks = Object.values(bundle).filter((part) => part.type === 'chunk')
      const start = chunks.find((chunk) => chunk.facadeModuleId?.endsWith(entry))
      if (!start) this.error(`the entry ${entry} is not in the bundle; name an entry of build.rollupOptions.input`)
      const seen = new Map<string, number>()
      const weigh = (fileName: string): void => {
        const chunk = chunks.find((candidate) => candidate.fileName === fileName)
        if (!chunk || seen.has(fileName)) return
        seen.set(fileName, gzipSync(chunk.code).length)
        for (const imported of [...chunk.imports, ...chunk.dynamicImports]) weigh(imported)
      }
      weigh(start.fileName)
      const total = [...seen.values()].reduce((sum, bytes) => sum + bytes, 0)
      const parts = [...seen].map(([name, bytes]) => `${name} ${bytes}`).join(', ')
      const report = `${entry}: ${total} of ${gzippedBytesMax} bytes gzipped (${parts})`
      if (total > gzippedBytesMax) this.error(`over budget: ${report}`)
      this.info(report)
    },
  }
}
