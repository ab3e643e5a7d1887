/**
 * Renders messages with the model's own Jinja template and turns the result into tokens, so that
 * text of a message can never become a control token.
 */
import { setImmediate } from 'node:timers/promises'
import { Template } from '@huggingface/jinja'
import type { LlamaModel, Token } from 'node-llama-cpp'
import { GristmillError } from '../base/index.ts'
import type { ChatMessage, ToolDefinition } from './chat-request.ts'

const CHATML = `{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' \
+ message['content'] + '<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}\
{{ '<|im_start|>assistant\n' }}{% endif %}`
const PLAIN = `{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '\n' }}\
{% endfor %}{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}`

/**
 * Stand-ins for control tokens inside messages: from a private plane of Unicode, of which icons of
 * terminals are too, so behind a sign that is no character and thus in no text.
 */
const FIRST_STAND_IN = 0xf0000
const STAND_INS_MAX = 0xfffd
const MARK = '\u{FFFFE}'
const STAND_IN = /\u{FFFFE}([\u{F0000}-\u{FFFFD}])/u
/** Texts are tokenised in pieces of this length, so that no turn of the event loop is long. */
const PIECE_CHARACTERS = 8000

export interface RenderOptions {
  tools: readonly ToolDefinition[]
  addGenerationPrompt: boolean
}

export class ChatTemplate {
  readonly #model: LlamaModel
  readonly #template: Template
  readonly #controls: string[]
  readonly #controlPattern: RegExp | undefined
  readonly #contextTokens: number
  readonly #tokenCharactersMax: number
  /** True when the template itself shows tools to the model. */
  readonly rendersTools: boolean

