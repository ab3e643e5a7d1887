import assert from 'node:assert/strict'
import { duplexPair } from 'node:stream'
import { it } from 'node:test'
import { FakeClock } from '../base/index.ts'
import { eventually } from '../base/test-eventually.ts'
import { PeerStream } from './peer-stream.ts'

function pair(onMessage: (message: string) => void) {
  const clock = new FakeClock()
  const [one, other] = duplexPair()
  const closed: string[] = []
  const sender = new PeerStream<never, string>(one, {
    clock,
    onMessage: () => assert.fail('nothing is sent that way'),
    onClose: () => undefined,
  })
  const taker = new PeerStream<string, never>(other, {
    clock,
    onMessage,
    onClose: (reason) => closed.push(reason),
  })
  const close = () => {
    sender.close('the test is over')
    taker.close('the test is over')
  }
  return { sender, closed, raw: one, close }
}

it('a message that cannot be taken ends the connection that it came by, and nothing else', async () => {
  const taken: string[] = []
  const { sender, closed, close } = pair((message) => {
    if (message === 'of another version') throw new TypeError('x is not a function')
    taken.push(message)
  })
  for (const message of ['known', 'of another version', 'after it']) sender.send(message)
  await eventually('it is closed', () => closed.length > 0)
  assert.deepEqual(taken, ['known'])
  assert.deepEqual(closed, ['what it says cannot be taken: x is not a function'])
  close()
})

it('neither does what is no message at all', async () => {
  const { raw, closed, close } = pair(() => undefined)
  raw.write('nonsense\n')
  await eventually('it is closed', () => closed.length > 0)
  assert.match(closed[0] ?? '', /^what it says cannot be taken: /)
  close()
})
