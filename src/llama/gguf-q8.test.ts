/** A model of 4 bits is the same model with 8. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { readGgufFileInfo } from 'node-llama-cpp'
import { seededRandom } from '../base/index.ts'
import { writeGguf } from './gguf-writer.ts'
import { writeFromParts } from './model-from-parts.ts'

const folder = mkdtempSync(join(tmpdir(), 'gristmill-q8-'))
after(() => rmSync(folder, { recursive: true }))

const Q4_1 = 3
const Q8_0 = 8
const BLOCKS = 6

test('numbers of 4 bits are written with 8, and all else stays as it is', async () => {
  const random = seededRandom(4)
  const blocks = Array.from({ length: BLOCKS }, (_, block) => {
    const bytes = Buffer.from(Array.from({ length: 20 }, () => Math.floor(random.next() * 256)))
    const view = new DataView(bytes.buffer, bytes.byteOffset)
    view.setFloat16(0, random.next(), true)
    // One block of zeros: it has no largest number to divide by.
    view.setFloat16(2, -8 * random.next(), true)
    return block === 3 ? Buffer.alloc(20) : bytes
  })
  const floats = Float32Array.from({ length: 5 }, () => random.next())
  await writeGguf(
    join(folder, 'small.Q4_1.gguf'),
    {
      'general.architecture': { type: 'string', value: 'llama' },
      'general.file_type': { type: 'u32', value: 3 },
      'llama.block_count': { type: 'u32', value: 1 },
    },
    [
      { name: 'norm', shape: [5], data: floats },
      { name: 'matrix', shape: [64, 3], type: Q4_1, data: Buffer.concat(blocks) },
      { name: 'last', shape: [5], data: floats },
    ],
  )
  const path = join(folder, 'written')
  await writeFromParts(folder, 'small', path)
  const { metadata, fullTensorInfo: tensors = [] } = await readGgufFileInfo(path, {
    sourceType: 'filesystem',
  })
  assert.equal(metadata.general.file_type, 7)
  assert.equal(metadata.general.architecture, 'llama')
  const about = tensors.map(({ name, dimensions, ggmlType }) => [name, dimensions, ggmlType])
  assert.deepEqual(about, [
    ['norm', [5], 0],
    ['matrix', [64, 3], Q8_0],
    ['last', [5], 0],
  ])
  const file = readFileSync(path)
  const dataOf = (name: string) => {
    const at = Number(tensors.find((tensor) => tensor.name === name)?.fileOffset)
    return new DataView(file.buffer, file.byteOffset + at)
  }
  for (const name of ['norm', 'last']) {
    const kept = Array.from({ length: 5 }, (_, i) => dataOf(name).getFloat32(4 * i, true))
    assert.deepEqual(kept, [...floats])
  }
  const matrix = dataOf('matrix')
  for (const [block, bytes] of blocks.entries()) {
    const given = fourBits(bytes)
    const most = Math.max(...given.map(Math.abs))
    const scale = matrix.getFloat16(34 * block, true)
    for (const [i, value] of given.entries()) {
      const written = scale * matrix.getInt8(34 * block + 2 + i)
      // Half a step, and what 16 bits cannot say of the scale.
      const off = Math.abs(written - value)
      assert.ok(off <= most * (0.5 / 127 + 2 ** -11), `${written} for ${value}`)
    }
  }
})

/** The 32 numbers of a block: the low halves of its bytes, then the high ones. */
function fourBits(block: Buffer): number[] {
  const view = new DataView(block.buffer, block.byteOffset)
  const [step, least] = [view.getFloat16(0, true), view.getFloat16(2, true)]
  const halves = [...block.subarray(4)]
  return [...halves.map((byte) => byte % 16), ...halves.map((byte) => Math.floor(byte / 16))].map(
    (value) => step * value + least,
  )
}
