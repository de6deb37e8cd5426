/**
 * What is published is what a stranger gets: packed, installed in an empty folder, type-checked,
 * imported by every door and run.
 *
 * The install takes the locked versions from npm's cache, which `npm ci` has filled; the registry
 * is asked only when the cache lacks something.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const temp = mkdtempSync(join(tmpdir(), 'mcp-async-jobs-package-'));
const consumer = join(temp, 'consumer');

const readJson = (path: string): Record<string, unknown> =>
  JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;

const doors = Object.keys(readJson(join(root, 'package.json'))['exports'] as object)
  .filter((door) => door !== './package.json')
  .map((door) => `mcp-async-jobs${door.slice(1)}`);

/** This environment on the Node of this process, without what the npm around this test has set. */
const env = {
  ...Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) =>
        !/^(npm_(package|lifecycle)_|npm_config_local_prefix$|node_(options|test_context)$)/i.test(
          name,
        ),
    ),
  ),
  PATH: [dirname(process.execPath), process.env['PATH']].join(delimiter),
};

interface Ran {
  readonly ok: boolean;
  readonly output: string;
}

function run(cwd: string, command: string, args: readonly string[]): Ran {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    env,
    encoding: 'utf8',
    timeout: 150_000,
  });
  if (error !== undefined) throw error;
  return { ok: status === 0, output: stdout + stderr };
}

function mustRun(cwd: string, command: string, args: readonly string[]): string {
  const { ok, output } = run(cwd, command, args);
  assert.ok(ok, `${command} ${args.join(' ')} failed:\n${output}`);
  return output;
}

const tool = (name: string): string => join(root, 'node_modules/.bin', name);

/** A script of the consumer that runs on; it is killed after the test. */
function start(t: TestContext, args: readonly string[], port = '') {
  const child = spawn(process.execPath, args, {
    cwd: consumer,
    env: { ...env, PORT: port },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout });
  const seen: string[] = [];
  lines.on('line', (line) => seen.push(line));
  /** The first line of its stdout, from the beginning on, that looks like this. */
  const line = async (wanted: RegExp): Promise<string> => {
    const late = AbortSignal.timeout(30_000);
    for (;;) {
      const found = seen.find((one) => wanted.test(one));
      if (found !== undefined) return found;
      await once(lines, 'line', { signal: late });
    }
  };
  return { child, line };
}

/** The versions of the lock file, so that nothing newer than npm's cache is asked for. */
function lockedVersions(): Record<string, string> {
  const packages = readJson(join(root, 'package-lock.json'))['packages'] as Record<
    string,
    { version: string }
  >;
  const flat = Object.entries(packages).filter(
    ([path]) => path.split('node_modules/').length === 2,
  );
  return Object.fromEntries(
    flat.map(([path, { version }]) => [path.slice('node_modules/'.length), version]),
  );
}

function makeConsumer(): void {
  mkdirSync(consumer);
  writeFileSync(
    join(consumer, 'package.json'),
    JSON.stringify({ private: true, type: 'module', overrides: lockedVersions() }),
  );
}

function install(...packages: readonly string[]): void {
  const args = [
    'install',
    ...packages,
    '--no-audit',
    '--no-fund',
    '--ignore-scripts',
    '--save-exact',
  ];
  if (run(consumer, 'npm', [...args, '--offline']).ok) return;
  mustRun(consumer, 'npm', [...args, '--prefer-offline']);
}

