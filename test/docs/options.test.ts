/** docs/options.md against the sources: every option, no other, with true defaults and ranges. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseSync } from 'oxc-parser';
import { z } from 'zod';
import { program } from '../../src/cli/program.ts';
import { defineJob } from '../../src/index.ts';
import { checkOptions } from '../../src/http/check-options.ts';
import { local } from '../../src/http.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const page = read('docs/options.md');

/** Which interfaces, of which files, a section of the page tells of. */
const SECTIONS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  serve: { ServeOptions: 'src/http/options.ts' },
  defineJob: { JobOptions: 'src/job/definition.ts' },
  openStore: { OpenStoreOptions: 'src/sqlite.ts' },
  'openStore on PostgreSQL': {
    OpenStoreOptions: 'src/postgres.ts',
    MigrateOptions: 'src/postgres.ts',
  },
  defineStatement: { StatementOptions: 'src/job/effects.ts' },
  attach: { AttachOptions: 'src/mcp/attach.ts' },
  tokens: { TokensOptions: 'src/team/tokens.ts' },
  bearer: { BearerOptions: 'src/http/bearer.ts' },
  runWorker: { RunWorkerOptions: 'src/worker/in-process.ts' },
  supervise: { SuperviseOptions: 'src/worker/supervise.ts' },
  startSweeper: { SweeperOptions: 'src/worker/sweeper.ts' },
  callJob: { CallJobOptions: 'src/client/call-job.ts', WaitOptions: 'src/client/wait.ts' },
};

interface Row {
  readonly name: string;
  readonly unit: string;
  readonly fallback: string;
}

function rowsOf(section: string): Row[] {
  const [, text] =
    new RegExp(`^## ${section}\n([\\s\\S]*?)(?=^## |(?![\\s\\S]))`, 'm').exec(page) ?? [];
  assert.ok(text, `docs/options.md has no section "${section}"`);
  return [...text.matchAll(/^\| `(\w+)` +\| (.*?) *\| (.*?) *\|/gm)].map(
    ([, name = '', unit = '', fallback = '']) => ({ name, unit, fallback }),
  );
}

/** Names of the members of an exported interface. */
function membersOf(path: string, name: string): string[] {
  const { body } = parseSync(path, read(path)).program;
  for (const statement of body) {
    if (statement.type !== 'ExportNamedDeclaration') continue;
    const { declaration } = statement;
    if (declaration?.type !== 'TSInterfaceDeclaration' || declaration.id.name !== name) continue;
    return declaration.body.body.flatMap((member) =>
      'key' in member && member.key.type === 'Identifier' ? [member.key.name] : [],
    );
  }
  throw new Error(`${path} exports no interface ${name}`);
}

/** Numbers of a cell such as "ms, 1,000..3,600,000". */
function rangeOf({ unit }: Row): { min: number; max: number } | null {
  const [, min, max] = /([\d,]+)\.\.([\d,]+)(?!\s*of)/.exec(unit) ?? [];
  if (min === undefined || max === undefined) return null;
  const number = (text: string): number => Number(text.replaceAll(',', ''));
  return { min: number(min), max: number(max) };
}

for (const [section, sources] of Object.entries(SECTIONS)) {
  test(`${section} has every option and no other`, () => {
    const members = Object.entries(sources).flatMap(([name, path]) => membersOf(path, name));
    assert.ok(members.length > 1, `only ${members.length} members of ${section} were found`);
    assert.deepEqual(
      rowsOf(section)
        .map(({ name }) => name)
        .toSorted(),
      members.toSorted(),
    );
  });
}

/** Each documented bound is allowed, the number beyond it is not, and the default is the default. */
function checkNumbers(section: string, make: (given: Record<string, number>) => object): void {
  const made = make({}) as Readonly<Record<string, unknown>>;
  const ranged = rowsOf(section).filter((row) => rangeOf(row) !== null && row.name in made);
  assert.ok(ranged.length >= 2, `only ${ranged.length} ranges were found`);
  for (const row of ranged) {
    const { name, fallback } = row;
    const value = made[name];
    if (typeof value !== 'number') continue;
    const { min, max } = rangeOf(row) ?? { min: 0, max: 0 };
    make({ [name]: min });
    make({ [name]: max });
    for (const wrong of [min - 1, max + 1]) {
      assert.throws(() => make({ [name]: wrong }), TypeError, `${section}.${name} = ${wrong}`);
    }
    assert.match(fallback, new RegExp(`^${value.toLocaleString('en-US')}\\b`), name);
  }
}

test('numbers of serve have the documented ranges and defaults', () => {
  const jobs = new URL('./guide-jobs.ts', import.meta.url);
  checkNumbers('serve', (given) =>
    checkOptions({ jobs, db: 'jobs.db', identify: local(), ...given }),
  );
});

test('numbers of defineJob have the documented ranges and defaults', () => {
  const schema = z.object({});
  const given = { name: 'bake', description: 'Bakes.', input: schema, output: schema };
  checkNumbers('defineJob', (numbers) => defineJob({ ...given, run: () => ({}), ...numbers }));
});

test('every long option of the command line is on the page, and no other', () => {
  const inHelp = (command: ReturnType<typeof program>): string[] =>
    [...command.helpInformation().matchAll(/^ +(?:-\w, )?--([\w-]+)/gm)]
      .map(([, name = '']) => name)
      .concat(command.commands.flatMap((one) => inHelp(one)));
  // Commander's own, the same everywhere.
  const known = new Set(inHelp(program()).filter((name) => !['help', 'version'].includes(name)));
  assert.ok(known.size > 20, `only ${known.size} options were found`);
  const told = new Set([...page.matchAll(/^\| `--([\w-]+)/gm)].map(([, name = '']) => name));
  assert.deepEqual([...told].toSorted(), [...known].toSorted());
});
