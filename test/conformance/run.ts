/**
 * `npm run conformance`: the official suite against a server built on the public door. Every check
 * has to pass; nothing is expected to fail. Ends with a line of counts, and exits by them.
 *
 * The suite is installed on first use, from its own lock file.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { inspect } from './inspector.ts';

const here = dirname(fileURLToPath(import.meta.url));
const suite = join(here, 'suite');
const cli = join(suite, 'node_modules/@modelcontextprotocol/conformance/dist/index.js');
/** A run with fewer checks than these has not run what it should. */
const CHECKS_MIN = { '2026-07-28': 150, tasks: 44, '2025-11-25': 80, inspector: 24 };
const RUN_MS = 300_000;

type Status = 'SUCCESS' | 'FAILURE' | 'WARNING' | 'SKIPPED' | 'INFO';

interface Check {
  readonly id: string;
  readonly status: Status;
  readonly errorMessage?: string;
}

interface Scenario {
  readonly name: string;
  readonly checks: readonly Check[];
}

function install(): void {
  if (existsSync(cli)) return;
  const args = ['ci', '--prefix', suite, '--no-audit', '--no-fund', '--ignore-scripts'];
  const { status } = spawnSync('npm', args, { stdio: 'inherit' });
  if (status !== 0) throw new Error(`npm ${args.join(' ')} failed.`);
}

async function startServer(
  flags: readonly string[],
): Promise<{ child: ChildProcess; url: string }> {
  const args = ['--conditions=mcp-async-jobs-source', join(here, 'server.ts'), ...flags];
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const line = once(createInterface(child.stdout), 'line') as Promise<[string]>;
  const ended = once(child, 'exit').then(() => {
    throw new Error('The server ended before it was listening.');
  });
  const [url] = await Promise.race([line, ended]);
  ended.catch(() => {});
  return { child, url };
}

async function stopServer(child: ChildProcess): Promise<void> {
  child.stdin?.end();
  const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
  if (child.exitCode === null) await once(child, 'exit');
  clearTimeout(timer);
}

/** Run the suite once against a server of its own. */
async function run(version: string, flags: readonly string[]): Promise<readonly Scenario[]> {
  const results = mkdtempSync(join(tmpdir(), 'mcp-async-jobs-conformance-results-'));
  const { child, url } = await startServer(flags);
  try {
    const args = [cli, 'server', '--url', url, '--requirements', version, '-o', results];
    const suiteRun = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    const timer = setTimeout(() => suiteRun.kill('SIGKILL'), RUN_MS);
    await once(suiteRun, 'exit');
    clearTimeout(timer);
    return readResults(results);
  } finally {
    await stopServer(child);
    rmSync(results, { recursive: true, force: true });
  }
}

function readResults(folder: string): readonly Scenario[] {
  return globSync(join(folder, '*/checks.json')).map((file) => ({
    name: basename(dirname(file)).replace(/^server-|-\d{4}-\d\d-\d\dT.*$/g, ''),
    checks: JSON.parse(readFileSync(file, 'utf8')) as readonly Check[],
  }));
}

/** @returns what the summary says of some scenarios, and whether all is well */
function judge(title: keyof typeof CHECKS_MIN, scenarios: readonly Scenario[]) {
  const count = (wanted: Status) =>
    scenarios.reduce(
      (sum, { checks }) => sum + checks.filter((c) => c.status === wanted).length,
      0,
    );
  for (const { name, checks } of scenarios) {
    for (const { id, status, errorMessage = '' } of checks) {
      if (status !== 'FAILURE' && status !== 'WARNING') continue;
      process.stdout.write(`${status} ${title} ${name} ${id}: ${errorMessage}\n`);
    }
  }
  const passed = count('SUCCESS');
  const failed = count('FAILURE') + count('WARNING');
  const isEnough = passed + failed >= CHECKS_MIN[title];
  if (!isEnough) process.stdout.write(`${title}: only ${passed + failed} checks were run\n`);
  const skipped = count('SKIPPED');
  const counts = `${title} ${passed}/${passed + failed}${skipped > 0 ? ` (${skipped} skipped)` : ''}`;
  return { counts, ok: failed === 0 && isEnough };
}

/** The Inspector's CLI, counted like the checks of the suite. */
async function runInspector(): Promise<readonly Scenario[]> {
  const bin = join(
    suite,
    'node_modules/@modelcontextprotocol/inspector/clients/mcpdo/build/mcp-bin.js',
  );
  const { child, url } = await startServer([]);
  try {
    return (await inspect(bin, url)).map(({ name, problem }) => ({
      name,
      checks: [
        {
          id: 'inspector',
          status: problem === null ? 'SUCCESS' : 'FAILURE',
          errorMessage: problem ?? '',
        },
      ],
    }));
  } finally {
    await stopServer(child);
  }
}

install();
const modern = await run('2026-07-28', []);
const old = await run('2025-11-25', ['--sessionful']);
const tasks = modern.filter(({ name }) => name.startsWith('tasks-'));
const judged = [
  judge('2026-07-28', modern),
  judge('tasks', tasks),
  judge('2025-11-25', old),
  judge('inspector', await runInspector()),
];
const ok = judged.every((one) => one.ok);
const counts = judged.map((one) => one.counts).join(', ');
process.stdout.write(`conformance: ${counts}: ${ok ? 'every check passed' : 'FAILED'}\n`);
process.exitCode = ok ? 0 : 1;