  /** @param contextTokens prompts that cannot fit are refused before they are tokenised */
  constructor(model: LlamaModel, contextTokens: number) {
    this.#model = model
    this.#contextTokens = contextTokens
    this.#tokenCharactersMax = longestToken(model)
    this.#controls = controlTexts(model).slice(0, STAND_INS_MAX)
    this.#controlPattern = alternation(this.#controls)
    const own = model.fileInfo.metadata.tokenizer?.chat_template
    const source = own ?? (this.#controls.includes('<|im_start|>') ? CHATML : PLAIN)
    this.rendersTools = /\btools\b/.test(source)
    this.#template = new Template(source)
  }

  /**
   * The prompt for a conversation.
   * @throws GristmillError `invalid_value` with the template's own words when it refuses the
   * messages, `context_length_exceeded` where they are too long whatever their tokens are
   */
  async render(messages: readonly ChatMessage[], options: RenderOptions): Promise<Token[]> {
    const { tokens } = this.#model
    const characters = messages.reduce((sum, { content }) => sum + content.length, 0)
    this.#checkLength(characters, 'messages', messages.length)
    let text: string
    try {
      text = this.#template.render({
        messages: messages.map((message) => this.#disarm(message)),
        tools: options.tools.length > 0 ? (this.#disarm(options.tools) as unknown) : null,
        add_generation_prompt: options.addGenerationPrompt,
        bos_token: tokens.bosString ?? '',
        eos_token: tokens.eosString ?? '',
      })
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      throw new GristmillError('invalid_value', { param: 'messages', reason }, { cause: error })
    }
    return this.#withStart(await this.#encode(text))
  }

  /** Tokens of a text without template, for legacy completions; control tokens stay text. */
  async encodePlain(text: string, param = 'prompt'): Promise<Token[]> {
    this.#checkLength(text.length, param)
    return this.#withStart(await tokeniseInPieces(this.#model, text, false, []))
  }

  /**
   * Reading megabytes that are refused afterwards would hold up everybody's answers.
   * @param least tokens that there are in any case: every message has one
   */
  #checkLength(characters: number, param: string, least = 0): void {
    const tokensMin = Math.max(least, Math.ceil(characters / this.#tokenCharactersMax))
    if (tokensMin <= this.#contextTokens) return
    // What is embedded generates nothing, and all else one token at least.
    const toGenerate = param === 'input' ? 0 : 1
    throw new GristmillError('context_length_exceeded', {
      param,
      contextTokens: this.#contextTokens,
      requestTokens: `at least ${tokensMin + toGenerate}`,
      promptTokens: `at least ${tokensMin}`,
      maxTokens: toGenerate === 0 ? 0 : 'at least 1',
    })
  }

  #withStart(prompt: Token[]): Token[] {
    const { bos, shouldPrependBosToken } = this.#model.tokens
    if (shouldPrependBosToken && bos !== null && prompt[0] !== bos) prompt.unshift(bos)
    return prompt
  }

  async #encode(text: string): Promise<Token[]> {
    const prompt: Token[] = []
    for (const [i, part] of text.split(STAND_IN).entries()) {
      // What the expression holds on to comes between the parts that it divides.
      const isControl = i % 2 === 1
      const control = isControl && this.#controls[(part.codePointAt(0) ?? 0) - FIRST_STAND_IN]
      const tokens =
        typeof control === 'string'
          ? this.#model.tokenize(control, false, 'trimLeadingSpace')
          : await tokeniseInPieces(this.#model, part, true, this.#controls)
      for (const token of tokens) prompt.push(token)
    }
    return prompt
  }

  /** Replaces control tokens in all strings of a message and names in it by their stand-ins. */
  #disarm<T>(value: T): T {
    const pattern = this.#controlPattern
    if (!pattern) return value
    if (typeof value === 'string')
      return value.replace(
        pattern,
        (control) => MARK + String.fromCodePoint(FIRST_STAND_IN + this.#controls.indexOf(control)),
      ) as T
    if (Array.isArray(value)) return value.map((item) => this.#disarm(item)) as T
    if (typeof value === 'object' && value !== null)
      return Object.fromEntries(
        Object.entries(value).map(([key, item]) => [this.#disarm(key), this.#disarm(item)]),
      ) as T
    return value
  }
}

/** Characters of the longest token of a vocabulary. */
function longestToken(model: LlamaModel): number {
  let longest = 1
  for (const token of model.iterateAllTokens())
    longest = Math.max(longest, model.detokenize([token], true).length)
  return longest
}

function controlTexts(model: LlamaModel): string[] {
  const texts: string[] = []
  for (const token of model.iterateAllTokens()) {
    if (!model.getTokenAttributes(token).control) continue
    const text = model.detokenize([token], true)
    if (text.trim().length > 1) texts.push(text)
  }
  return texts
}

function alternation(texts: readonly string[]): RegExp | undefined {
  if (texts.length === 0) return undefined
  const longestFirst = texts.toSorted((a, b) => b.length - a.length)
  return new RegExp(longestFirst.map(escaped).join('|'), 'g')
}

const escaped = (text: string) => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')

/**
 * Lets others run between two pieces.
 * @param controls texts that must stay whole
 */
async function tokeniseInPieces(
  model: LlamaModel,
  text: string,
  special: boolean,
  controls: readonly string[],
): Promise<Token[]> {
  if (text.length <= PIECE_CHARACTERS) return model.tokenize(text, special)
  const tokens: Token[] = []
  let start = 0
  while (start < text.length) {
    const end = pieceEnd(text, start, controls)
    const piece = text.slice(start, end)
    const pieceTokens =
      start === 0
        ? model.tokenize(piece, special)
        : model.tokenize(piece, special, 'trimLeadingSpace')
    for (const token of pieceTokens) tokens.push(token)
    start = end
    await setImmediate()
  }
  return tokens
}

/**
 * Before a space, where byte-pair encodings never merge. Scripts without spaces are cut anywhere
 * but within a control token or a character of two units.
 */
function pieceEnd(text: string, start: number, controls: readonly string[]): number {
  const end = start + PIECE_CHARACTERS
  if (end >= text.length) return text.length
  const space = text.lastIndexOf(' ', end)
  if (space > start) return space
  for (const control of controls) {
    const from = end - control.length + 1
    const at = text.slice(from, end + control.length - 1).indexOf(control)
    if (at >= 0) return from + at
  }
  return text.codePointAt(end - 1) === text.charCodeAt(end - 1) ? end : end - 1
}
