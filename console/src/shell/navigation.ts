/** The rooms of the console: address, name, key to go there, and who may. */

export interface Place {
  path: string
  name: string
  /** Pressed after `g`. */
  key: string
  permission: string
  /** Of all tenants: not for people who are bound to some. */
  isOfAll?: true
}

export interface PlaceGroup {
  title: string | null
  places: Place[]
}

export const navigation: PlaceGroup[] = [
  {
    title: null,
    places: [
      { path: '/', name: 'Mill floor', key: 'f', permission: 'floor:read' },
      { path: '/playground', name: 'Playground', key: 'p', permission: 'playground:use' },
      { path: '/batches', name: 'Batches', key: 'b', permission: 'batches:read' },
      { path: '/plan', name: 'Plan', key: 'l', permission: 'plan:run' },
    ],
  },
  {
    title: 'Models',
    places: [
      { path: '/engines', name: 'Engines', key: 'e', permission: 'engines:read' },
      { path: '/cluster', name: 'Cluster', key: 'c', permission: 'cluster:read' },
      { path: '/routes', name: 'Routes', key: 'w', permission: 'routes:read' },
    ],
  },
  {
    title: 'People',
    places: [
      { path: '/tenants', name: 'Tenants', key: 't', permission: 'tenants:read' },
      { path: '/keys', name: 'Keys', key: 'k', permission: 'keys:read' },
      { path: '/people', name: 'People', key: 'o', permission: 'users:read' },
    ],
  },
  {
    title: 'Money',
    places: [
      { path: '/costs', name: 'Costs', key: 'd', permission: 'costs:read' },
      { path: '/budgets', name: 'Budgets', key: 'v', permission: 'budgets:read' },
      { path: '/statements', name: 'Statements', key: 's', permission: 'statements:read' },
      { path: '/prices', name: 'Prices', key: 'm', permission: 'prices:read' },
    ],
  },
  {
    title: 'Record',
    places: [
      { path: '/usage', name: 'Usage', key: 'u', permission: 'usage:read' },
      { path: '/requests', name: 'Requests', key: 'r', permission: 'requests:read' },
      { path: '/audit', name: 'Audit', key: 'a', permission: 'audit:read' },
      {
        path: '/retention',
        name: 'Retention',
        key: 'n',
        permission: 'costs:read',
        isOfAll: true,
      },
    ],
  },
]

/**
 * The groups without what the person may not see.
 * @param isBound true where only some tenants are within reach
 */
export function navigationFor(permissions: readonly string[], isBound: boolean): PlaceGroup[] {
  return navigation
    .map(({ title, places }) => ({
      title,
      places: places.filter(
        ({ permission, isOfAll }) => permissions.includes(permission) && !(isOfAll && isBound),
      ),
    }))
    .filter(({ places }) => places.length > 0)
}

export function placeOf(path: string): Place | undefined {
  const places = navigation.flatMap((group) => group.places)
  return places.find((place) =>
    place.path === '/' ? path === '/' : path === place.path || path.startsWith(`${place.path}/`),
  )
}
