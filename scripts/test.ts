/**
 * `npm test`: every test, from source, on Node's own runner.
 *
 * `npm test -- <files or flags>` narrows it: paths and globs replace the default list, flags (such
 * as --test-name-pattern=cancel) are passed on.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const EVERY_TEST = ['src/**/*.test.ts', 'test/**/*.test.ts'];

/** Types are stripped once for all test files and all processes that they start: half their start. */
const STRIPPED = fileURLToPath(new URL('../node_modules/.cache/stripped', import.meta.url));

const given = process.argv.slice(2);
const flags = given.filter((argument) => argument.startsWith('-'));
const files = given.filter((argument) => !argument.startsWith('-'));

const { status, error } = spawnSync(
  process.execPath,
  [
    '--conditions=mcp-async-jobs-source',
    '--test',
    '--test-concurrency=2',
    '--test-timeout=60000',
    ...flags,
    ...(files.length > 0 ? files : EVERY_TEST),
  ],
  {
    cwd: new URL('..', import.meta.url),
    stdio: 'inherit',
    env: { NODE_COMPILE_CACHE: STRIPPED, ...process.env },
  },
);
if (error !== undefined) throw error;
process.exitCode = status ?? 1;
