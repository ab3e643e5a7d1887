/** The same action on the command line. */
import { CopyButton } from './copy-button.tsx'

export function CliCommand({ command, className = '' }: { command: string; className?: string }) {
  return (
    <p
      className={`flex max-w-full items-center gap-2 text-[0.75rem] text-soft ${className}`}
      title="The same on the command line"
    >
      <span aria-hidden className="select-none">
        $
      </span>
      <code className="min-w-0 font-mono break-words">{command}</code>
      <CopyButton text={command} label={`Copy the command: ${command}`} />
    </p>
  )
}
