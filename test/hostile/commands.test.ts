/** Hostile arguments on the command line: a clear refusal, and nothing that moves a terminal. */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import * as fc from 'fast-check';
import { aServer } from '../cli/a-server.ts';
import { tempFolder } from '../support/temp.ts';
import { tablesOf } from './rows.ts';
import { TEXTS } from './texts.ts';

interface Ended {
  readonly code: number;
  readonly said: string;
  readonly thrown: string | null;
}

/** What an operating system hands to a process: no NUL, and nothing that is no text. */
const ARGUMENTS = TEXTS.filter(
  (text) => !text.includes('\0') && text.isWellFormed() && text.length < 20_000,
);
// Control characters are what is looked for.
// oxlint-disable-next-line no-control-regex
const MOVES_A_TERMINAL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;

/** Every command with one place for a hostile text; `IT` stands for it. */
const LINES: readonly (readonly string[])[] = [
  ['IT'],
  ['--IT'],
  ['call', 'IT'],
  ['call', 'create_project', 'name=IT', '--nope'],
  ['call', 'list_projects', 'IT'],
  ['call', 'list_projects', 'IT=1'],
  ['call', 'list_projects', 'limit=IT'],
  ['call', 'list_projects', '--args', 'IT'],
  ['call', 'get_job_status', 'job_id=IT'],
  ['call', 'get_job_status', 'job_id=IT', '--json'],
  ['call', 'redeem_access_code', 'code=IT', 'subscriber_id=x'],
  ['call', 'list_projects', '--timeout', 'IT!'],
  ['call', 'list_projects', '--url', 'ftp://IT'],
  ['call', 'list_projects', '--token', 'IT'],
  ['jobs', 'IT'],
  ['jobs', 'list', '--status', 'IT'],
  ['jobs', 'list', '--tool', 'IT'],
  ['jobs', 'list', '--limit', 'IT!'],
  ['jobs', 'list', '--cursor', 'IT'],
  ['jobs', 'get', 'IT'],
  ['jobs', 'get', 'IT', '--json'],
  ['watch', 'IT'],
  ['watch', 'IT', '--jsonl'],
  ['codes', 'IT'],
  ['codes', 'export', 'IT'],
  ['codes', 'export', 'IT', '--json'],
  ['token', 'IT'],
  ['token', 'list', '--db', 'DB', '--team', 'IT'],
  ['token', 'revoke', 'IT', '--db', 'DB'],
  ['token', 'revoke', 'IT', '--db', 'DB', '--json'],
  ['token', 'create', '--db', 'DB', '--team', 'T', '--owner', 'o', '--ability', 'bad IT'],
  ['token', 'create', '--db', 'DB', '--team', ' IT', '--owner', 'o', '--ability', '*'],
  [
    'token',
    'create',
    '--db',
    'DB',
    '--team',
    'T',
    '--owner',
    'o',
    '--ability',
    '*',
    '--expires-days',
    'IT!',
  ],
  [
    'token',
    'create',
    '--db',
    'DB',
    '--team',
    'T',
    '--owner',
    'o',
    '--ability',
    '*',
    '--project',
    'a b IT',
  ],
  ['start', '--db', 'DB', '--port', 'IT!'],
  ['start', '--db', 'DB', '--public-url', 'ftp://IT'],
  ['start', '--db', 'DB', '--workers', 'IT!'],
  ['start', '--db', 'DB', '--jobs', '/nowhere/IT'],
  ['start', '--db', 'DB', '--overage-price', 'IT!'],
  ['start', '--IT'],
  ['worker', '--db', 'DB', '--concurrency', 'IT!'],
  ['worker', '--db', 'DB', '--jobs', '/nowhere/IT'],
];

test(
  'hostile arguments of every command are refused, move no terminal and change nothing',
  { timeout: 240_000 },
  async (t) => {
    const server = await aServer(t);
    const seed = Math.trunc(Math.random() * 2 ** 31);
    const folder = tempFolder(t);
    const child = fork(fileURLToPath(new URL('./cli-lines.ts', import.meta.url)), [], {
      execArgv: ['--conditions=mcp-async-jobs-source'],
      cwd: folder,
      env: {
        ...process.env,
        MCP_ASYNC_JOBS_URL: server.server.url,
        MCP_ASYNC_JOBS_TOKEN: server.token,
      },
    });
    t.after(() => child.kill('SIGKILL'));
    const ended = once(child, 'exit').then(
      ([code, signal]) => `the process ended: ${code ?? signal}`,
    );
    await once(child, 'message');
    const before = tablesOf(server.db);
    const cases = fc.sample(fc.tuple(fc.constantFrom(...LINES), fc.constantFrom(...ARGUMENTS)), {
      seed,
      numRuns: 150,
    });
    const all = [...LINES.map((line) => [line, 'x\u001b[2J\u202e'] as const), ...cases];
    for (const [line, text] of all) {
      const argv = line.map((word) => (word === 'DB' ? server.db : word.replaceAll('IT', text)));
      const answered = once(child, 'message', { signal: AbortSignal.timeout(10_000) });
      child.send(argv);
      const told = await Promise.race([answered, ended]);
      assert.notEqual(typeof told, 'string', `${JSON.stringify(argv)}: ${String(told)}`);
      const [{ code, said, thrown }] = told as [Ended];
      const where = `seed ${seed}, ${JSON.stringify(argv).slice(0, 300)} -> ${code} ${JSON.stringify(said).slice(0, 500)}`;
      assert.equal(thrown, null, where);
      assert.ok(code <= 5, where);
      assert.doesNotMatch(said, MOVES_A_TERMINAL, where);
      assert.doesNotMatch(
        said,
        /\bat .*:\d+:\d+|SQLITE_|INTERNAL_ERROR|"UNEXPECTED"|TypeError|Cannot read/,
        where,
      );
    }
    t.diagnostic(`seed ${seed}: ${all.length} command lines`);
    assert.deepEqual(tablesOf(server.db), before);
    assert.deepEqual(readdirSync(folder), [], 'no file was made');
    assert.ok(existsSync(join(folder)));
  },
);
