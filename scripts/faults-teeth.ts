/**
 * Planted bugs: each patch of test/faults/teeth is applied to a copy of the tree, and the fault that
 * its first lines name has to find it. What would not be found is not tested.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { root } from './faults-results.ts';

const COPIED = ['src', 'test', 'scripts', 'bin', 'package.json', 'tsconfig.json'];
const FAULT_MS = 5 * 60_000;

export interface Tooth {
  readonly name: string;
  readonly path: string;
  /** Fault, engine and count that find it. */
  readonly found: readonly string[];
}

export function teeth(): Tooth[] {
  return globSync('test/faults/teeth/*.patch', { cwd: root })
    .sort()
    .map((path) => {
      const [, by = ''] = /^found by: (.+)$/m.exec(readFileSync(join(root, path), 'utf8')) ?? [];
      return { name: basename(path, '.patch'), path: join(root, path), found: by.split(' ') };
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

/** @returns whether every bug was found */
export async function tryTeeth(
  names: readonly string[],
  say: (text: string) => void,
): Promise<boolean> {
  const wanted = teeth().filter(({ name }) => names.length === 0 || names.includes(name));
  const misses = wanted.filter((tooth) => !isFound(tooth, say));
  say(`${wanted.length - misses.length} of ${wanted.length} planted bugs were found`);
  return misses.length === 0 && wanted.length > 0;
}

function isFound(tooth: Tooth, say: (text: string) => void): boolean {
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
    if (stale !== null) {
      say(`${tooth.name}: the patch no longer applies: ${stale}`);
      return false;
    }
    spawnSync('git', ['apply', tooth.path], { cwd: folder });
    const [fault = '', engine = 'sqlite', count = '1'] = tooth.found;
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
    const { violations = [], missing = null } = JSON.parse(
      stdout.trim().split('\n').at(-1) || '{}',
    ) as {
      violations?: string[];
      missing?: string | null;
    };
    const real = violations.filter((what) => !what.startsWith('the fault could not be done'));
    say(
      `${tooth.name}: ${real.length > 0 ? 'found' : `NOT FOUND (${missing ?? violations[0] ?? `exit ${status}`})`} by ${fault}: ${real[0] ?? ''}`,
    );
    return real.length > 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
