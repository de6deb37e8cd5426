/** SIGKILL in every phase of a job, a restart, and a count. On the real disk. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, test } from 'node:test';
import { monotonic } from '../../src/job/clock.ts';
import { isAlive, startScript, type Script } from '../support/child.ts';
import { marksIn } from '../support/jobs.ts';
import { tempFolder, type Ending } from '../support/temp.ts';
import { until } from '../support/until.ts';
import { acknowledged, assertNothingLost, lookInto } from './count.ts';
import type { EngineOptions } from './engine.ts';

const ENGINE = new URL('./engine.ts', import.meta.url);

function engine(t: Ending, options: EngineOptions): Script {
  return startScript(t, ENGINE, options);
}

/** A small generator of known random numbers (mulberry32), so that a failing run can be repeated. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

async function killed(script: Script): Promise<void> {
  script.kill('SIGKILL');
  await script.ended;
}

describe('kill -9 loses nothing that was acknowledged', { concurrency: 2 }, () => {
  test('submitted: a server without workers dies while it acknowledges', async (t) => {
    const folder = tempFolder(t, tmpdir());
    const submits = { tool: 'quick', atOnce: 8, most: 120, pauseMs: 0 };
    const first = engine(t, { folder, workers: 0, submits });
    await until('thirty were acknowledged', () => acknowledged([first]).length >= 30);
    await killed(first);
    const ids = acknowledged([first]);
    const second = engine(t, { folder, workers: 2, concurrency: 4 });
    await second.said('open');
    await assertNothingLost(await lookInto(t, folder), ids);
  });

  // What the server or the handler says is the phase; the kill follows as fast as a process can.
  const phases: readonly (readonly [string, (script: Script, folder: string) => unknown])[] = [
    ['claimed', ({ lines }) => lines.some(({ event }) => event === 'running')],
    ['in the handler', (_, folder) => marksIn(folder).some(({ what }) => what === 'began')],
    [
      'just before the commit of its end',
      (_, folder) => marksIn(folder).some(({ what }) => what === 'ended'),
    ],
    [
      'just after the commit of its end',
      ({ lines }) => lines.some(({ event }) => event === 'completed'),
    ],
  ];
  for (const [phase, isReached] of phases) {
    for (const victim of ['the server', 'the worker'] as const) {
      test(`${phase}: ${victim} dies`, async (t) => {
        const folder = tempFolder(t, tmpdir());
        const first = engine(t, { folder, workers: 1 });
        first.send({ submit: 'gated', key: 'gate' });
        await first.said('acknowledged');
        if (phase.includes('commit')) writeFileSync(join(folder, 'gate'), '');
        await until(phase, () => isReached(first, folder), { everyMs: 1 });
        const [mark] = marksIn(folder);
        if (victim === 'the server') await killed(first);
        else if (mark) process.kill(mark.pid, 'SIGKILL');
        writeFileSync(join(folder, 'gate'), '');
        if (victim === 'the server') await engine(t, { folder, workers: 1 }).said('open');
        const jobs = await assertNothingLost(await lookInto(t, folder), acknowledged([first]));
        assert.equal(jobs.length, 1);
        if (victim === 'the server')
          assert.equal(jobs[0]?.attempts, 0, 'the loss of a server is free');
      });
    }
  }

  test('at any moment under load: fifteen times, server or worker, at seeded moments', async (t) => {
    const seed = 20_261_122;
    t.diagnostic(`seed ${seed}`);
    const random = seeded(seed);
    const folder = tempFolder(t, tmpdir());
    const submits = { tool: 'quick', atOnce: 4, most: 100, pauseMs: 5 };
    const scripts: Script[] = [];
    for (let round = 0; round < 15; round += 1) {
      const script = engine(t, { folder, workers: 2, concurrency: 3, submits });
      scripts.push(script);
      await script.said('acknowledged');
      await pause(Math.floor(random() * 250));
      const worker = marksIn(folder).at(-1)?.pid;
      if (round % 3 === 0 && worker && isAlive(worker)) {
        process.kill(worker, 'SIGKILL');
        await pause(Math.floor(random() * 100));
      }
      await killed(script);
    }
    const ids = acknowledged(scripts);
    assert.ok(ids.length > 100, `only ${ids.length} were acknowledged`);
    await engine(t, { folder, workers: 2, concurrency: 8 }).said('open');
    const jobs = await assertNothingLost(await lookInto(t, folder), ids, { ms: 30_000 });
    t.diagnostic(`${ids.length} acknowledged, ${jobs.length} kept and completed, none lost`);
  });

  test('the first job runs again within two seconds after everything was killed', async (t) => {
    const times: number[] = [];
    // Other tests share the machine: what it can do is what it does in its best of some tries.
    for (let i = 0; i < 8 && !times.some((ms) => ms <= 2_000); i += 1) {
      const folder = tempFolder(t, tmpdir());
      const first = engine(t, { folder, workers: 2, concurrency: 3 });
      for (let n = 0; n < 6; n += 1) first.send({ submit: 'gated', key: `g${n}` });
      await until('all run', () => marksIn(folder).length === 6);
      const pids = new Set(marksIn(folder).map(({ pid }) => pid));
      first.kill('SIGKILL');
      for (const pid of pids) process.kill(pid, 'SIGKILL');
      await first.ended;
      const startedAt = monotonic();
      engine(t, { folder, workers: 2, concurrency: 3 });
      await until('one runs again', () => marksIn(folder).length > 6, { everyMs: 5 });
      times.push(monotonic() - startedAt);
    }
    t.diagnostic(`${times.join(', ')} ms`);
    assert.ok(Math.min(...times) <= 2_000, `${times.join(', ')} ms`);
  });
});
