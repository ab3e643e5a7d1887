/**
 * Tools of the Responses wire as functions, which is all that engines call, and the names by which
 * the client knows them: pure.
 */
import { z } from 'zod'
import { part, unsupported } from '../body-part.ts'
import { invalid, mustDiffer } from '../canonical.ts'
import { parsedObject } from '../usage.ts'
import { responsesTools } from './fields.ts'

/** What a function of an engine is to the client. */
export interface KnownTool {
  type: 'function' | 'custom' | 'tool_search'
  name: string
  namespace?: string
}

interface ChatTool {
  type: 'function'
  function: { name: string; [field: string]: unknown }
}

const anyTool = z.looseObject({ type: z.string() })
type AnyTool = z.infer<typeof anyTool>
const named = { name: z.string(), description: z.string().nullish() }
const functionTool = z.object({
  ...named,
  parameters: z.record(z.string(), z.unknown()).nullish(),
  strict: z.boolean().nullish(),
})
const grammar = z.object({
  type: z.literal('grammar'),
  syntax: z.string(),
  definition: z.string(),
})
const customTool = z.object({
  ...named,
  format: z.discriminatedUnion('type', [z.object({ type: z.literal('text') }), grammar]).nullish(),
})
const searchTool = functionTool.omit({ name: true }).extend({ execution: z.literal('client') })
const namespaceTool = z.object({ name: z.string(), tools: z.array(anyTool) })

/** The function that a client's search for tools is to an engine. */
export const SEARCH = 'tool_search'

/** Name of a tool where there are only plain names. */
export const flatName = (namespace: string | null | undefined, name: string) =>
  namespace ? `${namespace}__${name}` : name

/** The text of a custom tool as the arguments of its function. */
export const customArguments = (input: string) => JSON.stringify({ input })

/** And back; what an engine wrote in another way is handed over as it is. */
export function customInput(json: string): string {
  const { input } = parsedObject(json) ?? {}
  return typeof input === 'string' ? input : json
}

/** The tools of a request, as they are met in it. */
export class ToolBox {
  readonly #functions = new Map<string, ChatTool>()
  readonly #known = new Map<string, KnownTool>()
  #leftOut: { type: string; path: string } | undefined

  /** Functions that are something else to the client, by the names that engines know. */
  get known(): ReadonlyMap<string, KnownTool> {
    return this.#known
  }

  /**
   * @returns the names of those that an engine is offered
   * @throws GristmillError `invalid_value`, `unsupported_parameter`, naming the field
   */
  add(given: unknown, path: string): string[] {
    const names = part(z.array(anyTool), given, path).flatMap((one, i) => {
      const at = `${path}.${i}`
      if (one.type !== 'namespace') return this.#take(one, at)
      const { name, tools } = part(namespaceTool, one, at)
      return tools.flatMap((inner, j) => this.#take(inner, `${at}.tools.${j}`, name))
    })
    mustDiffer(names, path)
    return names
  }

  /**
   * What an engine is offered, and its word for the choice among them.
   * @throws GristmillError where only tools are offered, or the one chosen is, that nobody can run
   */
  chosen(given: unknown): { functions: ChatTool[]; choice?: unknown } {
    const functions = [...this.#functions.values()]
    if (this.#leftOut !== undefined && this.#functions.size === 0) {
      throw notRun(this.#leftOut.type, this.#leftOut.path)
    }
    if (given === undefined) return { functions }
    const choice = part(toolChoice, given, 'tool_choice')
    if (typeof choice === 'string') return { functions, choice }
    if (choice.type === 'allowed_tools') {
      const { mode, tools } = part(allowedTools, choice, 'tool_choice')
      const names = new Set(tools.map((tool, i) => this.#nameOf(tool, `tool_choice.tools.${i}`)))
      return { functions: functions.filter((tool) => names.has(tool.function.name)), choice: mode }
    }
    return { functions, choice: { type: 'function', function: { name: this.#nameOf(choice) } } }
  }

  /** The function that is meant by a choice. */
  #nameOf(choice: AnyTool, path = 'tool_choice'): string {
    if (choice.type !== 'function' && choice.type !== 'custom') {
      throw unsupported(`${path}.type`, `${choice.type}: engines call functions only`)
    }
    const { name, namespace } = part(namedChoice, choice, path)
    const flat = flatName(namespace, name)
    if (!this.#functions.has(flat)) throw invalid(path, `there is no tool named ${flat}`)
    return flat
  }

  #take(one: AnyTool, path: string, namespace?: string): string[] {
    const { type } = one
    if (responsesTools[type]?.fate === 'ignored') {
      this.#leftOut = { type, path }
      return []
    }
    if (type === 'function') return this.#offer(type, part(functionTool, one, path), namespace)
    if (type === 'custom') return this.#offer(type, asFunction(one, path), namespace)
    if (type !== SEARCH) throw notRun(type, `${path}.type`)
    return this.#offer(type, { ...part(searchTool, one, path), name: SEARCH })
  }

  #offer(
    type: KnownTool['type'],
    tool: z.infer<typeof functionTool>,
    namespace?: string,
  ): string[] {
    const { name, description, parameters, strict } = tool
    const flat = flatName(namespace, name)
    const told = Object.entries({ description, parameters, strict }).filter(
      ([, value]) => value !== undefined && value !== null,
    )
    const offered = { name: flat, ...Object.fromEntries(told) }
    this.#functions.set(flat, { type: 'function', function: offered })
    if (type !== 'function' || namespace !== undefined) {
      this.#known.set(flat, { type, name, ...(namespace !== undefined && { namespace }) })
    }
    return [flat]
  }
}

const toolChoice = z.union([
  z.enum(['auto', 'none', 'required']),
  z.looseObject({ type: z.string() }),
])
const allowedTools = z.object({
  mode: z.enum(['auto', 'required']),
  tools: z.array(anyTool).min(1),
})
const namedChoice = z.object({ name: z.string(), namespace: z.string().nullish() })

function notRun(type: string, path: string) {
  const known = Object.hasOwn(responsesTools, type) ? responsesTools[type] : undefined
  return unsupported(path, `${type}: ${known ? known.how : 'engines call functions only'}`)
}

/** A tool that takes text is a function that takes one text. */
function asFunction(one: AnyTool, path: string): z.infer<typeof functionTool> {
  const { name, description, format } = part(customTool, one, path)
  const about = [description]
  if (format?.type === 'grammar') {
    about.push(`The input must follow this ${format.syntax} grammar:\n${format.definition}`)
  }
  return {
    name,
    description: about.filter(Boolean).join('\n\n') || null,
    parameters: {
      type: 'object',
      properties: { input: { type: 'string' } },
      required: ['input'],
      additionalProperties: false,
    },
  }
}
