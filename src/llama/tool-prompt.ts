/** Tells a model about tools in words, for chat templates that have no place for them. */
import type { ChatMessage, ToolDefinition } from './chat-request.ts'
import { CALL_END, CALL_MIDDLE, CALL_START } from './tool-calls.ts'

/** The messages with tool instructions in front and past calls and results as plain text. */
export function withToolInstructions(
  messages: readonly ChatMessage[],
  tools: readonly ToolDefinition[],
): ChatMessage[] {
  const plain = messages.map(asText)
  if (tools.length === 0) return plain
  const [first, ...rest] = plain
  if (first?.role !== 'system') return [{ role: 'system', content: instructions(tools) }, ...plain]
  return [{ ...first, content: `${first.content}\n\n${instructions(tools)}` }, ...rest]
}

function instructions(tools: readonly ToolDefinition[]): string {
  const list = tools.map(({ function: { name, description, parameters } }) =>
    JSON.stringify({ name, description: description ?? '', parameters: parameters ?? {} }),
  )
  return (
    `You can call these functions:\n${list.join('\n')}\n` +
    `To call one, answer with its name and arguments in this form and nothing else:\n` +
    `${CALL_START}NAME${CALL_MIDDLE}{...}${CALL_END}`
  )
}

function asText(message: ChatMessage): ChatMessage {
  const { role, content } = message
  if (role === 'tool' || role === 'function')
    return { role: 'user', content: `<tool_response>\n${content}\n</tool_response>` }
  if (!message.tool_calls) return message
  const calls = message.tool_calls.map(
    ({ function: call }) =>
      `${CALL_START}${call.name}${CALL_MIDDLE}${JSON.stringify(call.arguments)}${CALL_END}`,
  )
  return { role, content: [content, ...calls].filter(Boolean).join('\n') }
}
