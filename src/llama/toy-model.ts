/**
 * Writes a tiny model for tests, for demonstrations and for machines that can fetch none: a Markov
 * chain over a short text (readable, deterministic at temperature 0), or random weights.
 */
import { seededRandom } from '../base/index.ts'
import type { GgufSummary } from './gguf.ts'
import { type GgufTensor, type GgufValue, writeGguf } from './gguf-writer.ts'
import { learnVocabulary, type ToyVocabulary } from './toy-vocabulary.ts'

export interface ToyModelOptions {
  kind: 'markov' | 'random'
  seed: number
  contextTokens: number
}

const SPECIALS = ['<|endoftext|>', '<|im_start|>', '<|im_end|>', '<unk>'] as const
/** By the name that the file gives itself a toy is known wherever it is served. */
const NAME_PREFIX = 'gristmill-toy-'
const MERGES = 400
const HEAD_SIZE = 32
const FEED_FORWARD = 32
/** Chance that the chain ends after a full stop. */
const END_PROBABILITY = 0.12

const TEMPLATE =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content']" +
  " + '<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}" +
  "{{ '<|im_start|>assistant\n' }}{% endif %}"

const CORPUS = `The mill stands by the river and the river turns the wheel. Every farmer in the \
valley brings grain to the mill, and every farmer takes flour home. Nobody has to own a mill, \
because the valley shares one set of stones. When the water is high, the stones turn fast and the \
sacks are ready before noon. When the water is low, the miller asks the big farms to wait a \
little, so that a small sack is not kept waiting behind a hundred large ones. A fair miller counts \
the sacks of each farm, not the carts at the door. The farm that has had less comes first, and the \
farm that has had more comes next. At night, when the road is empty, the stones need not rest. \
The grain that can wait is ground at night, and in the morning the floor is free again. The toll \
is small and it pays for the stones, for the wheel and for the roof. The miller writes every sack \
in a book, and at the end of the month the book and the flour agree to the last pound. If the \
wheel breaks, nobody loses a sack: the miller knows whose grain was on the stones, and grinds it \
again when the wheel turns. Children come to see the wheel turn, and the miller shows them how \
water becomes bread. One day a stranger asked why the valley did not build a mill for every farm. \
The miller laughed and pointed to the river. There is one river, he said, and it turns one wheel \
well. Ten small wheels would stand still most of the day, and on the day of the harvest none of \
them would be fast enough. So the valley keeps one mill, and the mill keeps the valley. `

/**
 * Writes a toy model in llama architecture as a GGUF file of a few megabytes.
 * @param path file to create or replace
 * @param options `markov` speaks pseudo-English; `random` exercises attention and speaks nonsense
 */
export async function writeToyModel(path: string, options: ToyModelOptions): Promise<void> {
  const vocabulary = learnVocabulary(CORPUS, MERGES, SPECIALS)
  const width = Math.ceil(vocabulary.tokens.length / 32) * 32
  const tensors =
    options.kind === 'markov'
      ? markovTensors(vocabulary, width)
      : randomTensors(vocabulary.tokens.length, width, options.seed)
  await writeGguf(path, metadata(vocabulary, width, options), tensors)
}

/** True where the model of a file was written by `writeToyModel`. */
export function isToy({ name }: GgufSummary): boolean {
  return name?.startsWith(NAME_PREFIX) ?? false
}

function metadata(
  vocabulary: ToyVocabulary,
  width: number,
  options: ToyModelOptions,
): Record<string, GgufValue> {
  const special = (name: (typeof SPECIALS)[number]): GgufValue => ({
    type: 'u32',
    value: vocabulary.firstSpecial + SPECIALS.indexOf(name),
  })
  const u32 = (value: number): GgufValue => ({ type: 'u32', value })
  const types = vocabulary.tokens.map((_, id) => (id >= vocabulary.firstSpecial ? 3 : 1))
  return {
    'general.architecture': { type: 'string', value: 'llama' },
    'general.name': { type: 'string', value: `${NAME_PREFIX}${options.kind}` },
    'general.file_type': u32(0),
    'llama.context_length': u32(options.contextTokens),
    'llama.embedding_length': u32(width),
    'llama.block_count': u32(1),
    'llama.feed_forward_length': u32(FEED_FORWARD),
    'llama.attention.head_count': u32(1),
    'llama.attention.head_count_kv': u32(1),
    'llama.attention.key_length': u32(HEAD_SIZE),
    'llama.attention.value_length': u32(HEAD_SIZE),
    'llama.attention.layer_norm_rms_epsilon': { type: 'f32', value: 1e-6 },
    'llama.rope.dimension_count': u32(HEAD_SIZE),
    'llama.vocab_size': u32(vocabulary.tokens.length),
    'tokenizer.ggml.model': { type: 'string', value: 'gpt2' },
    'tokenizer.ggml.pre': { type: 'string', value: 'gpt-2' },
    'tokenizer.ggml.tokens': { type: 'strings', value: vocabulary.tokens },
    'tokenizer.ggml.token_type': { type: 'i32s', value: types },
    'tokenizer.ggml.merges': { type: 'strings', value: vocabulary.merges },
    'tokenizer.ggml.bos_token_id': special('<|endoftext|>'),
    'tokenizer.ggml.eos_token_id': special('<|im_end|>'),
    'tokenizer.ggml.eot_token_id': special('<|im_end|>'),
    'tokenizer.ggml.unknown_token_id': special('<unk>'),
    'tokenizer.ggml.padding_token_id': special('<|endoftext|>'),
    'tokenizer.ggml.add_bos_token': { type: 'bool', value: false },
    'tokenizer.chat_template': { type: 'string', value: TEMPLATE },
  }
}

