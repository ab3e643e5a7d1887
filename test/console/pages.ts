/** Every page of the console, as the tests walk through them. */

export interface ConsolePage {
  name: string
  path: string
  /** Words that its first sentence must hold, computed from the invented installation. */
  sentence: RegExp
  isSignedOut?: boolean
  /** Before signing in where there is an identity provider. */
  hasProvider?: boolean
  /** Of an installation that nobody has used yet. */
  isUnused?: boolean
}

export const consolePages: ConsolePage[] = [
  { name: 'mill-floor', path: '/', sentence: /^The pool (is|has) / },
  { name: 'playground', path: '/playground', sentence: /Ask the pool as Support/ },
  { name: 'batches', path: '/batches', sentence: /^3 batches are under way: .* lines done at/ },
  { name: 'batch', path: '/batches/batch_01jd8mfixturerunning', sentence: /^A batch of Labels is/ },
  { name: 'batch-late', path: '/batches/batch_01jd8mfixturelate', sentence: /of Research is 6\d/ },
  { name: 'batch-failed', path: '/batches/batch_01jd8mfixturefailed', sentence: /for 3 errors/ },
  {
    name: 'batch-done',
    path: '/batches/batch_01jd8mfixturecompleted',
    sentence: /3 of them failed/,
  },
  { name: 'plan', path: '/plan', sentence: /One pool needs 1 engine where tenants alone need 6/ },
  {
    name: 'plan-none',
    path: '/plan?source=trace',
    sentence: /How many engines does your traffic need/,
    isUnused: true,
  },
  { name: 'batches-none', path: '/batches', sentence: /No batch has been made/, isUnused: true },
  { name: 'requests-none', path: '/requests', sentence: /Nothing has been asked/, isUnused: true },
  {
    name: 'cluster',
    path: '/cluster',
    sentence: /2 gateways live, 1 is silent; mill-2.example.org has scheduled for/,
  },
  { name: 'cluster-alone', path: '/cluster', sentence: /alone on its database/, isUnused: true },
  { name: 'engines', path: '/engines', sentence: /embedded-1 is up: 8 of 8 slots are busy/ },
  {
    name: 'routes',
    path: '/routes',
    sentence: /3 routes stand before 3 models. \d\d\s% of the last/,
  },
  { name: 'routes-edit', path: '/routes/edit?route=careful', sentence: /Nothing has been changed/ },
  { name: 'tenants', path: '/tenants', sentence: /4 tenants share the pool/ },
  { name: 'tenant', path: '/tenants/ten_0000', sentence: /Support is due 25\s% of the pool/ },
  { name: 'keys', path: '/keys', sentence: /5 keys work: 1 never used/ },
  { name: 'people', path: '/people', sentence: /4 people may sign in/ },
  {
    name: 'costs',
    path: '/costs?tenant=ten_0000&compare=yes',
    sentence:
      /has cost .*\sUSD so far; 28\s% of it for engines that nobody used\. Research pays the most/,
  },
  {
    name: 'statements',
    path: '/statements',
    sentence: /^12 statements stand; the last is number 14, of /,
  },
  {
    name: 'bills',
    path: '/statements/bills',
    sentence: /^3 differences of 2 bills keep their periods open; the newest is rented november/,
  },
  {
    name: 'bills-none',
    path: '/statements/bills',
    sentence: /^No bill of a service was compared/,
    isUnused: true,
  },
  { name: 'budgets', path: '/budgets', sentence: /Labels’s trial is used up .*; 5 of 6 have room/ },
  { name: 'prices', path: '/prices', sentence: /^3 prices hold; the next takes effect/ },
  { name: 'usage', path: '/usage', sentence: /4 tenants used .* service units/ },
  { name: 'usage-week', path: '/usage?span=week&by=key', sentence: /in the last 7 days/ },
  { name: 'requests', path: '/requests', sentence: /The latest 50 requests/ },
  { name: 'request', path: '/requests/FIRST', sentence: /got \d+ tokens/ },
  {
    name: 'retention',
    path: '/retention',
    sentence: /requests of 14 months are kept, on .*\sGB; \w+ \d{4} goes first, on 1\s/,
  },
  {
    name: 'retention-none',
    path: '/retention',
    sentence: /^No request is kept/,
    isUnused: true,
  },
  { name: 'audit', path: '/audit', sentence: /The last change was .* by Ada Miller/ },
  { name: 'sign-in', path: '/', sentence: /Sign in to the pool/, isSignedOut: true },
  {
    name: 'sign-in-refused',
    path: '/?failed=no_rule_fits&request=req_01',
    sentence: /Sign in to the pool/,
    hasProvider: true,
  },
  { name: 'first-run', path: '/first-run?token=one', sentence: /Take over/, isSignedOut: true },
  { name: 'not-found', path: '/nowhere', sentence: /no page at this address/ },
]
