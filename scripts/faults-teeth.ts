/**
 * Planted bugs: each patch of test/faults/teeth is applied to a copy of the tree, and the fault that
 * its first lines name has to find it. What would not be found is not tested.
 */
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { root, sourceDigest } from './faults-results.ts';

const COPIED = ['src', 'test', 'scripts', 'bin', 'package.json', 'tsconfig.json'];
const FAULT_MS = 5 * 60_000;

export interface Tooth {
  readonly name: string;
  readonly path: string;
  /** The bug in one sentence. */
  readonly says: string;
  /** Fault, engine and count that find it. */
  readonly found: readonly string[];
}

export function teeth(): Tooth[] {
  return globSync('test/faults/teeth/*.patch', { cwd: root })
    .sort()
    .map((path) => {
      const text = readFileSync(join(root, path), 'utf8');
      const [, by = ''] = /^found by: (.+)$/m.exec(text) ?? [];
      const [says = ''] = text.split('\n', 1);
      return { name: basename(path, '.patch'), path: join(root, path), says, found: by.split(' ') };
    });
}

/** Why a patch cannot be applied to the tree as it is, or null. */
export function whyStale({ path }: Tooth, folder = root): string | null {
  const { status, stderr } = spawnSync('git', ['apply', '--check', path], {
    cwd: folder,
    encoding: 'utf8',
  });
  return status === 0 ? null : stderr.trim() || `git apply ended with ${status}`;
}

export interface Bite {
  readonly name: string;
  readonly fault: string;
  readonly engine: string;
  /** What was found, or null. */
  readonly found: string | null;
  readonly seconds: number;
  readonly source: string;
  readonly date: string;
}

const BITES = join(root, 'build/teeth.json');

export function bites(): readonly Bite[] {
  return existsSync(BITES) ? (JSON.parse(readFileSync(BITES, 'utf8')) as Bite[]) : [];
}

/** @returns whether every bug was found */
export function tryTeeth(names: readonly string[], say: (text: string) => void): boolean {
  const wanted = teeth().filter(({ name }) => names.length === 0 || names.includes(name));
  const source = sourceDigest();
  let misses = 0;
  for (const tooth of wanted) {
    const startedAt = performance.now();
    const { found, why } = bite(tooth);
    const [fault = '', engine = ''] = tooth.found;
    const seconds = Math.round((performance.now() - startedAt) / 1_000);
    const { name } = tooth;
    const result = found === null ? `NOT FOUND (${why})` : `found: ${found}`;
    say(`${name}: ${fault} on ${engine}, ${seconds} s: ${result}`);
    const date = new Date().toISOString();
    const kept = bites().filter((one) => one.name !== name);
    mkdirSync(join(root, 'build'), { recursive: true });
    writeFileSync(
      BITES,
      JSON.stringify([...kept, { name, fault, engine, found, seconds, source, date }], null, 1),
    );
    if (found === null) misses += 1;
  }
  say(`${wanted.length - misses} of ${wanted.length} planted bugs were found`);
  return misses === 0 && wanted.length > 0;
}

interface Found {
  readonly found: string | null;
  readonly why: string;
}

/** Plant a bug in a copy of the tree, and look whether its fault finds it. */
function bite(tooth: Tooth): Found {
  const folder = mkdtempSync(join(tmpdir(), 'mcp-async-jobs-teeth-'));
  try {
    for (const name of COPIED) {
      const filter = (path: string) => !path.endsWith('node_modules');
      cpSync(join(root, name), join(folder, name), { recursive: true, filter });
    }
    for (const name of ['node_modules', 'scripts/postgres/node_modules']) {
      symlinkSync(join(root, name), join(folder, name));
    }
    const stale = whyStale(tooth, folder);
    if (stale !== null) return { found: null, why: `the patch no longer applies: ${stale}` };
    spawnSync('git', ['apply', tooth.path], { cwd: folder });
    return look(folder, tooth);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function look(
  folder: string,
  { found: [fault = '', engine = 'sqlite', count = '1'] }: Tooth,
): Found {
  const { stdout, status } = spawnSync(
    process.execPath,
    [
      ...process.execArgv,
      join(folder, 'scripts/faults.ts'),
      fault,
      '--engine',
      engine,
      '--count',
      count,
      '--seed',
      '1',
      '--json',
    ],
    { cwd: folder, encoding: 'utf8', timeout: FAULT_MS },
  );
  const last = stdout.trim().split('\n').at(-1) ?? '';
  const { violations = [], missing = null } = JSON.parse(last || '{}') as {
    violations?: string[];
    missing?: string | null;
  };
  const found = violations.find((what) => !what.startsWith('the fault could not be done'));
  return { found: found ?? null, why: missing ?? violations[0] ?? `exit ${status}` };
}
