/**
 * Patterns as one program for a machine that reads a text once. RE2JS parses and compiles them; its
 * own matchers want the whole text, so what runs over streams is ours (`scanner.ts`), on the
 * instructions of RE2's programs (Russ Cox, "Regular Expression Matching: the Virtual Machine
 * Approach").
 */
import { RE2JS } from 're2js'

/** RE2's instructions, by the numbers that RE2JS gives them. */
export const Op = {
  ALT: 1,
  ALT_MATCH: 2,
  CAPTURE: 3,
  EMPTY_WIDTH: 4,
  MATCH: 6,
  NOP: 7,
  RUNE: 8,
  RUNE_ANY_NOT_NL: 11,
} as const

export interface Instruction {
  op: number
  out: number
  /** Second way of an alternative; conditions of an empty width. */
  arg: number
  /** True for code points that it takes. */
  takes(rune: number): boolean
  /** Which pattern matches where this is reached. */
  pattern: number
}

export interface Program {
  instructions: readonly Instruction[]
  /** Where each pattern begins. */
  starts: readonly number[]
  /** By code point below 128: whether a match can begin with it. */
  begins: Uint8Array
}

interface Re2Instruction {
  op: number
  out: number
  arg: number
  matchRune(rune: number): boolean
}

const ASCII = 128
const LF = 10
const RUNE_ANY = 10

/** @throws Error in words about the pattern */
export function parsePattern(pattern: string): RE2JS {
  return RE2JS.compile(pattern)
}

/** @param patterns as `parsePattern` gives them */
export function programOf(patterns: readonly RE2JS[]): Program {
  const instructions: Instruction[] = []
  const starts: number[] = []
  for (const [pattern, parsed] of patterns.entries()) {
    const base = instructions.length
    const { inst, start } = parsed.re2().prog as { inst: Re2Instruction[]; start: number }
    starts.push(base + start)
    for (const one of inst) {
      const isAlternative = one.op === Op.ALT || one.op === Op.ALT_MATCH
      const arg = isAlternative ? base + one.arg : one.arg
      const takes = takerOf(one)
      instructions.push({ op: one.op, out: base + one.out, arg, takes, pattern })
    }
  }
  return { instructions, starts, begins: beginsOf(instructions, starts) }
}

function takerOf(one: Re2Instruction): Instruction['takes'] {
  if (one.op === RUNE_ANY) return () => true
  if (one.op === Op.RUNE_ANY_NOT_NL) return (rune) => rune !== LF
  return (rune) => one.matchRune(rune)
}

function beginsOf(instructions: readonly Instruction[], starts: readonly number[]): Uint8Array {
  const first = reachable(instructions, starts).filter(isRune)
  return Uint8Array.from({ length: ASCII }, (_, rune) => Number(first.some((i) => i.takes(rune))))
}

/** True where a pattern can match without reading anything. */
export function matchesNothing({ instructions, starts }: Program): boolean {
  return reachable(instructions, starts).some(({ op }) => op === Op.MATCH)
}

export const isRune = ({ op }: Instruction) => op >= Op.RUNE && op <= Op.RUNE_ANY_NOT_NL

/** What is reached before anything is read, whatever stands around it. */
function reachable(instructions: readonly Instruction[], from: readonly number[]): Instruction[] {
  const seen = new Set(from)
  for (const at of seen) {
    const one = instructions[at]
    if (one === undefined || isRune(one) || one.op === Op.MATCH) continue
    if (one.op === Op.ALT || one.op === Op.ALT_MATCH) seen.add(one.arg)
    if (one.out !== at) seen.add(one.out)
  }
  return [...seen].map((at) => instructions[at]).filter((one) => one !== undefined)
}
