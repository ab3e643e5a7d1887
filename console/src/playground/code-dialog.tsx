/** “Copy as”: the conversation in three languages. */
import { useState } from 'react'
import { CopyButton } from '../parts/copy-button.tsx'
import { Dialog } from '../parts/dialog.tsx'
import type { ChatSettings, Message } from './chat-stream.ts'
import { type Language, languages, snippet } from './snippets.ts'

export interface CodeDialogProps {
  isOpen: boolean
  onClose: () => void
  settings: ChatSettings
  messages: readonly Message[]
}

export function CodeDialog({ isOpen, onClose, settings, messages }: CodeDialogProps) {
  const [language, setLanguage] = useState<Language>('curl')
  const code = snippet(language, location.origin, settings, messages)
  return (
    <Dialog title="The same from your own code" isOpen={isOpen} onClose={onClose}>
      <div className="flex items-center justify-between gap-3">
        <div className="flex gap-3">
          {languages.map((one) => (
            <button
              key={one}
              type="button"
              aria-pressed={one === language}
              onClick={() => setLanguage(one)}
              className={one === language ? 'font-[580]' : 'text-accent hover:underline'}
            >
              {one}
            </button>
          ))}
        </div>
        <CopyButton text={code} label={`Copy the ${language} code`} caption="Copy" />
      </div>
      <pre className="slim-scroll mt-3 max-h-[50vh] overflow-auto rounded-lg border bg-ground p-3 font-mono text-[0.75rem] leading-relaxed">
        {code}
      </pre>
      <p className="mt-2 text-[0.78rem] text-soft">
        With a key of the tenant in <code className="font-mono">GRISTMILL_API_KEY</code>.
      </p>
    </Dialog>
  )
}
