/** Everything that can be done from anywhere, by typing a few letters of it. */
import { useState } from 'react'
import { Dialog } from '../parts/dialog.tsx'
import type { Shortcut } from './shortcuts.ts'

export interface CommandListProps {
  commands: readonly Shortcut[]
  isOpen: boolean
  onClose: () => void
}

export default function CommandList({ commands, isOpen, onClose }: CommandListProps) {
  return (
    <Dialog title="Commands" isOpen={isOpen} onClose={onClose}>
      <Chooser commands={commands} onClose={onClose} />
    </Dialog>
  )
}

function Chooser({ commands, onClose }: Omit<CommandListProps, 'isOpen'>) {
  const [text, setText] = useState('')
  const [chosen, setChosen] = useState(0)
  const words = text.toLowerCase().split(/\s+/)
  const matching = commands.filter(({ title }) =>
    words.every((word) => title.toLowerCase().includes(word)),
  )
  const run = (command: Shortcut | undefined) => {
    if (command === undefined) return
    onClose()
    command.run()
  }
  const onKeyDown = (event: React.KeyboardEvent) => {
    if (event.key === 'Enter') run(matching[chosen])
    else if (event.key === 'ArrowDown') setChosen(Math.min(chosen + 1, matching.length - 1))
    else if (event.key === 'ArrowUp') setChosen(Math.max(chosen - 1, 0))
    else return
    event.preventDefault()
  }
  return (
    <div>
      <input
        data-first
        value={text}
        onChange={(event) => {
          setText(event.target.value)
          setChosen(0)
        }}
        onKeyDown={onKeyDown}
        placeholder="Go somewhere, do something"
        aria-label="Find a command"
        role="combobox"
        aria-expanded="true"
        aria-controls="commands"
        aria-activedescendant={matching[chosen] ? `command-${chosen}` : undefined}
        className="w-full rounded-lg border bg-ground px-3 py-2"
      />
      <div
        id="commands"
        role="listbox"
        aria-label="Commands"
        className="mt-2 max-h-[50vh] overflow-auto"
      >
        {matching.map((command, at) => (
          <div
            key={command.keys}
            id={`command-${at}`}
            role="option"
            tabIndex={-1}
            aria-selected={at === chosen}
            onClick={() => run(command)}
            onKeyDown={onKeyDown}
            onPointerMove={() => setChosen(at)}
            className={`flex cursor-pointer items-center justify-between gap-4 rounded-md px-3 py-1.5 ${at === chosen ? 'bg-sunk' : ''}`}
          >
            <span>{command.title}</span>
            <span className="flex gap-1">
              {command.keys.split(' ').map((key) => (
                <kbd key={key} className="rounded border px-1.5 font-mono text-[0.72rem] text-soft">
                  {key}
                </kbd>
              ))}
            </span>
          </div>
        ))}
        {matching.length === 0 && <p className="px-3 py-2 text-soft">No command is called that.</p>}
      </div>
    </div>
  )
}
