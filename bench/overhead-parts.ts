/**
 * What single parts of the gateway cost: a route before the model's name, guards of one pattern
 * before and after, and the translation of streams, each over the plain pass-through of the same
 * gateway in the same turns.
 */
import { cpuUs } from './harness.ts'
import { closedLoop, type Target } from './load.ts'
import { LONG, type PartTargets, SHORT, STREAMS_AT_ONCE } from './overhead-arms.ts'
import { median } from './quantiles.ts'
import { alternate } from './statistics.ts'

export interface PartsOptions {
  pairs: number
  requests: number
  streams: number
  connections: number
  log: (text: string) => void
}

/** @param targets of one gateway, by part */
export async function measureParts(pid: number, targets: PartTargets, options: PartsOptions) {
  const { pairs, requests, streams, connections, log } = options
  const cost = async (run: () => Promise<unknown>) => {
    const before = cpuUs(pid)
    await run()
    return cpuUs(pid) - before
  }
  const count = Math.ceil(requests / pairs)
  const perRequest = (name: string, target: Target) => async () => {
    const us = (await cost(() => closedLoop(target, { connections, count }))) / count
    log(`requests, ${name}: ${us.toFixed(1)} µs each`)
    return us
  }
  const many = Math.ceil(streams / pairs / STREAMS_AT_ONCE) * STREAMS_AT_ONCE
  const perChunk = (name: string, targetOf: (length: number) => Target) => async () => {
    const of = async (length: number) => {
      const load = { connections: STREAMS_AT_ONCE, count: many }
      return (await cost(() => closedLoop(targetOf(length), load))) / many
    }
    const us = ((await of(LONG)) - (await of(SHORT))) / (LONG - SHORT)
    log(`streams, ${name}: ${us.toFixed(2)} µs per chunk`)
    return us
  }
  const {
    direct = [],
    routed = [],
    guarded = [],
  } = await alternate(
    {
      direct: perRequest('direct', targets.direct),
      routed: perRequest('routed', targets.routed),
      guarded: perRequest('guarded', targets.guarded),
    },
    pairs,
  )
  const {
    chat = [],
    messages = [],
    responses = [],
    guardedChat = [],
  } = await alternate(
    {
      chat: perChunk('chat, passed through', targets.chat),
      messages: perChunk('messages, translated', targets.messages),
      responses: perChunk('responses, translated', targets.responses),
      guardedChat: perChunk('chat, guarded', targets.guardedChat),
    },
    pairs,
  )
  return {
    directUsPerRequest: median(direct),
    routedUsPerRequest: median(routed),
    routedOverDirect: median(over(routed, direct)),
    routedOverDirects: over(routed, direct),
    guardedUsPerRequest: median(guarded),
    guardedOverRouted: median(over(guarded, routed)),
    guardedOverRouteds: over(guarded, routed),
    chatUsPerChunk: median(chat),
    messagesUsPerChunk: median(messages),
    responsesUsPerChunk: median(responses),
    messagesAddedUsPerChunk: median(added(messages, chat)),
    responsesAddedUsPerChunk: median(added(responses, chat)),
    guardedAddedUsPerChunk: median(added(guardedChat, chat)),
    partRequestsPerArm: count * pairs,
    partStreamsPerArmAndLength: many * pairs,
  }
}

const over = (a: readonly number[], b: readonly number[]) =>
  a.map((value, i) => value / (b[i] ?? Number.NaN))
const added = (a: readonly number[], b: readonly number[]) =>
  a.map((value, i) => value - (b[i] ?? Number.NaN))
