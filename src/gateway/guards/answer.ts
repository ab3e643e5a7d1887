/** Guards on a whole answer of an engine, which no byte of has gone out. */
import { GristmillError } from '../../base/index.ts'
import { checkTexts } from '../../guard/index.ts'
import { type Fields, fieldsOf } from '../engine-words.ts'
import { jsonOf } from '../json-text.ts'
import { parsedObject } from '../usage.ts'
import type { Guarding } from './before.ts'
import { textsIn, withTextsIn } from './texts.ts'

/** How the wire says that an answer was not let through. */
export const FILTERED = 'content_filter'

/**
 * The answer as it may go out, the same bytes where nothing was changed; without its texts and with
 * the finish reason `content_filter` where a guard refuses it.
 * @throws GristmillError `guard_unavailable`, `engine_failed`; also as a rejection
 */
export function guardedAnswer(body: Buffer, { set, run }: Guarding): Buffer | Promise<Buffer> {
  const answer = parsedObject(body.toString('utf8'))
  const choices = answer?.choices
  if (answer === null || !Array.isArray(choices)) {
    throw new GristmillError('engine_failed', { reason: 'its answer cannot be read by a guard' })
  }
  const spoken = choices.map((choice: unknown) => wordsOf(fieldsOf(choice)))
  const texts = textsIn(spoken)
  const goOn = (left: readonly string[]) => {
    if (left.every((text, index) => text === texts[index])) return body
    const words = withTextsIn(spoken, left) as Fields[]
    return answerWith(
      answer,
      choices.map((choice, index) => saidAnew(choice, words[index])),
    )
  }
  const refuse = (error: unknown) => {
    if (!isRefusal(error)) throw error
    return answerWith(answer, choices.map(filtered))
  }
  try {
    const left = checkTexts(set.after, texts, run, contentsOf(spoken))
    return left instanceof Promise ? left.then(goOn).catch(refuse) : goOn(left)
  } catch (error) {
    return refuse(error)
  }
}

export const isRefusal = (error: unknown) =>
  error instanceof GristmillError && error.code === 'guard_refused'

/** What a choice says: a message, or a text. Nothing said is an empty answer. */
function wordsOf({ message, text }: Fields): Fields {
  if (message === undefined) return { text: text ?? '' }
  const fields = fieldsOf(message)
  return { message: { ...fields, content: fields.content ?? '' } }
}

/**
 * Which of the texts are answers. An answer that only calls tools has none.
 * @param spoken what each choice says, in order
 */
export function contentsOf(spoken: readonly Fields[]): number[] {
  const contents: number[] = []
  let at = 0
  for (const words of spoken) {
    for (const [name, value] of Object.entries({ ...words, ...fieldsOf(words.message) })) {
      if (name === 'message') continue
      const isAnswer = (name === 'content' || name === 'text') && typeof value === 'string'
      if (isAnswer && !(value === '' && words.message !== undefined && hasCalls(words))) {
        contents.push(at)
      }
      at += textsIn({ [name]: value }).length
    }
  }
  return contents
}

function hasCalls(words: Fields): boolean {
  const { tool_calls: calls } = fieldsOf(words.message)
  return Array.isArray(calls) && calls.length > 0
}

/** Probabilities name the tokens that were there before. */
function saidAnew(choice: unknown, words: Fields | undefined): Fields {
  return { ...fieldsOf(choice), ...words, logprobs: null }
}

function filtered(choice: unknown): Fields {
  const { index, message } = fieldsOf(choice)
  const words = message === undefined ? { text: '' } : { message: NOTHING_SAID }
  return { index, ...words, logprobs: null, finish_reason: FILTERED }
}

const NOTHING_SAID = { role: 'assistant', content: '' }

const answerWith = (answer: Fields, choices: Fields[]) =>
  Buffer.from(jsonOf({ ...answer, choices }))
