/** The conversation as code that anybody can run with a key. */
import { bodyOf, type ChatSettings, type Message } from './chat-stream.ts'

export const languages = ['curl', 'TypeScript', 'Python'] as const
export type Language = (typeof languages)[number]

/** @param origin of this gateway, such as http://127.0.0.1:4400 */
export function snippet(
  language: Language,
  origin: string,
  settings: ChatSettings,
  messages: readonly Message[],
): string {
  const body = bodyOf(settings, messages)
  if (language === 'curl') return curl(origin, body)
  return language === 'TypeScript' ? typescript(origin, body) : python(origin, body)
}

type Body = ReturnType<typeof bodyOf>

function curl(origin: string, body: Body): string {
  const json = JSON.stringify(body, null, 2).replaceAll("'", "'\\''")
  return `curl -N ${origin}/v1/chat/completions \\
  -H "authorization: Bearer $GRISTMILL_API_KEY" \\
  -H 'content-type: application/json' \\
  -d '${json}'`
}

function typescript(origin: string, body: Body): string {
  return `import OpenAI from 'openai'

const client = new OpenAI({
  baseURL: '${origin}/v1',
  apiKey: process.env.GRISTMILL_API_KEY,
})

const stream = await client.chat.completions.create(${JSON.stringify(body, null, 2)})
for await (const chunk of stream) {
  process.stdout.write(chunk.choices[0]?.delta?.content ?? '')
}`
}

function python(origin: string, body: Body): string {
  const fields = Object.entries(body).map(([name, value]) => `    ${name}=${pythonValue(value)},`)
  return `import os
from openai import OpenAI

client = OpenAI(base_url="${origin}/v1", api_key=os.environ["GRISTMILL_API_KEY"])

stream = client.chat.completions.create(
${fields.join('\n')}
)
for chunk in stream:
    if chunk.choices:
        print(chunk.choices[0].delta.content or "", end="", flush=True)`
}

/** JSON but for its three words; strings of JSON are strings of Python. */
function pythonValue(value: unknown): string {
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  if (value === null) return 'None'
  if (Array.isArray(value)) {
    const items = value.map((item) => `        ${pythonValue(item)},`)
    return `[\n${items.join('\n')}\n    ]`
  }
  if (typeof value === 'object') {
    const entries = Object.entries(value).map(
      ([name, item]) => `${JSON.stringify(name)}: ${pythonValue(item)}`,
    )
    return `{${entries.join(', ')}}`
  }
  return JSON.stringify(value)
}
