/**
 * `npm run mutation`: changes the rules of jobs and the generator of codes in every small way, and
 * looks whether their tests notice. A copy of the tree is changed, never the tree itself; the tools
 * have a folder and a lock file of their own (test/mutation), so that nobody else installs them.
 *
 * `npm run mutation -- src/job/states.ts` narrows it to files. Fails below 85 % in all, or in codes.
 */
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const TOOLS = join(ROOT, 'test/mutation');
const SCORE_MIN = 85;

const MUTATED = ['src/job/*.ts', '!src/job/*.test.ts', 'src/access-codes/codes.ts'];
const TESTS = ['src/job/*.test.ts', 'test/access-codes/codes.test.ts'];

interface Mutant {
  readonly status: string;
  readonly mutatorName: string;
  readonly replacement?: string;
  readonly location: { readonly start: { readonly line: number } };
}

interface Report {
  readonly files: Readonly<Record<string, { readonly mutants: readonly Mutant[] }>>;
}

const CAUGHT = new Set(['Killed', 'Timeout']);
const SURVIVED = new Set(['Survived', 'NoCoverage']);

function main(): number {
  if (!existsSync(join(TOOLS, 'node_modules'))) run('npm', ['ci', '--ignore-scripts'], TOOLS);
  const copy = mkdtempSync(join(tmpdir(), 'mcp-async-jobs-mutation-'));
  try {
    for (const name of [
      'src',
      'test/access-codes',
      'test/support',
      'package.json',
      'tsconfig.json',
    ]) {
      cpSync(join(ROOT, name), join(copy, name), { recursive: true });
    }
    symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
    writeFileSync(join(copy, 'stryker.config.json'), JSON.stringify(configuration()));
    run(
      process.execPath,
      [join(TOOLS, 'node_modules/@stryker-mutator/core/bin/stryker.js'), 'run'],
      copy,
    );
    return summary(JSON.parse(readFileSync(join(copy, 'report.json'), 'utf8')) as Report);
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

function configuration(): object {
  const given = process.argv.slice(2);
  return {
    mutate: given.length > 0 ? given : MUTATED,
    testRunner: 'tap',
    tap: {
      testFiles: TESTS,
      nodeArgs: ['--conditions=mcp-async-jobs-source', '--test-reporter=tap'],
    },
    plugins: [join(TOOLS, 'node_modules/@stryker-mutator/tap-runner/dist/src/index.js')],
    reporters: ['json'],
    jsonReporter: { fileName: 'report.json' },
    coverageAnalysis: 'perTest',
    inPlace: true,
    checkers: [],
    concurrency: 2,
    timeoutMS: 5_000,
    allowEmpty: false,
    logLevel: 'warn',
  };
}

/** Prints each file's score and every survivor. */
function summary({ files }: Report): number {
  let caught = 0;
  let all = 0;
  for (const [path, { mutants }] of Object.entries(files)) {
    const counted = mutants.filter(({ status }) => CAUGHT.has(status) || SURVIVED.has(status));
    const killed = counted.filter(({ status }) => CAUGHT.has(status)).length;
    caught += killed;
    all += counted.length;
    say(`${path}: ${killed}/${counted.length} ${percent(killed, counted.length)} %`);
    for (const { status, mutatorName, replacement, location } of counted) {
      if (!SURVIVED.has(status)) continue;
      const shown = (replacement ?? '').replaceAll(/\s+/g, ' ').slice(0, 100);
      say(`  ${status} line ${location.start.line}: ${mutatorName} -> ${shown}`);
    }
  }
  say(`all: ${caught}/${all} ${percent(caught, all)} %`);
  return percent(caught, all) >= SCORE_MIN ? 0 : 1;
}

function percent(part: number, whole: number): number {
  return whole === 0 ? 100 : Math.round((1_000 * part) / whole) / 10;
}

function run(command: string, args: readonly string[], cwd: string): void {
  const path = [join(ROOT, 'node_modules/.bin'), process.env['PATH']].join(delimiter);
  const { status, error } = spawnSync(command, args, {
    cwd,
    stdio: 'inherit',
    env: { ...process.env, PATH: path },
  });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}`);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

process.exitCode = main();
