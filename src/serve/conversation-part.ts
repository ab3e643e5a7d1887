/** Responses that this gateway keeps, joined with its tenants. */
import type { Clock, Config, Logger, Random } from '../base/index.ts'
import {
  ResponseDoor,
  ResponseRunner,
  ResponseStore,
  ResponseSweep,
} from '../conversation/index.ts'
import type { Gateway } from '../gateway/index.ts'
import type { Home } from '../host/index.ts'
import type { Tenancy } from '../tenancy/index.ts'
import type { DatabasePart } from './database-part.ts'

export interface ConversationPart {
  responses: ResponseStore
  door: ResponseDoor
  /** What runs those in the background; nothing runs before `start`. */
  runner(gateway: Gateway): ResponseRunner
}

export interface ConversationPartOptions {
  config: Config
  home: Home
  part: DatabasePart
  tenancy: Tenancy
  clock: Clock
  random: Random
  logger: Logger
  stack: AsyncDisposableStack
}

export function conversationPart(options: ConversationPartOptions): ConversationPart {
  const { config, home, part, tenancy, clock, random, logger, stack } = options
  const { database, work } = part
  const masterKey = config.contentKey ?? home.secret('content')
  const base = { database, clock, random, logger, limits: config.limits }
  const responses = new ResponseStore({ ...base, masterKey })
  const keptDays = () => tenancy.tenants.responseDays()
  const sweep = new ResponseSweep({ ...base, responses, keptDays })
  stack.defer(() => sweep.close())
  const runner = (gateway: Gateway) => {
    const made = new ResponseRunner({
      ...base,
      responses,
      gateway,
      principalOf: (keyId) => tenancy.principalOfKey(keyId),
      isOurs: () => work.isOurs(),
      fence: () => work.fence(),
    })
    stack.defer(() => made.close())
    return made
  }
  return { responses, door: new ResponseDoor({ responses }), runner }
}
