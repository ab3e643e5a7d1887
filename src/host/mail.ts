/** E-mails, by the mail server that the operator has named. */
import { createTransport } from 'nodemailer'

export interface MailServer {
  /** `smtp://USER@HOST:587`, `smtps://…` for TLS from the first byte. */
  url: string
  /** Of the user in the address. */
  password: string | undefined
  from: string
}

export interface Mail {
  to: string
  /** Tells repetitions of the same e-mail; letters, digits, dots and dashes. */
  id: string
  subject: string
  text: string
}

/** @throws Error where the server does not take it, with its words */
export type SendMail = (mail: Mail) => Promise<void>

const WAIT_MS_MAX = 30_000

/** Without TLS from the first byte, STARTTLS is asked for before a password is sent. */
export function mailSender({ url, password, from }: MailServer): SendMail {
  const { protocol, hostname, port, username } = new URL(url)
  const isSecure = protocol === 'smtps:'
  const transport = createTransport({
    host: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? (isSecure ? 465 : 587) : Number(port),
    secure: isSecure,
    requireTLS: !isSecure && username !== '',
    ...(username !== '' && { auth: { user: decodeURIComponent(username), pass: password ?? '' } }),
    connectionTimeout: WAIT_MS_MAX,
    greetingTimeout: WAIT_MS_MAX,
    socketTimeout: WAIT_MS_MAX,
    // Nothing that a tenant has named is read from files or addresses.
    disableFileAccess: true,
    disableUrlAccess: true,
  })
  const domain = from.slice(from.lastIndexOf('@') + 1).replace(/>$/, '')
  return async ({ to, id, subject, text }) => {
    const headers = { 'auto-submitted': 'auto-generated' }
    await transport.sendMail({ from, to, subject, text, messageId: `<${id}@${domain}>`, headers })
  }
}
