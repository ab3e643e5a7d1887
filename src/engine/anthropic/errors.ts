/** Refusals of the Messages wire in the shape of OpenAI's. */
import { type Fields, fieldsOf, textOf } from '../wire-fields.ts'

/** How the service says that a prompt does not fit, which the chat wire has a code for. */
const TOO_LONG = /prompt is too long|exceed(?:s|ed)? (?:the )?context (?:limit|window)/i

/** @param body `{type: 'error', error: {type, message}}` */
export function chatError(body: Fields): Fields {
  const { type, message } = fieldsOf(body.error)
  const words = textOf(message)
  const code = TOO_LONG.test(words) ? 'context_length_exceeded' : null
  return { error: { message: words, type: textOf(type), param: null, code } }
}
