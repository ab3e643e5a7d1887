/** For tests: a tiny model of the BERT family, random, in the parts that its publishers have. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { seededRandom } from '../base/index.ts'

export const SIZE = 32
export const HEADS = 2
const INNER = 64
export const CONTEXT = 64
export const EPS = 1e-12
const vocab = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'the', 'mill', '##er', 'grinds', '.']
export type Matrix = number[][]

/** Weights by the names that the model's publishers give them. */
export function randomWeights(): Map<string, Matrix> {
  const random = seededRandom(7)
  const matrix = (rows: number, columns: number) =>
    Array.from({ length: rows }, () =>
      Array.from({ length: columns }, () => Math.fround(random.next() - 0.5)),
    )
  const weights = new Map<string, Matrix>()
  const linear = (name: string, out: number, into: number) => {
    weights.set(`${name}.weight`, matrix(out, into))
    weights.set(`${name}.bias`, matrix(1, out))
  }
  const norm = (name: string) => {
    weights.set(`${name}.weight`, matrix(1, SIZE))
    weights.set(`${name}.bias`, matrix(1, SIZE))
  }
  weights.set('embeddings.word_embeddings.weight', matrix(vocab.length, SIZE))
  weights.set('embeddings.position_embeddings.weight', matrix(CONTEXT, SIZE))
  weights.set('embeddings.token_type_embeddings.weight', matrix(2, SIZE))
  norm('embeddings.LayerNorm')
  for (const part of ['self.query', 'self.key', 'self.value', 'output.dense']) {
    linear(`encoder.layer.0.attention.${part}`, SIZE, SIZE)
  }
  norm('encoder.layer.0.attention.output.LayerNorm')
  linear('encoder.layer.0.intermediate.dense', INNER, SIZE)
  linear('encoder.layer.0.output.dense', SIZE, INNER)
  norm('encoder.layer.0.output.LayerNorm')
  return weights
}

export async function publish(folder: string, weights: Map<string, Matrix>): Promise<void> {
  const config = {
    model_type: 'bert',
    hidden_act: 'gelu',
    hidden_size: SIZE,
    intermediate_size: INNER,
    layer_norm_eps: EPS,
    max_position_embeddings: CONTEXT,
    num_attention_heads: HEADS,
    num_hidden_layers: 1,
    type_vocab_size: 2,
  }
  const tokenizer = {
    normalizer: { type: 'BertNormalizer', lowercase: true },
    model: { type: 'WordPiece', vocab: Object.fromEntries(vocab.map((word, id) => [word, id])) },
  }
  let offset = 0
  const header: Record<string, object> = {}
  const data: Buffer[] = []
  for (const [name, matrix] of weights) {
    const bytes = Buffer.from(Float32Array.from(matrix.flat()).buffer)
    const isVector = matrix.length === 1
    header[name] = {
      dtype: 'F32',
      shape: isVector ? [matrix[0]?.length] : [matrix.length, matrix[0]?.length],
      data_offsets: [offset, offset + bytes.length],
    }
    data.push(bytes)
    offset += bytes.length
  }
  const head = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(head.length))
  await writeFile(join(folder, 'config.json'), JSON.stringify(config))
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(tokenizer))
  await writeFile(join(folder, 'model.safetensors'), Buffer.concat([length, head, ...data]))
}
