/** A request as the engine that it was granted gets it, and who takes the answer. */
import type { EngineRequest, EngineSink } from '../engine/index.ts'
import type { Grant } from '../pool/index.ts'
import { AnswerRelay } from './answer-relay.ts'
import type { CanonicalRequest } from './canonical.ts'
import { engineBody, type Told } from './engine-body.ts'
import { bodyFor } from './messages/own-words.ts'
import { MessagesRelay } from './messages/pass-relay.ts'
import { usageOfMessage } from './messages/pass-usage.ts'
import type { RelayOwner } from './relay.ts'
import { StreamRelay } from './stream-relay.ts'

/**
 * @param request as the target of the moment knows it
 * @throws GristmillError what the client is told where the engine does not speak its wire
 */
export function engineRequest(
  requestId: string,
  request: CanonicalRequest,
  grant: Grant,
  told: Told,
): EngineRequest {
  const { ownWords, stream } = request
  if (ownWords !== undefined) {
    ownWords.isPassing = grant.engine.speaksMessages
    if (ownWords.isPassing) {
      const body = bodyFor(ownWords, request.fields.model)
      return { requestId, path: '/v1/messages', body, stream, headers: ownWords.headers }
    }
    if (ownWords.untranslatable !== undefined) throw ownWords.untranslatable
  }
  const body = engineBody(request, grant, told)
  return { requestId, path: request.endpoint, body, stream }
}

export function relayFor({ ownWords, stream }: CanonicalRequest, owner: RelayOwner): EngineSink {
  if (ownWords?.isPassing) {
    return stream ? new MessagesRelay(owner) : new AnswerRelay(owner, usageOfMessage)
  }
  return stream ? new StreamRelay(owner) : new AnswerRelay(owner)
}
