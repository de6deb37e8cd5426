/**
 * `kill -9` × surfaces × transports: whatever dies in the meantime, the same id goes on and ends
 * right.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SURFACES, untilIs, type Surface } from './surfaces.ts';
import { TRANSPORTS, type Server } from './transports.ts';

const BOTH = {
  colour: { action: 'accept', content: { colour: 'red' } },
  size: { action: 'accept', content: { size: 3 } },
};
const LAST = { sure: { action: 'accept', content: { sure: true } } };

/** Ask for what a survey wants to know, with a death before each answer. */
async function surveyed(surface: Surface, server: Server, die: () => Promise<void>): Promise<void> {
  const id = await surface.submit(server, 'survey', {});
  for (const answers of [BOTH, LAST]) {
    await untilIs(surface, server, { id, state: 'asking' });
    await die();
    await surface.answer(server, id, answers);
  }
  const painted = await untilIs(surface, server, { id, state: 'final' });
  assert.deepEqual(painted, { data: { painted: 'red in size 3' } });
}

const DEATHS: Readonly<Record<string, (surface: Surface, server: Server) => Promise<void>>> = {
  async 'of the server between create and get'(surface, server) {
    const id = await surface.submit(server, 'nap', { ms: 300 });
    await server.killServer();
    const slept = await untilIs(surface, server, { id, state: 'final' });
    assert.deepEqual(slept, { data: { slept: true } });
  },
  async 'of the worker in the middle of a run'(surface, server) {
    const id = await surface.submit(server, 'nap', { ms: 700 });
    await untilIs(surface, server, { id, state: 'running' });
    await server.killWorker();
    const slept = await untilIs(surface, server, { id, state: 'final' });
    assert.deepEqual(slept, { data: { slept: true } });
  },
  'of the worker while the job waits for input': (surface, server) =>
    surveyed(surface, server, () => server.killWorker()),
  'of everything while the job waits for input': (surface, server) =>
    surveyed(surface, server, () => server.killAll()),
};

describe('kill -9', { concurrency: 3 }, () => {
  for (const [title, surface] of Object.entries(SURFACES)) {
    for (const [transport, start] of Object.entries(TRANSPORTS)) {
      test(`${title}, over ${transport}`, { timeout: 55_000 }, async (t) => {
        const server = await start(t, surface.era);
        for (const [death, live] of Object.entries(DEATHS)) {
          await t.test(death, () => live(surface, server));
        }
      });
    }
  }
});
