/** Faults whose attackers live in test/hostile, run from here so that one report tells of all. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { serveFrom } from '../access-codes/served.ts';
import { tablesAt } from '../hostile/rows.ts';
import { hostileInput } from '../hostile/run.ts';
import { openAt } from './address.ts';
import { ENGINES, place, type Engine } from './place.ts';
import { secretsOnPostgres } from './secrets.ts';
import type { Fault, FaultRun, Outcome } from './fault.ts';

/** Run test files; what fails in them is a violation. */
function byTests(of: Files) {
  return async ({ engine }: FaultRun): Promise<Outcome> => {
    const paths = (of[engine] ?? []).map((file) =>
      fileURLToPath(new URL(`../${file}`, import.meta.url)),
    );
    const args = ['--conditions=mcp-async-jobs-source', '--test', '--test-reporter=tap', ...paths];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    const [code] = (await once(child, 'close')) as [number | null];
    const count = (what: string) =>
      Number(new RegExp(`^# ${what} (\\d+)`, 'm').exec(text)?.[1] ?? 0);
    const failed = [...text.matchAll(/^ *not ok \d+ - (.+)$/gm)].map(([, title = '']) => title);
    const runs = count('tests') - count('skipped');
    if (code !== 0 && failed.length === 0) failed.push(`the tests ended with ${code}`);
    return { runs, counted: { tests: runs, passed: count('pass') }, violations: failed };
  };
}

type Files = Readonly<Partial<Record<Engine, readonly string[]>>>;

const tested = (title: string, bar: string, files: Files): Fault => ({
  title,
  bar,
  engines: ENGINES.filter((engine) => files[engine]),
  full: 1,
  quick: 1,
  run: byTests(files),
});

async function hostile({ t, engine, seed, count }: FaultRun): Promise<Outcome> {
  const at = engine === 'postgres' ? await place(t, engine) : null;
  if (at) serveFrom(async () => ({ store: await openAt(at, false), dump: async () => '' }));
  const tables = at ? { tables: () => tablesAt(at.at) } : {};
  const { sent, slowestMs, wrong } = await hostileInput({ seed, count, ...tables });
  const cases = Object.values(sent).reduce((sum, one) => sum + one, 0);
  return {
    runs: cases,
    counted: { ...sent, 'slowest ms': Math.round(slowestMs) },
    violations: wrong,
  };
}

export const HOSTILE: Readonly<Record<string, Fault>> = {
  F23: {
    title: 'hostile input over every tool, method and route',
    bar: '1,000 arguments for each tool in the long part: 0 crashes, hangs over 1 s, internal errors, echoes, changes',
    engines: ENGINES,
    full: 40_000,
    quick: 5_500,
    run: hostile,
  },
  F28: tested(
    'Origin and Host in every combination, altered and revoked tokens, what users write, what clients read of each other',
    'refused as the specification says',
    {
      sqlite: ['hostile/gate.test.ts', 'hostile/teams.test.ts'],
      postgres: ['hostile/on-postgres.ts'],
    },
  ),
  F33: {
    title:
      'tokens, codes and the key, looked for in rows, logs, answers, files, arguments, environments',
    bar: 'none is found',
    engines: ENGINES,
    full: 1,
    quick: 1,
    run: (run) =>
      run.engine === 'postgres'
        ? secretsOnPostgres(run)
        : byTests({ sqlite: ['hostile/secrets.test.ts'] })(run),
  },
  F34: tested(
    '360 names that a spreadsheet would compute, in the exported file, through LibreOffice and back',
    'no formula; names that tools accept come back byte for byte',
    { sqlite: ['access-codes/csv.test.ts', 'hostile/spreadsheet.test.ts', 'hostile/text.test.ts'] },
  ),
  F35: tested('text that computes, hides or speaks to a model', 'none of it in trusted fields', {
    sqlite: ['hostile/text.test.ts'],
    postgres: ['hostile/on-postgres.ts'],
  }),
  F38: tested(
    'installation without scripts, few packages, locks without hosts',
    'works without scripts',
    { sqlite: ['hostile/install.test.ts'] },
  ),
};
