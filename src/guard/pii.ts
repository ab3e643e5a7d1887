/**
 * Personal data by their form, and by their check digits where they have some. A name or a street
 * has no form and is not found.
 */

export const piiEntities = ['email', 'phone', 'card', 'iban', 'ipv4', 'us_ssn'] as const
export type PiiEntity = (typeof piiEntities)[number]

export interface PiiForm {
  /** In RE2's syntax. */
  pattern: string
  replacement: string
  /** False for what only looks like it. */
  isReal?(text: string): boolean
}

export const piiForms: Readonly<Record<PiiEntity, PiiForm>> = {
  email: {
    pattern: String.raw`[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}`,
    replacement: '[EMAIL]',
  },
  phone: {
    pattern: String.raw`\+\d[\d ().-]{6,18}\d|(?:\(\d{3}\) ?|\b\d{3}[ .-])\d{3}[ .-]\d{4}\b`,
    replacement: '[PHONE]',
  },
  card: {
    pattern: String.raw`\b(?:\d{4}[ -]?){3}\d{4}\b|\b3[47]\d{2}[ -]?\d{6}[ -]?\d{5}\b`,
    replacement: '[CARD]',
    isReal: hasLuhnDigit,
  },
  iban: {
    pattern: String.raw`\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b`,
    replacement: '[IBAN]',
    isReal: hasIbanDigits,
  },
  ipv4: {
    pattern: String.raw`\b(?:\d{1,3}\.){3}\d{1,3}\b`,
    replacement: '[IP]',
    isReal: (text) => text.split('.').every((part) => Number(part) <= 255),
  },
  us_ssn: {
    pattern: String.raw`\b\d{3}-\d{2}-\d{4}\b`,
    replacement: '[SSN]',
    isReal: (text) => !/^(?:000|666|9)|-00-|-0000$/.test(text),
  },
}

/** ISO/IEC 7812-1, annex B. */
function hasLuhnDigit(text: string): boolean {
  let sum = 0
  let isDoubled = false
  for (let at = text.length - 1; at >= 0; at--) {
    const digit = text.charCodeAt(at) - 48
    if (digit < 0 || digit > 9) continue
    const value = isDoubled ? digit * 2 : digit
    sum += value > 9 ? value - 9 : value
    isDoubled = !isDoubled
  }
  return sum % 10 === 0
}

/** ISO 13616-1: the number that the letters and digits make is 1 modulo 97. */
function hasIbanDigits(text: string): boolean {
  const letters = text.replaceAll(' ', '')
  let rest = 0
  for (const letter of letters.slice(4) + letters.slice(0, 4)) {
    const value = Number.parseInt(letter, 36)
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97
  }
  return rest === 1
}
