/** Variables of the configuration that are about money. */
import { z } from 'zod'
import type { MailConfig } from './config-types.ts'

export const moneyVariables = {
  GRISTMILL_CURRENCY: z
    .string()
    .regex(/^[A-Z]{3}$/, 'must be a code such as USD')
    .default('USD')
    .describe('code of the currency that prices and budgets are in'),
  GRISTMILL_STATEMENT_ISSUER: z
    .string()
    .trim()
    .max(500)
    .transform((text) => text.replaceAll('\\n', '\n'))
    .optional()
    .describe('who statements are from, as it stands on them; `\\n` begins a new line'),
  GRISTMILL_SMTP_URL: z
    .url({ protocol: /^smtps?$/ })
    .refine((text) => new URL(text).password === '', 'the password is GRISTMILL_SMTP_PASSWORD')
    .optional()
    .describe(
      'mail server for alerts of budgets, such as `smtp://mill@mail.example.org:587`; `smtps:` is TLS from the first byte',
    ),
  GRISTMILL_SMTP_PASSWORD: z.string().min(1).optional().describe('password of its user'),
  GRISTMILL_SMTP_FROM: z
    .string()
    .regex(/^([^<>\r\n]*<)?[^<>@\s]+@[^<>@\s]+>?$/, 'must be an address, or `Name <address>`')
    .optional()
    .describe('whom alerts are from; needed with `GRISTMILL_SMTP_URL`'),
}

interface MailVariables {
  GRISTMILL_SMTP_URL?: string | undefined
  GRISTMILL_SMTP_PASSWORD?: string | undefined
  GRISTMILL_SMTP_FROM?: string | undefined
}

export function mailOf(env: MailVariables): MailConfig | undefined {
  const { GRISTMILL_SMTP_URL: url, GRISTMILL_SMTP_FROM: from } = env
  if (url === undefined || from === undefined) return undefined
  return { url, from, password: env.GRISTMILL_SMTP_PASSWORD }
}

/** What is wrong between values each of which is right. */
export function mailContradictions(env: MailVariables): string[] {
  const { GRISTMILL_SMTP_URL: url, GRISTMILL_SMTP_FROM: from } = env
  if ((url === undefined) === (from === undefined)) return []
  return ['GRISTMILL_SMTP_URL: it needs GRISTMILL_SMTP_FROM, and that needs it']
}
