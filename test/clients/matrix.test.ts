/**
 * Clients that others wrote × transports × deeds. Every client can do every deed; where its own
 * methods end, the tools take over, and the file of the client says so. The Inspector's CLI, which
 * is installed apart, has its part of the matrix in `test/conformance/inspector.ts`.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startScript } from '../support/child.ts';
import { tempFolder, type Ending } from '../support/temp.ts';
import { CLIENTS } from './clients.ts';
import { FIRST_DEEDS, FRESH_DEEDS } from './deeds.ts';
import type { Target } from './target.ts';

const CLIENT = new URL('./client-process.ts', import.meta.url);
const SERVER = new URL('../tasks/server-process.ts', import.meta.url);
const JOBS = fileURLToPath(new URL('../tasks/jobs.ts', import.meta.url));
const BIN = fileURLToPath(new URL('../../bin/mcp-async-jobs.js', import.meta.url));

const http = { url: '' };

/** One server for all over HTTP; over stdio every process of a client starts its own. */
const TRANSPORTS: Readonly<Record<string, (t: Ending) => Target>> = {
  HTTP: () => http,
  stdio: (t) => ({ args: [BIN, 'stdio', '--db', `${tempFolder(t)}/jobs.db`, '--jobs', JOBS] }),
};

describe('clients', { concurrency: 2 }, () => {
  const endings: (() => Promise<void> | void)[] = [];
  before(async () => {
    const file: Ending = { after: (work) => void endings.unshift(work) };
    const server = startScript(file, SERVER, { db: `${tempFolder(file)}/jobs.db`, port: 0 });
    http.url = String((await server.said('listening'))['url']);
  });
  after(async () => {
    for (const end of endings) await end();
  });

  for (const title of Object.keys(CLIENTS)) {
    for (const [transport, targetOf] of Object.entries(TRANSPORTS)) {
      test(`${title}, over ${transport}`, { timeout: 50_000 }, async (t) => {
        const target = targetOf(t);
        let ids: unknown = null;
        for (const deeds of [FIRST_DEEDS, FRESH_DEEDS]) {
          const client = startScript(t, CLIENT, { title, target, ids });
          for (const deed of Object.keys(deeds)) {
            await t.test(deed, async () => {
              ({ ids } = await client.said(deed, 30_000));
            });
          }
          assert.equal(await client.ended, 0);
        }
      });
    }
  }
});
