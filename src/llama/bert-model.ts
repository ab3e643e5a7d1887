/**
 * Writes an embedding model of the BERT family, as sentence-transformers publishes it, as a GGUF
 * file that llama.cpp reads. Every number stays what it is.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { GristmillError } from '../base/index.ts'
import { type GgufTensor, type GgufValue, writeGguf } from './gguf-writer.ts'

/** What of a published model is read; all of it lies in one folder. */
export const bertFiles = ['config.json', 'tokenizer.json', 'model.safetensors'] as const

const configSchema = z.object({
  model_type: z.literal('bert'),
  hidden_act: z.literal('gelu'),
  hidden_size: z.number().int(),
  intermediate_size: z.number().int(),
  layer_norm_eps: z.number(),
  max_position_embeddings: z.number().int(),
  num_attention_heads: z.number().int(),
  num_hidden_layers: z.number().int(),
  type_vocab_size: z.number().int(),
})

const tokenizerSchema = z.object({
  normalizer: z.object({ type: z.literal('BertNormalizer'), lowercase: z.literal(true) }),
  model: z.object({ type: z.literal('WordPiece'), vocab: z.record(z.string(), z.number().int()) }),
})

const safetensorsSchema = z.record(
  z.string(),
  z.object({
    dtype: z.string(),
    shape: z.array(z.number().int()),
    data_offsets: z.tuple([z.number().int(), z.number().int()]),
  }),
)

type Config = z.infer<typeof configSchema>

/** Where a vector of tokens is their mean, as llama.cpp numbers it. */
const POOLING_MEAN = 1
const TOKEN_NORMAL = 1
const TOKEN_CONTROL = 3
/** Stands before what begins a word, where WordPiece marks what goes on with `##` instead. */
const WORD_START = '\u2581'

/**
 * @param folder holds `bertFiles`
 * @param path the GGUF file to create or replace; the same bytes for the same model
 * @throws GristmillError `model_file_invalid` where the files are no such model
 */
export async function writeBertModel(folder: string, name: string, path: string): Promise<void> {
  try {
    const json = async (file: string): Promise<unknown> =>
      JSON.parse(await readFile(join(folder, file), 'utf8'))
    const config = configSchema.parse(await json(bertFiles[0]))
    const { vocab } = tokenizerSchema.parse(await json(bertFiles[1])).model
    const weights = readSafetensors(await readFile(join(folder, bertFiles[2])))
    await writeGguf(path, metadataOf(config, vocab, name), tensorsOf(config, weights))
  } catch (error) {
    const reason = error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message
    throw new GristmillError('model_file_invalid', { path: folder, reason }, { cause: error })
  }
}

function metadataOf(
  config: Config,
  vocab: Record<string, number>,
  name: string,
): Record<string, GgufValue> {
  const u32 = (value: number): GgufValue => ({ type: 'u32', value })
  const text = (value: string): GgufValue => ({ type: 'string', value })
  const idOf = (token: string) => {
    const id = vocab[token]
    if (id === undefined) throw new Error(`the vocabulary lacks ${token}`)
    return u32(id)
  }
  const words = Object.entries(vocab).sort(([, a], [, b]) => a - b)
  const isControl = (word: string) => /^\[(PAD|UNK|CLS|SEP|MASK)\]$/.test(word)
  return {
    'general.architecture': text('bert'),
    'general.name': text(name),
    'general.file_type': u32(0),
    'bert.context_length': u32(config.max_position_embeddings),
    'bert.embedding_length': u32(config.hidden_size),
    'bert.block_count': u32(config.num_hidden_layers),
    'bert.feed_forward_length': u32(config.intermediate_size),
    'bert.attention.head_count': u32(config.num_attention_heads),
    'bert.attention.layer_norm_epsilon': { type: 'f32', value: config.layer_norm_eps },
    'bert.attention.causal': { type: 'bool', value: false },
    'bert.pooling_type': u32(POOLING_MEAN),
    'tokenizer.ggml.model': text('bert'),
    'tokenizer.ggml.token_type_count': u32(config.type_vocab_size),
    'tokenizer.ggml.tokens': {
      type: 'strings',
      value: words.map(([word]) => (isControl(word) ? word : pieceOf(word))),
    },
    'tokenizer.ggml.token_type': {
      type: 'i32s',
      value: words.map(([word]) => (isControl(word) ? TOKEN_CONTROL : TOKEN_NORMAL)),
    },
    'tokenizer.ggml.bos_token_id': idOf('[CLS]'),
    'tokenizer.ggml.seperator_token_id': idOf('[SEP]'),
    'tokenizer.ggml.unknown_token_id': idOf('[UNK]'),
    'tokenizer.ggml.padding_token_id': idOf('[PAD]'),
    'tokenizer.ggml.mask_token_id': idOf('[MASK]'),
  }
}

const pieceOf = (word: string) => (word.startsWith('##') ? word.slice(2) : WORD_START + word)

/** The names of a layer's parts: in the model, and in GGUF. */
const LAYER_PARTS = {
  'attention.self.query': 'attn_q',
  'attention.self.key': 'attn_k',
  'attention.self.value': 'attn_v',
  'attention.output.dense': 'attn_output',
  'attention.output.LayerNorm': 'attn_output_norm',
  'intermediate.dense': 'ffn_up',
  'output.dense': 'ffn_down',
  'output.LayerNorm': 'layer_output_norm',
} as const

function tensorsOf(config: Config, weights: Map<string, GgufTensor>): GgufTensor[] {
  const named = (from: string, to: string): GgufTensor => {
    const found = weights.get(from)
    if (found === undefined) throw new Error(`the weights lack ${from}`)
    return { ...found, name: to }
  }
  const both = (from: string, to: string) =>
    ['weight', 'bias'].map((part) => named(`${from}.${part}`, `${to}.${part}`))
  const layers = Array.from({ length: config.num_hidden_layers }, (_, at) =>
    Object.entries(LAYER_PARTS).flatMap(([from, to]) =>
      both(`encoder.layer.${at}.${from}`, `blk.${at}.${to}`),
    ),
  )
  return [
    named('embeddings.word_embeddings.weight', 'token_embd.weight'),
    named('embeddings.position_embeddings.weight', 'position_embd.weight'),
    named('embeddings.token_type_embeddings.weight', 'token_types.weight'),
    ...both('embeddings.LayerNorm', 'token_embd_norm'),
    ...layers.flat(),
  ]
}

/** Tensors of a safetensors file of 32-bit floats (format: huggingface/safetensors, README). */
function readSafetensors(file: Buffer): Map<string, GgufTensor> {
  const dataStart = 8 + Number(file.readBigUInt64LE(0))
  const { __metadata__: _, ...described } = JSON.parse(
    file.toString('utf8', 8, dataStart),
  ) as Record<string, unknown>
  const tensors = new Map<string, GgufTensor>()
  for (const [name, { dtype, shape, data_offsets }] of Object.entries(
    safetensorsSchema.parse(described),
  )) {
    if (dtype !== 'F32') continue
    const [start, end] = data_offsets
    // Copied, because floats must lie at a multiple of four bytes.
    const bytes = Uint8Array.from(file.subarray(dataStart + start, dataStart + end))
    tensors.set(name, { name, shape: shape.toReversed(), data: new Float32Array(bytes.buffer) })
  }
  return tensors
}