describe('the published package', () => {
  let tarball = '';
  let files: string[] = [];

  before(
    () => {
      mustRun(root, process.execPath, ['scripts/build.js', '--out', temp]);
      const packed = mustRun(join(temp, 'build/package'), 'npm', [
        'pack',
        '--silent',
        '--pack-destination',
        temp,
      ]);
      tarball = join(temp, packed.trim().split('\n').at(-1) ?? '');
      files = mustRun(temp, 'tar', ['--list', '--file', tarball]).trim().split('\n');
      makeConsumer();
      install(tarball);
    },
    { timeout: 300_000 },
  );

  after(() => {
    rmSync(temp, { recursive: true, force: true });
  });

  test('holds the doors, the command and the texts, and nothing of the workshop', () => {
    for (const name of ['LICENSE', 'README.md', 'CHANGELOG.md', 'bin/mcp-async-jobs.js']) {
      assert.ok(files.includes(`package/${name}`), `${name} is missing`);
    }
    assert.ok(files.includes('package/dist/cli/main.js'), 'dist/cli/main.js is missing');
    const known = /^package\/(package\.json|LICENSE|README\.md|CHANGELOG\.md|(bin|dist)\/.+)$/;
    const stray = /node-linux|\.test\.|(?<!\.d)\.ts$/;
    assert.deepEqual(
      files.filter((path) => !known.test(path) || stray.test(path)),
      [],
    );
  });

  test('has a manifest without dev tools, scripts, the pinned Node or ways into src', () => {
    const manifest = readJson(join(consumer, 'node_modules/mcp-async-jobs/package.json'));
    for (const field of ['scripts', 'devDependencies', 'optionalDependencies']) {
      assert.equal(manifest[field], undefined, field);
    }
    assert.doesNotMatch(JSON.stringify(manifest), /mcp-async-jobs-source|node-linux|\/src\//);
  });

  test('installs together with its peers and without a Node of its own', () => {
    const lock = readJson(join(consumer, 'package-lock.json'))['packages'] as object;
    const installed = Object.keys(lock);
    for (const peer of ['@modelcontextprotocol/server', '@modelcontextprotocol/client', 'zod']) {
      assert.ok(installed.includes(`node_modules/${peer}`), `${peer} did not come along`);
    }
    assert.deepEqual(
      installed.filter((path) => /node-(linux|bin)/.test(path)),
      [],
    );
  });

  test('says what is missing for PostgreSQL, which is installed by who wants it', () => {
    const said = run(consumer, 'npx', [
      '--no-install',
      'mcp-async-jobs',
      'migrate',
      'status',
      '--db',
      'postgres://127.0.0.1:1/none',
    ]);
    assert.match(said.output, /npm install pg pg-boss@12\.35\.0/);
    const { pg, 'pg-boss': boss } = lockedVersions();
    install(`pg@${pg}`, `pg-boss@${boss}`);
  });

  test('type-checks under strict settings, and each door gives its names at run time', () => {
    // Types of its own, and no others: those of our development must not fill a gap of ours.
    install(`@types/node@${lockedVersions()['@types/node']}`);
    const imports = doors.map((door, index) => `import * as door${index} from '${door}';`);
    const checks = doors.map(
      (door, index) =>
        `if (Object.keys(door${index}).length === 0) throw new Error('${door} is empty');`,
    );
    writeFileSync(join(consumer, 'consumer.ts'), [...imports, ...checks].join('\n'));
    const compilerOptions = {
      target: 'esnext',
      module: 'nodenext',
      lib: ['es2025', 'esnext.disposable'],
      types: ['node'],
      strict: true,
      exactOptionalPropertyTypes: true,
      skipLibCheck: false,
      noEmit: true,
    };
    writeFileSync(
      join(consumer, 'tsconfig.json'),
      JSON.stringify({ compilerOptions, files: ['consumer.ts'] }),
    );
    const read = mustRun(consumer, tool('tsc'), ['--project', '.', '--listFiles']);
    assert.doesNotMatch(read, /@types\/pg/, 'the door to PostgreSQL needs types of the driver');
    mustRun(consumer, process.execPath, ['consumer.ts']);
  });

  test('runs as npx mcp-async-jobs --help', () => {
    const output = mustRun(consumer, 'npx', ['--no-install', 'mcp-async-jobs', '--help']);
    assert.match(output, /mcp-async-jobs/);
  });

  test('follows its README: a tool of one’s own, called, killed and recovered', async (t) => {
    const readme = readFileSync(join(consumer, 'node_modules/mcp-async-jobs/README.md'), 'utf8');
    for (const file of ['jobs.ts', 'server.ts', 'client.ts']) {
      const [, text] =
        new RegExp(
          `docs: from examples/quickstart/${file} -->\\s+\`\`\`ts\\n([\\s\\S]*?)\`\`\``,
        ).exec(readme) ?? [];
      assert.ok(text, `the README does not show ${file}`);
      writeFileSync(join(consumer, file), text);
    }
    const first = start(t, ['server.ts'], '0');
    const url = await first.line(/^http/);
    const client = start(t, ['client.ts', url, '4']);
    const id = await client.line(/^mjb_/);
    await client.line(/^running/);
    first.child.kill('SIGKILL');
    await once(first.child, 'exit');
    await start(t, ['server.ts'], new URL(url).port).line(/^http/);
    await client.line(/^\{ loaves: 4 \}/);
    const watched = mustRun(consumer, 'npx', [
      '--no-install',
      'mcp-async-jobs',
      'watch',
      id,
      '--url',
      url,
    ]);
    assert.match(watched, /completed result=\{"loaves":4\}/);
  });

  test('is faultless in the eyes of publint and of are-the-types-wrong', () => {
    mustRun(root, tool('publint'), ['run', tarball, '--strict']);
    mustRun(root, tool('attw'), [tarball, '--profile', 'esm-only', '--no-emoji', '--no-color']);
  });
});
