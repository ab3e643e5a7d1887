/** Whole answers of the chat wire as messages of the Messages wire. */

import { type EngineWords, engineWords, fieldsOf, firstChoice, textOf } from '../engine-words.ts'
import { parsedObject, usageCounts } from '../usage.ts'
import { OWN_SIGNATURE } from './content.ts'
import { type AnswerFrame, endingOf, messageOf, toolUse, usageOf } from './ending.ts'

/** @returns null where the body is no JSON object */
export function messageOfAnswer(body: Buffer, frame: AnswerFrame): object | null {
  const answer = parsedObject(body.toString('utf8'))
  if (answer === null) return null
  const choice = firstChoice(answer) ?? {}
  const words = engineWords(fieldsOf(choice.message))
  const usage = usageCounts(answer.usage)
  const end = {
    finishReason: textOf(choice.finish_reason),
    stopReason: choice.stop_reason,
    hasCalls: words.calls.length > 0,
  }
  const { estimatedInputTokens: inputTokens } = frame
  const told = usage ?? { inputTokens, cachedTokens: 0, outputTokens: 0 }
  const content = contentOf(words, frame)
  return messageOf(frame, content, endingOf(end, frame, usage), usageOf(told))
}

function contentOf({ thinking, text, calls }: EngineWords, frame: AnswerFrame): object[] {
  return [
    ...(thinking === '' ? [] : [{ type: 'thinking', thinking, signature: OWN_SIGNATURE }]),
    ...(text === '' ? [] : [{ type: 'text', text, citations: null }]),
    ...calls.map((call, i) => toolUse(call, i, frame)),
  ]
}
