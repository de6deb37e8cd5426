/** What the documents say of files, commands, tests, codes, moves and dependencies is there. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ERRORS } from '../../src/job/error-codes.ts';
import { NEXT, STATUSES } from '../../src/job/states.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const documents = globSync('{*.md,docs/*.md}', { cwd: root });
const all = (pattern: RegExp, text: string): string[] =>
  [...text.matchAll(pattern)].map(([, found = '']) => found);
const sorted = (names: Iterable<string>): string[] => [...new Set(names)].toSorted();

/** The address of a heading, as it is made of its text. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');

test('copies in the documents are those of their sources', () => {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/docs.js', '--check'], {
    cwd: root,
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
});

test('every link of the documents leads somewhere', () => {
  assert.ok(documents.length >= 9, `only ${documents.length} documents were read`);
  for (const path of documents) {
    for (const link of all(/\]\(([^)\s]+)\)/g, read(path))) {
      if (/^https?:/.test(link)) continue;
      const [file = '', anchor] = link.split('#');
      const target = file === '' ? path : join(dirname(path), file);
      assert.ok(existsSync(join(root, target)), `${path} links to ${link}`);
      if (anchor === undefined) continue;
      const anchors = all(/^#+ (.+)$/gm, read(target)).map(anchorOf);
      assert.ok(anchors.includes(anchor), `${path} links to ${link}`);
    }
  }
});

test('every guarantee of the README names a test that exists', () => {
  const [, section = ''] = /## Guarantees\n([\s\S]*?)\n## /.exec(read('README.md')) ?? [];
  const rows = [...section.matchAll(/\[[\w.-]+\]\(([\w./-]+)\)(?:: (.+?) +\|)?/g)];
  assert.ok(rows.length >= 10, `only ${rows.length} tests are named`);
  for (const [, path = '', title] of rows) {
    if (title !== undefined) assert.ok(read(path).includes(`'${title}'`), `${path}: ${title}`);
  }
});

test('every line of the threat model names a test that exists', () => {
  const [, section = ''] =
    /## Threat model\n([\s\S]*?)\n### Out of scope/.exec(read('SECURITY.md')) ?? [];
  const lines = section.split('\n').filter((line) => /^\| (?!threat|-)/.test(line));
  assert.ok(lines.length >= 20, `only ${lines.length} threats are told`);
  for (const line of lines) {
    const [, path = '', title = ''] = /\]\(([\w./-]+)\): (.+?) +\|$/.exec(line) ?? [];
    assert.ok(title !== '', `no test is named: ${line}`);
    assert.ok(read(path).includes(`'${title}'`), `${path}: ${title}`);
  }
});

test('every npm script that the documents name exists', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  for (const path of documents) {
    for (const name of all(/npm run (?:-s )?([\w:-]+)/g, read(path))) {
      assert.ok(name in scripts, `${path}: npm run ${name}`);
    }
  }
});

test('docs/errors.md has every error code, and no other', () => {
  const page = read('docs/errors.md');
  assert.deepEqual(sorted(all(/^### (\w+)$/gm, page)), sorted(Object.keys(ERRORS)));
  const raised = globSync('src/**/*.ts', { cwd: root })
    .filter((path) => !path.endsWith('.test.ts'))
    .flatMap((path) => all(/new (?:JobError|CliError)\(\s*'([A-Z_]+)'/g, read(path)));
  // Named apart from their raising.
  const elsewhere = raised.concat(
    /'UNEXPECTED'/.test(read('src/cli/exit.ts')) ? ['UNEXPECTED'] : [],
  );
  const listed = all(/^\| `([A-Z_]+)`/gm, page);
  const beyond = elsewhere.filter((code) => !(code in ERRORS));
  assert.deepEqual(sorted(listed), sorted(beyond));
});

test('ARCHITECTURE.md says who makes each move, and of no other move', () => {
  const [, table = ''] = /^\| from .*\n((?:\|.*\n)+)/m.exec(read('ARCHITECTURE.md')) ?? [];
  const rows = [...table.matchAll(/^\| (\w+) +\| (\w+) +\|/gm)];
  const told = rows.map(([, from, to]) => `${from} ${to}`);
  const legal = STATUSES.flatMap((from) => NEXT[from].map((to) => `${from} ${to}`));
  assert.deepEqual(told.toSorted(), legal.toSorted());
});

test('ARCHITECTURE.md gives a reason for each runtime dependency, of which there are ten at most', () => {
  const { dependencies } = JSON.parse(read('package.json')) as {
    dependencies: Record<string, string>;
  };
  const names = Object.keys(dependencies);
  assert.ok(names.length <= 10, `${names.length} dependencies`);
  assert.deepEqual(sorted(all(/^\| `([\w@/-]+)` +\|/gm, read('ARCHITECTURE.md'))), sorted(names));
});
