/** The options of the engine program, and how they are written on a command line. */
import { parseArgs } from 'node:util'
import { z } from 'zod'
import { GristmillError } from '../base/index.ts'

const whole = (min: number, max: number) => z.coerce.number().int().min(min).max(max).optional()

const schema = z.object({
  /** Path of a GGUF file. */
  model: z.string().min(1),
  host: z.string().min(1).default('127.0.0.1'),
  /** 0 takes a free port. */
  port: z.coerce.number().int().min(0).max(65_535).default(0),
  /** Name under which the model is served; the file's name where absent. */
  id: z.string().min(1).optional(),
  /** Requests at once; as many as the knee that calibration finds where absent. */
  cap: whole(1, 256),
  /** Further sequences for newcomers; an eighth of the cap where absent. */
  express: whole(0, 256),
  /**
   * Further sequences that background work may hold while it stands aside; as many as the cap
   * where absent.
   */
  spare: whole(0, 256),
  threads: whole(1, 512),
  /** Tokens of context of each sequence. */
  context: whole(256, 1_048_576),
  gpu: z.enum(['off', 'auto', 'cuda', 'vulkan', 'metal']).default('off'),
  /** Folder for calibrations; without it every start calibrates anew. */
  cache: z.string().min(1).optional(),
  /** Length of the calibration, milliseconds; 0 leaves it out. */
  'sweep-ms': z.coerce.number().int().min(0).max(600_000).default(20_000),
  'log-level': z.string().default('info'),
  /** End when standard input closes, which tells that the parent is gone. */
  'parent-pipe': z.boolean().default(false),
})

export type EngineOptions = z.input<typeof schema>
export type ParsedEngineOptions = z.output<typeof schema>

/** Checks options and fills in defaults. @throws GristmillError `invalid_config` */
export function parseEngineOptions(options: unknown): ParsedEngineOptions {
  const parsed = schema.safeParse(options)
  if (parsed.success) return parsed.data
  const wrong = parsed.error.issues.map((i) => `--${i.path.join('.')}: ${i.message}`)
  throw new GristmillError('invalid_config', { reason: wrong.join('; ') })
}

/** Options from command-line words. @throws GristmillError `invalid_config` */
export function parseEngineArguments(words: string[]): ParsedEngineOptions {
  const names = Object.keys(schema.shape)
  const options = Object.fromEntries(
    names.map((name) => [
      name,
      { type: name === 'parent-pipe' ? ('boolean' as const) : ('string' as const) },
    ]),
  )
  try {
    return parseEngineOptions({ ...parseArgs({ args: words, options, strict: true }).values })
  } catch (error) {
    if (error instanceof GristmillError) throw error
    const reason = error instanceof Error ? error.message : String(error)
    throw new GristmillError('invalid_config', { reason }, { cause: error })
  }
}

/** Command-line words for options; the opposite of `parseEngineArguments`. */
export function engineArguments(options: EngineOptions): string[] {
  return Object.entries(options).flatMap(([name, value]) => {
    if (value === undefined || value === false) return []
    return value === true ? [`--${name}`] : [`--${name}`, String(value)]
  })
}
