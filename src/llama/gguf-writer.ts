/** Writes GGUF version 3 files; knows nothing of models. */
import { writeFile } from 'node:fs/promises'

const ALIGNMENT = 32
const TYPE = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9 } as const

export type GgufValue =
  | { type: 'u32' | 'i32' | 'f32'; value: number }
  | { type: 'bool'; value: boolean }
  | { type: 'string'; value: string }
  | { type: 'strings'; value: string[] }
  | { type: 'i32s'; value: number[] }

export interface GgufTensor {
  name: string
  /** Length of each dimension, the fastest-varying one first. */
  shape: number[]
  /** ggml's number of the type; 32-bit floats where absent. */
  type?: number
  data: Float32Array | Uint8Array
}

/**
 * Writes a GGUF file (format: ggml `docs/gguf.md`, version 3).
 * @param path file to create or replace
 * @param metadata key-value pairs in the order in which they are written
 * @param tensors each with as many values as the product of its shape says
 */
export async function writeGguf(
  path: string,
  metadata: Record<string, GgufValue>,
  tensors: GgufTensor[],
): Promise<void> {
  const entries = Object.entries(metadata)
  const head = [Buffer.from('GGUF'), u32(3), u64(tensors.length), u64(entries.length)]
  for (const [key, value] of entries) head.push(text(key), ...encodeValue(value))
  head.push(tensorEntries(tensors.map((one) => ({ ...one, bytes: one.data.byteLength }))))
  const body = tensors.flatMap(({ data }) => [
    Buffer.from(data.buffer, data.byteOffset, data.byteLength),
    Buffer.alloc(padded(data.byteLength) - data.byteLength),
  ])
  const header = Buffer.concat(head)
  const gap = Buffer.alloc(padded(header.length) - header.length)
  await writeFile(path, Buffer.concat([header, gap, ...body]))
}

/** The part of a header that says what tensors there are, in the order of their data. */
export function tensorEntries(
  tensors: readonly (Pick<GgufTensor, 'name' | 'shape' | 'type'> & { bytes: number })[],
): Buffer {
  let offset = 0
  const entries = tensors.flatMap(({ name, shape, type = 0, bytes }) => {
    const entry = [text(name), u32(shape.length), ...shape.map(u64), u32(type), u64(offset)]
    offset += padded(bytes)
    return entry
  })
  return Buffer.concat(entries)
}

function encodeValue(entry: GgufValue): Buffer[] {
  switch (entry.type) {
    case 'u32':
      return [u32(TYPE.u32), u32(entry.value)]
    case 'i32':
      return [u32(TYPE.i32), i32(entry.value)]
    case 'f32':
      return [u32(TYPE.f32), f32(entry.value)]
    case 'bool':
      return [u32(TYPE.bool), Buffer.from([entry.value ? 1 : 0])]
    case 'string':
      return [u32(TYPE.string), text(entry.value)]
    case 'strings':
      return arrayOf(TYPE.string, entry.value.map(text))
    case 'i32s':
      return arrayOf(TYPE.i32, entry.value.map(i32))
  }
}

const arrayOf = (type: number, items: Buffer[]) => [
  u32(TYPE.array),
  u32(type),
  u64(items.length),
  ...items,
]

/** Data of so many bytes takes these. */
export const padded = (length: number) => Math.ceil(length / ALIGNMENT) * ALIGNMENT

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

function i32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32LE(value)
  return bytes
}

function f32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeFloatLE(value)
  return bytes
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value)
  return Buffer.concat([u64(bytes.length), bytes])
}
