/** What a request says about which tools may or must be called. */
import { z } from 'zod'
import { GristmillError } from '../base/index.ts'

const namedTool = z.object({
  type: z.literal('function'),
  function: z.object({ name: z.string() }),
})

export const toolChoiceField = z.union([
  z.enum(['none', 'auto', 'required']),
  namedTool,
  z.object({
    type: z.literal('allowed_tools'),
    allowed_tools: z.object({
      mode: z.enum(['auto', 'required']),
      tools: z.array(namedTool).min(1),
    }),
  }),
])

export interface ToolChoice {
  mode: 'none' | 'auto' | 'required'
  /** Undefined where all tools may be called. */
  names: readonly string[] | undefined
  /** True where just one call is wanted. */
  isOne: boolean
}

/** The choice in one form; without one the model decides. */
export function toolChoiceOf(
  given: z.infer<typeof toolChoiceField> | null | undefined,
): ToolChoice {
  if (typeof given === 'string') return { mode: given, names: undefined, isOne: false }
  if (given?.type === 'function')
    return { mode: 'required', names: [given.function.name], isOne: true }
  if (!given) return { mode: 'auto', names: undefined, isOne: false }
  const { mode, tools } = given.allowed_tools
  return { mode, names: tools.map((tool) => tool.function.name), isOne: false }
}

/** @throws GristmillError `invalid_value` where what is chosen is not there */
export function checkToolChoice({ mode, names = [] }: ToolChoice, tools: readonly string[]): void {
  const missing = names.find((name) => !tools.includes(name))
  const reason =
    missing === undefined
      ? mode === 'required' && tools.length === 0 && 'it needs tools'
      : `there is no tool named ${missing}`
  if (reason) throw new GristmillError('invalid_value', { param: 'tool_choice', reason })
}
