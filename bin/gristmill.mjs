#!/usr/bin/env node
// The `gristmill` command: finds a suitable Node.js and goes on under it.
import { existsSync } from 'node:fs'
import * as nodeModule from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { findNode, NODE_MISSING, parents, runUnder } from './runtime.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
// A checkout has the sources, a package what was built from them.
const source = join(root, 'src', 'cli', 'program.ts')
const program = existsSync(source) ? source : join(root, 'dist', 'cli', 'program.js')

const node = findNode(root)
if (node === undefined) {
  console.error(`gristmill: ${NODE_MISSING}`)
  process.exit(1)
}
if (node === process.execPath) {
  process.argv[1] = program
  process.env.GRISTMILL_PARENTS = parents()
  // Left out without a word where the folder is not ours to write.
  nodeModule.enableCompileCache(join(root, '.cache'))
  await import(pathToFileURL(program).href)
} else {
  runUnder(node, [program, ...process.argv.slice(2)])
}
