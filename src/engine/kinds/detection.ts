/** Finds out which program an engine is, by the pages that only it has. */
import { z } from 'zod'
import { detectLmStudio, detectOllama } from './desktop.ts'
import { detectLlama } from './llama.ts'
import type { ListedModel } from './model-list.ts'
import { detectSglang } from './sglang.ts'
import { detectTgi } from './tgi.ts'
import { type Asker, CAP_UNKNOWN, type Detect, plain, type Traits } from './traits.ts'
import { detectVllm } from './vllm.ts'

/** Those that the list of models gives away come first; they cost no page. */
const PROGRAMS: readonly Detect[] = [
  detectVllm,
  detectSglang,
  detectLlama,
  detectOllama,
  detectTgi,
  detectLmStudio,
]

const versionSchema = z.object({ version: z.string() })

/** @param models as its list has them, at least one */
export async function detectEngine(asker: Asker, models: readonly ListedModel[]): Promise<Traits> {
  for (const detect of PROGRAMS) {
    const traits = await detect(asker, models)
    if (traits !== null) return traits
  }
  const version = versionSchema.safeParse(await asker.page('/version'))
  return {
    ...plain,
    kind: 'openai',
    version: version.success ? version.data.version : null,
    cap: CAP_UNKNOWN,
    capMost: CAP_UNKNOWN,
    capReason: 'The engine does not say how many requests it runs at once; this is the default.',
  }
}
