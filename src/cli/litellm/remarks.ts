/** What a move finds on its way: what it cannot take along, and what it needs first. */

/** @property where place in the file or the database; never a secret */
export interface Remark {
  where: string
  why: string
}

export class Remarks {
  readonly noEquivalent: Remark[] = []
  /** Nothing is moved while there are any; `why` says what to do. */
  readonly missing: Remark[] = []

  left(where: string, why: string): void {
    add(this.noEquivalent, { where, why })
  }

  lacks(where: string, why: string): void {
    add(this.missing, { where, why })
  }
}

function add(list: Remark[], { where, why }: Remark): void {
  if (!list.some((one) => one.where === where && one.why === why)) list.push({ where, why })
}
