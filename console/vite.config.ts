/** How the console is built and served while it is being worked on. */
import tailwindcss from '@tailwindcss/vite'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'
import { plainFont } from './font.ts'

const gateway = 'http://127.0.0.1:4400'

/** What the home page and nearly all others load; of the icons only what makes them. */
const base = new RegExp(
  [
    'node_modules/(react|react-dom|scheduler|use-sync-external-store|wouter|regexparam|@tanstack)/',
    'lucide-react/dist/esm/(?!icons)',
    'console/src/(api|batches/(progress-bar|batch-words))',
  ].join('|'),
)

export default defineConfig(async () => ({
  plugins: [react(), tailwindcss()],
  resolve: { alias: { 'inter-plain.woff2': await plainFont() } },
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: 'es2022',
    // Everything is a file of its own: the content security policy allows nothing inline.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // What every page stands on is one file: many small ones compress less well.
    rolldownOptions: { output: { codeSplitting: { groups: [{ name: 'base', test: base }] } } },
  },
  server: { proxy: { '/api': gateway, '/v1': gateway } },
}))
