/** Looks into a GGUF file without loading it: what model it holds and whether it is whole. */
import { open, stat } from 'node:fs/promises'
import { GristmillError } from '../base/index.ts'
import { isWholeHeader } from './gguf-header.ts'

export interface GgufSummary {
  /** The name that the file gives itself, if any. */
  name: string | undefined
  architecture: string
  /** Context length that the model was trained with, tokens. */
  contextTokens: number
  parameters: number
  /** Such as `Q4_1`; `unknown` where the file does not say. */
  quantisation: string
  hasChatTemplate: boolean
  /** True where every token sees all others, so that no next one can be said. */
  embedsOnly: boolean
  vocabularySize: number
  fileBytes: number
}

const DAMAGED = 'its header is damaged or cut off'

/**
 * Reads the header of a GGUF file and checks that every tensor lies inside the file.
 * @throws GristmillError `model_file_invalid` with the reason
 */
export async function inspectGguf(path: string): Promise<GgufSummary> {
  const invalid = (reason: string, cause?: unknown) =>
    new GristmillError('model_file_invalid', { path, reason }, { cause })
  const fileBytes = await sizeOf(path, invalid)
  await checkHeader(path, fileBytes, invalid)
  // Loaded late: the library takes half a second, and commands that need no model import this room.
  const { GgufFileType, readGgufFileInfo } = await import('node-llama-cpp')
  const info = await readGgufFileInfo(path, {
    sourceType: 'filesystem',
    logWarnings: false,
    ignoreKeys: ['tokenizer.ggml.merges', 'tokenizer.ggml.scores'],
  }).catch((error: unknown) => {
    throw invalid(DAMAGED, error)
  })
  const architecture = info.metadata.general?.architecture
  if (!architecture) throw invalid('it names no architecture')
  const tensors = info.fullTensorInfo ?? info.tensorInfo ?? []
  if (tensors.length === 0) throw invalid('it holds no tensors')
  let parameters = 0
  for (const tensor of tensors) {
    const elements = tensor.dimensions.reduce<number>((n, d) => n * Number(d), 1)
    parameters += elements
    const end = Number(tensor.fileOffset) + leastBytes(tensor.ggmlType, elements)
    if (tensor.filePart === 1 && end > fileBytes)
      throw invalid(`it is cut off: ${fileBytes} bytes of at least ${end}`)
  }
  const { general, tokenizer } = info.metadata
  return {
    name: general.name,
    architecture,
    contextTokens: Number(info.architectureMetadata.context_length ?? 0),
    parameters,
    quantisation:
      GgufFileType[Number(general.file_type)]?.replace(/^(MOSTLY|ALL)_/, '') ?? 'unknown',
    embedsOnly: info.architectureMetadata.attention?.causal === false,
    hasChatTemplate: typeof tokenizer?.chat_template === 'string',
    vocabularySize: tokenizer?.ggml?.tokens?.length ?? 0,
    fileBytes,
  }
}

type Invalid = (reason: string, cause?: unknown) => GristmillError

async function sizeOf(path: string, invalid: Invalid): Promise<number> {
  const info = await stat(path).catch((error: NodeJS.ErrnoException) => {
    const reason = error.code === 'ENOENT' ? 'there is no such file' : error.message
    throw invalid(reason, error)
  })
  if (!info.isFile()) throw invalid('it is not a file')
  return info.size
}

async function checkHeader(path: string, fileBytes: number, invalid: Invalid): Promise<void> {
  const file = await open(path).catch((error: Error) => {
    throw invalid(error.message, error)
  })
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(8), 0, 8, 0)
    if (bytesRead < 8 || buffer.toString('latin1', 0, 4) !== 'GGUF')
      throw invalid('it is not a GGUF file')
    if (!(await isWholeHeader(file, fileBytes))) throw invalid(DAMAGED)
  } finally {
    await file.close()
  }
}

/** Bytes per block of 32 elements, by the format's type number; plain floats and common quants. */
const BLOCK_BYTES: Readonly<Record<number, number>> = { 0: 128, 1: 64, 2: 18, 3: 20, 8: 34, 30: 64 }

/**
 * A lower bound of a tensor's size: exact for the types above, one bit per element for the rest.
 */
const leastBytes = (type: number, elements: number) => (elements / 32) * (BLOCK_BYTES[type] ?? 4)