/** One-hot embeddings, silent layers, and log transition probabilities as the output matrix. */
function markovTensors(vocabulary: ToyVocabulary, width: number): GgufTensor[] {
  const size = vocabulary.tokens.length
  const embedding = new Float32Array(width * size)
  for (let id = 0; id < size; id++) embedding[id * width + id] = 1
  const counts = transitionCounts(vocabulary)
  const output = new Float32Array(width * size)
  counts.forEach((row, from) => {
    const total = row.reduce((sum, count) => sum + count, 0)
    row.forEach((count, to) => {
      output[to * width + from] = Math.log(count / total)
    })
  })
  // The norm scales a one-hot vector by the root of its width; its weight undoes that.
  const norm = new Float32Array(width).fill(1 / Math.sqrt(width))
  return assemble(width, size, embedding, output, norm, (length) => new Float32Array(length))
}

function transitionCounts({ tokens, corpus, firstSpecial }: ToyVocabulary): Float64Array[] {
  const counts = tokens.map(() => new Float64Array(tokens.length).fill(1e-5))
  const add = (from: number, to: number, amount: number) => {
    const row = counts[from]
    if (row) row[to] = (row[to] ?? 0) + amount
  }
  const stop = tokens.indexOf('.')
  const end = firstSpecial + SPECIALS.indexOf('<|im_end|>')
  const starts = [corpus[0] ?? 0]
  corpus.forEach((token, i) => {
    const next = corpus[i + 1]
    if (next === undefined) return
    add(token, next, 1)
    if (token === stop) starts.push(next)
  })
  const stops = starts.length / (1 / END_PROBABILITY - 1)
  add(stop, end, stops)
  tokens.forEach((_, id) => {
    const unseen = !corpus.includes(id)
    if (unseen) for (const start of starts) add(id, start, 1)
  })
  return counts
}

function randomTensors(size: number, width: number, seed: number): GgufTensor[] {
  const random = seededRandom(seed)
  const gaussian = (length: number, deviation: number) =>
    Float32Array.from(
      { length },
      () =>
        deviation *
        Math.sqrt(-2 * Math.log(random.next() + 1e-12)) *
        Math.cos(2 * Math.PI * random.next()),
    )
  return assemble(
    width,
    size,
    gaussian(width * size, 0.5),
    gaussian(width * size, 0.1),
    new Float32Array(width).fill(1),
    (length) => gaussian(length, 0.1),
  )
}

function assemble(
  width: number,
  size: number,
  embedding: Float32Array,
  output: Float32Array,
  norm: Float32Array,
  layer: (length: number) => Float32Array,
): GgufTensor[] {
  const matrix = (name: string, columns: number, rows: number): GgufTensor => ({
    name: `blk.0.${name}.weight`,
    shape: [columns, rows],
    data: layer(columns * rows),
  })
  const ones = (name: string): GgufTensor => ({
    name: `blk.0.${name}.weight`,
    shape: [width],
    data: new Float32Array(width).fill(1),
  })
  return [
    { name: 'token_embd.weight', shape: [width, size], data: embedding },
    { name: 'output_norm.weight', shape: [width], data: norm },
    { name: 'output.weight', shape: [width, size], data: output },
    ones('attn_norm'),
    matrix('attn_q', width, HEAD_SIZE),
    matrix('attn_k', width, HEAD_SIZE),
    matrix('attn_v', width, HEAD_SIZE),
    matrix('attn_output', HEAD_SIZE, width),
    ones('ffn_norm'),
    matrix('ffn_gate', width, FEED_FORWARD),
    matrix('ffn_up', width, FEED_FORWARD),
    matrix('ffn_down', FEED_FORWARD, width),
  ]
}
