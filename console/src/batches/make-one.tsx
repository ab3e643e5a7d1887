/** How a first batch is made, where there is none to show. */
import { Link } from 'wouter'
import { CliCommand } from '../parts/cli-command.tsx'
import { CopyButton } from '../parts/copy-button.tsx'

const steps = () => `from openai import OpenAI

client = OpenAI(base_url="${location.origin}/v1", api_key="YOUR_KEY")
lines = client.files.create(file=open("lines.jsonl", "rb"), purpose="batch")
batch = client.batches.create(
    input_file_id=lines.id,
    endpoint="/v1/chat/completions",
    completion_window="24h",
)
`

export function MakeOne() {
  const code = steps()
  return (
    <div className="max-w-[76ch]">
      <p>
        A batch is a file of requests that may take their time. It shows here with its progress, its
        pace and its expected end. It is made with{' '}
        <Link href="/keys" className="text-accent underline">
          a key
        </Link>{' '}
        and any OpenAI SDK:
      </p>
      <div className="relative my-3 rounded-lg border bg-ground">
        <pre className="overflow-x-auto p-3 pr-10 font-mono text-[0.75rem] text-ink slim-scroll">
          {code}
        </pre>
        <span className="absolute top-2 right-2">
          <CopyButton text={code} label="Copy the code" />
        </span>
      </div>
      <CliCommand command="gristmill batch submit lines.jsonl --watch" />
    </div>
  )
}
