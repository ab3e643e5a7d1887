/** Tools of the Messages wire as functions: pure. */
import { z } from 'zod'
import { part, unsupported } from '../body-part.ts'
import { mustDiffer } from '../canonical.ts'
import { fieldsOf } from '../engine-words.ts'

type Fields = Record<string, unknown>

const tool = z.object({
  name: z.string(),
  description: z.string().nullish(),
  input_schema: z.record(z.string(), z.unknown()),
  strict: z.boolean().nullish(),
})
const anyTool = z.looseObject({
  type: z.string().nullish(),
  defer_loading: z.boolean().nullish(),
})
const tools = z.array(anyTool)
const parallel = { disable_parallel_tool_use: z.boolean().nullish() }
const toolChoice = z.discriminatedUnion('type', [
  z.object({ type: z.literal('auto'), ...parallel }),
  z.object({ type: z.literal('any'), ...parallel }),
  z.object({ type: z.literal('tool'), name: z.string(), ...parallel }),
  z.object({ type: z.literal('none') }),
])

/**
 * The fields of a chat request for its tools and the choice among them.
 * @param given fields of a Messages request whose messages have been read
 * @throws GristmillError `invalid_value`, `unsupported_parameter`, naming the field
 */
export function toolFields(given: Fields): Fields {
  const result: Fields = {}
  if (given.tools !== undefined) {
    const list = part(tools, given.tools, 'tools')
    const functions = list.map((one, i) => functionOf(one, `tools.${i}`))
    mustDiffer(
      list.map(({ name }) => name),
      'tools',
    )
    const shown = functions.filter((_, i) => isShown(list[i] ?? {}, given.messages))
    if (shown.length > 0) result.tools = shown
  }
  if (given.tool_choice === undefined) return result
  const choice = part(toolChoice, given.tool_choice, 'tool_choice')
  // Engines refuse a choice where there is no tool.
  const isIdle = choice.type === 'auto' || choice.type === 'none'
  if (isIdle && result.tools === undefined) return result
  if (choice.type === 'tool') {
    result.tool_choice = { type: 'function', function: { name: choice.name } }
  } else result.tool_choice = choice.type === 'any' ? 'required' : choice.type
  if (choice.type !== 'none' && choice.disable_parallel_tool_use) result.parallel_tool_calls = false
  return result
}

function functionOf(value: z.infer<typeof anyTool>, path: string): object {
  const { type } = value
  if (type !== undefined && type !== null && type !== 'custom') {
    throw unsupported(`${path}.type`, `${type} is run or known only by the service it belongs to`)
  }
  const { name, description, input_schema: parameters, strict } = part(tool, value, path)
  return {
    type: 'function',
    function: {
      name,
      ...(typeof description === 'string' && { description }),
      parameters,
      ...(typeof strict === 'boolean' && { strict }),
    },
  }
}

/** A deferred tool is not shown to the model before a result of the client's search names it. */
function isShown({ defer_loading: isDeferred, name }: Fields, messages: unknown): boolean {
  if (isDeferred !== true) return true
  return (messages as Fields[]).some(({ content }) =>
    listOf(content).some((block) =>
      listOf(fieldsOf(block).content).some((inner) => {
        const { type, tool_name: found } = fieldsOf(inner)
        return type === 'tool_reference' && found === name
      }),
    ),
  )
}

const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : [])
