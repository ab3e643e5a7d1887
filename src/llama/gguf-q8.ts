/**
 * Writes a model of 4-bit matrices anew with 8 bits: the same file again, but for the types, sizes
 * and places of its tensors. On a processor without matrix instructions llama.cpp multiplies 8-bit
 * matrices by several tokens at once, and those of type Q4_1 by one after another, so that prompts
 * are read half as fast again or more. Each number stays within a 225th of its block's largest.
 * Formats: ggml `docs/gguf.md`, versions 2 and 3, and `block_q4_1` and `block_q8_0` of
 * `ggml-common.h`.
 */
import { open, readFile } from 'node:fs/promises'
import { inspectGguf } from './gguf.ts'
import { padded, tensorEntries } from './gguf-writer.ts'

const Q4_1 = 3
const Q8_0 = 8
/** What `general.file_type` says of files that are mostly of this type. */
const MOSTLY_Q8_0 = 7
const FILE_TYPE = 'general.file_type'
const BLOCK = 32
const Q4_1_BYTES = 20
const Q8_0_BYTES = 34
const LARGEST = 127

interface Tensor {
  name: string
  shape: number[]
  type: number
  data: Buffer
}

/**
 * @param source a GGUF file
 * @param path the file to create or replace; the same bytes for the same model
 * @throws GristmillError `model_file_invalid` where the source is no whole model
 */
export async function writeWithEightBits(source: string, path: string): Promise<void> {
  // Before anybody believes the lengths in it.
  await inspectGguf(source)
  // Loaded late, as in `inspectGguf`.
  const { readGgufFileInfo } = await import('node-llama-cpp')
  const info = await readGgufFileInfo(source, { sourceType: 'filesystem', logWarnings: false })
  const file = await readFile(source)
  const given = (info.fullTensorInfo ?? []).toSorted((a, b) => Number(a.offset) - Number(b.offset))
  const tensors = given.map(({ name, dimensions, ggmlType: type, fileOffset }, at): Tensor => {
    const shape = dimensions.map(Number)
    const from = Number(fileOffset)
    const blocks = shape.reduce((product, length) => product * length, 1) / BLOCK
    const end = type === Q4_1 ? from + blocks * Q4_1_BYTES : Number(given[at + 1]?.fileOffset)
    return { name, shape, type, data: file.subarray(from, end || file.length) }
  })
  const target = await open(path, 'w')
  try {
    await target.write(headOf(file.subarray(0, info.metadataSize), tensors))
    for (const { type, data } of tensors) {
      const written = type === Q4_1 ? withEightBits(data) : data
      await target.write(written)
      await target.write(Buffer.alloc(padded(written.length) - written.length))
    }
  } finally {
    await target.close()
  }
}

/** All before the data of tensors. @param metadata as it is in the given file */
function headOf(metadata: Buffer, tensors: readonly Tensor[]): Buffer {
  const about = Buffer.from(metadata)
  const fileTypeAt = about.indexOf(FILE_TYPE)
  // Behind its name and the number of its type.
  if (fileTypeAt >= 0) about.writeUInt32LE(MOSTLY_Q8_0, fileTypeAt + FILE_TYPE.length + 4)
  const entries = tensors.map(({ type, data: { length }, ...rest }) =>
    type === Q4_1
      ? { ...rest, type: Q8_0, bytes: (length / Q4_1_BYTES) * Q8_0_BYTES }
      : { ...rest, type, bytes: length },
  )
  const head = Buffer.concat([about, tensorEntries(entries)])
  return Buffer.concat([head, Buffer.alloc(padded(head.length) - head.length)])
}

/** Blocks of a scale, the least number and 16 bytes of two each; written, a scale and 32 bytes. */
function withEightBits(given: Buffer): Buffer {
  const blocks = given.length / Q4_1_BYTES
  const written = Buffer.alloc(blocks * Q8_0_BYTES)
  const from = new DataView(given.buffer, given.byteOffset, given.length)
  const to = new DataView(written.buffer, written.byteOffset, written.length)
  const values = new Float64Array(BLOCK)
  for (let block = 0; block < blocks; block++) {
    const at = block * Q4_1_BYTES
    const [step, least] = [from.getFloat16(at, true), from.getFloat16(at + 2, true)]
    let most = 0
    for (let i = 0; i < BLOCK; i++) {
      const pair = from.getUint8(at + 4 + (i % 16))
      const value = step * (i < 16 ? pair & 15 : pair >> 4) + least
      values[i] = value
      most = Math.max(most, Math.abs(value))
    }
    const out = block * Q8_0_BYTES
    to.setFloat16(out, most / LARGEST, true)
    const perStep = most === 0 ? 0 : LARGEST / most
    for (let i = 0; i < BLOCK; i++) {
      to.setInt8(out + 2 + i, Math.round((values[i] as number) * perStep))
    }
  }
  return written
}
