/** A secret in the only moment in which it can be read. */
import { CopyButton } from './copy-button.tsx'

export function SecretOnce({ secret, note }: { secret: string; note: string }) {
  return (
    <div>
      <p className="text-soft">{note}</p>
      <p className="mt-3 flex items-center justify-between gap-3 rounded-lg border border-edge/60 bg-ground px-3 py-2">
        <code className="min-w-0 font-mono text-[0.82rem] break-all select-all">{secret}</code>
        <CopyButton text={secret} label="Copy it" caption="Copy" />
      </p>
    </div>
  )
}
