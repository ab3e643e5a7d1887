/**
 * The numbers of accounts, a row each in one array. A dispatch reads and writes those of three
 * accounts; as fields of ten thousand tenants' objects they would lie in no cache.
 */

const COUNTER = 0
const WEIGHT = 1
const IN_FLIGHT = 2
const PARENT = 3
const ROW = 4

/** The row of the account above all others, which is charged with nothing. */
export const ROOT = 0

export class AccountRows {
  #numbers = new Float64Array(ROW * 16)
  #end = 0
  readonly #free: number[] = []

  /** A new row. @param parent that of the account above; undefined for the root, the first */
  add(weight: number, parent: number = ROOT): number {
    const row = this.#free.pop() ?? this.#end++
    const at = row * ROW
    if (at === this.#numbers.length) this.#grow()
    const numbers = this.#numbers
    numbers[at + COUNTER] = 0
    numbers[at + WEIGHT] = weight
    numbers[at + IN_FLIGHT] = 0
    numbers[at + PARENT] = parent
    return row
  }

  /** Gives a row back; nobody may use it any more. */
  drop(row: number): void {
    this.#free.push(row)
  }

  /** Service received ÷ weight, lifted so that idle time earns no credit. */
  counter(row: number): number {
    return this.#numbers[row * ROW + COUNTER] as number
  }

  setCounter(row: number, counter: number): void {
    this.#numbers[row * ROW + COUNTER] = counter
  }

  weight(row: number): number {
    return this.#numbers[row * ROW + WEIGHT] as number
  }

  setWeight(row: number, weight: number): void {
    this.#numbers[row * ROW + WEIGHT] = weight
  }

  inFlight(row: number): number {
    return this.#numbers[row * ROW + IN_FLIGHT] as number
  }

  /** The account of the first level, a tenant's, that this one is below or is itself. */
  top(row: number): number {
    const numbers = this.#numbers
    let at = row
    for (;;) {
      const parent = numbers[at * ROW + PARENT] as number
      if (parent === ROOT) return at
      at = parent
    }
  }

  /**
   * Adds service to an account and those above it.
   * @param started tickets that start or, below 0, end
   */
  charge(row: number, units: number, started = 0): void {
    const numbers = this.#numbers
    for (let at = row; at !== ROOT; ) {
      const first = at * ROW
      at = numbers[first + PARENT] as number
      ;(numbers[first + COUNTER] as number) += units / (numbers[first + WEIGHT] as number)
      ;(numbers[first + IN_FLIGHT] as number) += started
    }
  }

  #grow(): void {
    const numbers = new Float64Array(2 * this.#numbers.length)
    numbers.set(this.#numbers)
    this.#numbers = numbers
  }
}
