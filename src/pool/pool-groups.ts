/**
 * Which engines and models belong together: engines that share a model form one pool, and counters
 * live per pool. The partition is redrawn when an engine comes, goes or changes its models.
 */

import { DeadlineQueues } from './deadline-queues.ts'
import { PlacesNeeded } from './places-needed.ts'
import type { BandState, EngineSlots, EngineState, PoolGroup } from './scheduler-types.ts'
import { Account, ShareTree } from './share-tree.ts'
import type { TicketState } from './ticket-state.ts'
import { WaitLimits } from './wait-limits.ts'
import { NONE, type WaitingLine } from './waiting-line.ts'
import { WarmPrefixes } from './warm-prefixes.ts'

const IDLE = { inFlight: 0, open: Infinity, background: 0, unread: 0, unreadBackground: 0 }

export class PoolGroups {
  readonly #engines = new Map<string, EngineState>()
  #groups: PoolGroup[] = []
  readonly #byModel = new Map<string, PoolGroup>()
  readonly #line: WaitingLine<TicketState>

  /** @param line where all tickets wait */
  constructor(line: WaitingLine<TicketState>) {
    this.#line = line
  }

  all(): readonly PoolGroup[] {
    return this.#groups
  }

  engines(): readonly EngineState[] {
    return [...this.#engines.values()]
  }

  engine(id: string): EngineState | undefined {
    return this.#engines.get(id)
  }

  serves(model: string): boolean {
    const group = this.#byModel.get(model)
    return group?.engines.some((e) => e.cap > 0 && e.models.includes(model)) ?? false
  }

  hasChoice(model: string): boolean {
    let serving = 0
    for (const { cap, models } of this.#byModel.get(model)?.engines ?? []) {
      if (cap > 0 && models.includes(model)) serving++
    }
    return serving > 1
  }

  /** The pool of a model; a model that nothing serves gets a pool of its own to wait in. */
  of(model: string): PoolGroup {
    const found = this.#byModel.get(model)
    if (found !== undefined) return found
    const group = createGroup(this.#line)
    group.models.add(model)
    this.#groups.push(group)
    this.#byModel.set(model, group)
    return group
  }

  tree(band: BandState, level: 'upper' | 'lower', model: string): ShareTree<TicketState> {
    let tree = band[level].get(model)
    if (tree === undefined) {
      const { queues, engines } = this.of(model)
      tree = new ShareTree<TicketState>(model, band.root, queues)
      tree.servable = engines.some((e) => e.cap > 0 && e.models.includes(model))
      band[level].set(model, tree)
    }
    return tree
  }

  /** @returns waiting tickets that must be queued anew because their pool has changed */
  setEngine(slots: EngineSlots): TicketState[] {
    const engine = this.#engines.get(slots.id)
    const sameModels = engine && sameMembers(engine.models, slots.models)
    if (engine) {
      Object.assign(engine, slots)
      // Whatever comes back may have been started anew.
      if (slots.cap === 0) engine.prefixes = new WarmPrefixes()
    } else this.#engines.set(slots.id, { ...slots, ...IDLE, prefixes: new WarmPrefixes() })
    const moved = sameModels ? [] : this.#redraw()
    this.#markServable()
    return moved
  }

  removeEngine(id: string): TicketState[] {
    if (!this.#engines.delete(id)) return []
    const moved = this.#redraw()
    this.#markServable()
    return moved
  }

  /** Joins engines and models into groups; a group whose models stay the same keeps its state. */
  #redraw(): TicketState[] {
    const moved: TicketState[] = []
    const engines = [...this.#engines.values()]
    // A model that nobody serves has a pool only as long as somebody waits for it.
    const wanted = this.#groups.filter(({ tenants }) => tenants.size > 0)
    const models = wanted.flatMap((group) => [...group.models])
    const parts = components(engines, models)
    const kept: PoolGroup[] = []
    for (const part of parts) {
      const old = this.#groups.find((group) => sameMembers([...group.models], part.models))
      const group = old ?? createGroup(this.#line)
      group.models = new Set(part.models)
      group.engines = part.engines
      kept.push(group)
    }
    for (const group of this.#groups) {
      if (!kept.includes(group)) moved.push(...waitingIn(group))
    }
    this.#groups = kept
    this.#byModel.clear()
    for (const group of kept) for (const model of group.models) this.#byModel.set(model, group)
    return moved
  }

  #markServable(): void {
    for (const group of this.#groups) {
      for (const tree of treesOf(group)) {
        tree.servable = group.engines.some((e) => e.cap > 0 && e.models.includes(tree.model))
      }
    }
  }
}

export function* treesOf(group: PoolGroup): Generator<ShareTree<TicketState>> {
  for (const band of [group.bands.interactive, group.bands.background]) {
    yield* band.upper.values()
    yield* band.lower.values()
  }
}

function waitingIn(group: PoolGroup): TicketState[] {
  const tickets: TicketState[] = []
  for (const tree of treesOf(group)) {
    const visit = (place: typeof tree.root) => {
      if (place.queue !== NONE) tickets.push(...tree.queues.items(place.queue))
      for (const account of place.account.children.values()) {
        const below = account.places.find((p) => p.tree === tree)
        if (below) visit(below)
      }
    }
    visit(tree.root)
  }
  return tickets.sort((a, b) => a.order - b.order)
}

function createGroup(line: WaitingLine<TicketState>): PoolGroup {
  const queues = new DeadlineQueues(line)
  const band = (): BandState => ({
    root: new Account<TicketState>('', 1, undefined),
    upper: new Map(),
    lower: new Map(),
    bypasses: new Map(),
  })
  return {
    models: new Set(),
    engines: [],
    bands: { interactive: band(), background: band() },
    tenants: new Map(),
    queues,
    limits: new WaitLimits(queues),
    activeWeight: 0,
    interactiveWeight: 0,
    needed: new PlacesNeeded(),
  }
}

interface Part {
  models: string[]
  engines: EngineState[]
}

/** Connected components of the graph engine – model; a model without engines stands alone. */
function components(engines: EngineState[], models: string[]): Part[] {
  const parts: Part[] = models.map((model) => ({ models: [model], engines: [] }))
  for (const engine of engines) {
    const joined: Part = { models: [...engine.models], engines: [engine] }
    for (const part of parts.filter((p) => p.models.some((m) => engine.models.includes(m)))) {
      parts.splice(parts.indexOf(part), 1)
      joined.models.push(...part.models)
      joined.engines.unshift(...part.engines)
    }
    joined.models = [...new Set(joined.models)]
    parts.push(joined)
  }
  return parts
}

function sameMembers(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((member) => b.includes(member))
}
