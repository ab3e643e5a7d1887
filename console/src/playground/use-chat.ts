/** A conversation: its turns, the one that is being answered, and stopping it. */
import { useEffect, useRef, useState } from 'react'
import {
  type ChatSettings,
  type Message,
  noFigures,
  type RunFigures,
  streamChat,
} from './chat-stream.ts'

export interface Turn {
  id: number
  question: string
  answer: string
  /** What the model thought before it, where the engine tells it. */
  thoughts: string
  figures: RunFigures
  state: 'waiting' | 'streaming' | 'done' | 'stopped' | 'failed'
  error: unknown
}

export function useChat() {
  const [turns, setTurns] = useState<Turn[]>([])
  const stopper = useRef<AbortController | null>(null)
  useEffect(() => () => stopper.current?.abort(), [])
  const current = turns.at(-1)
  const isBusy = current?.state === 'waiting' || current?.state === 'streaming'

  const send = async (settings: ChatSettings, question: string) => {
    const controller = new AbortController()
    stopper.current = controller
    const id = (turns.at(-1)?.id ?? 0) + 1
    const turn: Turn = {
      id,
      question,
      answer: '',
      thoughts: '',
      figures: noFigures,
      state: 'waiting',
      error: null,
    }
    setTurns([...turns, turn])
    const update = (change: (turn: Turn) => Partial<Turn>) =>
      setTurns((all) => all.map((one) => (one.id === id ? { ...one, ...change(one) } : one)))
    const messages = [...messagesOf(turns), { role: 'user' as const, content: question }]
    try {
      await streamChat(
        settings,
        messages,
        controller.signal,
        (text, thought) =>
          update(({ answer, thoughts }) => ({
            answer: answer + text,
            thoughts: thoughts + thought,
            state: 'streaming',
          })),
        (known) => update(({ figures }) => ({ figures: { ...figures, ...known } })),
      )
      update(() => ({ state: 'done' }))
    } catch (error) {
      if (controller.signal.aborted) update(() => ({ state: 'stopped' }))
      else update(() => ({ state: 'failed', error }))
    }
  }

  return {
    turns,
    isBusy,
    send,
    stop: () => stopper.current?.abort(),
    clear: () => {
      stopper.current?.abort()
      setTurns([])
    },
  }
}

/** What was said so far; turns without an answer are left out, as a model cannot read them. */
export function messagesOf(turns: readonly Turn[]): Message[] {
  return turns
    .filter(({ answer }) => answer !== '')
    .flatMap(({ question, answer }): Message[] => [
      { role: 'user', content: question },
      { role: 'assistant', content: answer },
    ])
}
