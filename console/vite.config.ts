/** How the console is built and served while it is being worked on. */
import tailwindcss from '@tailwindcss/vite'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'
import { plainFont } from './font.ts'

const gateway = 'http://127.0.0.1:4400'

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
  },
  server: { proxy: { '/api': gateway, '/v1': gateway } },
}))
