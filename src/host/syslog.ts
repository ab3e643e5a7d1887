/** Messages of syslog (RFC 5424) over UDP or TCP (octet counting, RFC 6587). */
import { createSocket } from 'node:dgram'
import { connect } from 'node:net'
import { hostname } from 'node:os'
import type { Clock } from '../base/index.ts'

export interface SyslogTarget {
  protocol: 'udp' | 'tcp'
  host: string
  port: number
}

export interface SyslogMessage {
  at: Date
  /** What kind it is, at most 32 printable characters. */
  id: string
  /** In ASCII. */
  text: string
}

/** Facility 13 (log audit), severity 5 (notice). */
const PRIORITY = 13 * 8 + 5
const SEND_MS_MAX = 5000

/** One message as it goes over the wire. */
export function syslogLine({ at, id, text }: SyslogMessage, host = hostname()): string {
  const name = printable(host, 255)
  const header = `<${PRIORITY}>1 ${at.toISOString()} ${name} gristmill ${process.pid}`
  return `${header} ${printable(id, 32)} - ${text}`
}

const printable = (text: string, lengthMax: number) =>
  text.replace(/[^\x21-\x7e]/g, '_').slice(0, lengthMax) || '-'

/**
 * Sends messages in their order; with UDP nobody says whether they arrive.
 * @throws Error where they cannot be handed over
 */
export async function sendSyslog(
  target: SyslogTarget,
  messages: readonly SyslogMessage[],
  clock: Clock,
): Promise<void> {
  const lines = messages.map((message) => Buffer.from(syslogLine(message)))
  await (target.protocol === 'udp' ? sendUdp(target, lines) : sendTcp(target, lines, clock))
}

async function sendUdp({ host, port }: SyslogTarget, lines: readonly Buffer[]): Promise<void> {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
  try {
    for (const line of lines) {
      await new Promise<void>((resolve, reject) => {
        socket.send(line, port, host, (error) => (error ? reject(error) : resolve()))
      })
    }
  } finally {
    socket.close()
  }
}

/** The connection is closed in order, so that all has been taken when this is done. */
function sendTcp({ host, port }: SyslogTarget, lines: readonly Buffer[], clock: Clock) {
  return new Promise<void>((resolve, reject) => {
    const socket = connect({ host, port })
    const late = clock.after(SEND_MS_MAX, () => socket.destroy(new Error('it does not answer')))
    socket.once('error', reject)
    socket.once('close', () => {
      late.cancel()
      resolve()
    })
    socket.resume()
    for (const line of lines) socket.write(Buffer.concat([Buffer.from(`${line.length} `), line]))
    socket.end()
  })
}
