import assert from 'node:assert/strict';
import { test } from 'node:test';
import { now } from '../../../src/job/clock.ts';
import { newId } from '../../../src/job/ids.ts';
import { answer, cancel, complete } from '../../../src/job/transitions.ts';
import { VIEW_ANY, type Who } from '../../../src/job/who.ts';
import type { ListQuery, ShownStatus, Store } from '../../../src/store/store.ts';
import { aJob, aJobThatIs, claim, who } from '../../support/a-job.ts';
import type { OpenStore } from './open.ts';

const TEAMS = ['tem_a', 'tem_b'];
const OWNERS = ['usr_a', 'usr_b'];
const EVERY = 'job:view-any';

function list(store: Store, given: Partial<ListQuery> = {}) {
  return store.list({ who: who(), status: null, tool: null, before: null, limit: 101, ...given });
}

/** Every pair of a job's team and owner with a caller's team and owner. */
function pairs() {
  return TEAMS.flatMap((team) =>
    OWNERS.flatMap((owner) =>
      TEAMS.flatMap((askingTeam) =>
        OWNERS.map((askingOwner) => ({ team, owner, askingTeam, askingOwner })),
      ),
    ),
  );
}

export function visibility(open: OpenStore): void {
  test('a job is seen by its team and its owner together, and by nobody else', async (t) => {
    const store = await open(t);
    for (const { team, owner, askingTeam, askingOwner } of pairs()) {
      const { id } = await store.insert(aJob({ team, owner, tool: newId('t') }), 0);
      const asking = who({ team: askingTeam, owner: askingOwner });
      const seen = team === askingTeam && owner === askingOwner;
      assert.equal((await store.get(id, asking)) !== null, seen);
      assert.equal(
        (await list(store, { who: asking })).some((job) => job.id === id),
        seen,
      );
    }
  });

  test('view-any widens to the team and never beyond it', async (t) => {
    const store = await open(t);
    for (const { team, owner, askingTeam, askingOwner } of pairs()) {
      const { id } = await store.insert(aJob({ team, owner }), 0);
      const asking = who({ team: askingTeam, owner: askingOwner, abilities: [EVERY] });
      assert.equal((await store.get(id, asking)) !== null, team === askingTeam);
      const listed = await list(store, { who: asking });
      assert.equal(
        listed.some((job) => job.id === id),
        team === askingTeam,
      );
    }
  });

  test('the star does not stand for view-any', async (t) => {
    const store = await open(t);
    const { id } = await store.insert(aJob(), 0);
    assert.equal(await store.get(id, who({ owner: 'usr_b', abilities: ['*'] })), null);
    assert.notEqual(await store.get(id, who({ owner: 'usr_b', abilities: ['*', VIEW_ANY] })), null);
  });

  test('a caller with scopes sees jobs of those scopes and jobs without one', async (t) => {
    const store = await open(t);
    const ids = new Map<string | null, string>();
    for (const scope of [null, 'prj_1', 'prj_2']) {
      ids.set(scope, (await store.insert(aJob({ scope }), 0)).id);
    }
    const seenBy = async (scopes?: readonly string[]) => {
      const asking: Who = who({ ...(scopes && { scopes }) });
      const listed = (await list(store, { who: asking })).map((job) => job.scope);
      for (const [scope, id] of ids) {
        assert.equal((await store.get(id, asking)) !== null, listed.includes(scope));
      }
      return new Set(listed);
    };
    assert.deepEqual(await seenBy(), new Set(['prj_1', 'prj_2', null]));
    assert.deepEqual(await seenBy(['prj_1']), new Set(['prj_1', null]));
    assert.deepEqual(await seenBy(['prj_1', 'prj_2']), new Set(['prj_1', 'prj_2', null]));
    assert.deepEqual(await seenBy([]), new Set([null]));
    assert.deepEqual(await seenBy(["prj_1'", '%', '*']), new Set([null]));
  });

  test('view-any widens to the team within the scopes of the caller, and no further', async (t) => {
    const store = await open(t);
    const asking = who({ owner: 'usr_b', abilities: ['*', EVERY], scopes: ['prj_1'] });
    for (const scope of [null, 'prj_1', 'prj_2']) {
      const { id } = await store.insert(aJob({ scope }), 0);
      const seen = scope !== 'prj_2';
      assert.equal((await store.get(id, asking)) !== null, seen);
      const listed = await list(store, { who: asking });
      assert.equal(
        listed.some((job) => job.id === id),
        seen,
      );
    }
  });

  test('an input and a result are given to whom their job is shown, and to nobody else', async (t) => {
    const store = await open(t);
    const strangers: Who[] = [
      who({ team: 'tem_b' }),
      who({ team: 'tem_b', abilities: ['*', EVERY] }),
      who({ owner: 'usr_b' }),
      who({ scopes: ['prj_2'] }),
    ];
    const large = JSON.stringify('x'.repeat(100_000));
    for (const input of ['{"a":1}', large]) {
      const job = await aJobThatIs(store, 'running', { scope: 'prj_1', input });
      await store.apply(job.id, complete(job, input, []));
      for (const kind of ['input', 'result'] as const) {
        for (const stranger of strangers) {
          assert.equal(await store.payload(job.id, stranger, kind), null);
        }
        assert.ok((await store.payload(job.id, who({ scopes: ['prj_1'] }), kind)) === input);
        const every = who({ owner: 'usr_b', abilities: [EVERY] });
        assert.ok((await store.payload(job.id, every, kind)) === input);
      }
    }
  });

  test('nobody but the owner cancels or answers, whatever they may see', async (t) => {
    const store = await open(t);
    const strangers: Who[] = [
      who({ owner: 'usr_b', abilities: ['*', EVERY] }),
      who({ team: 'tem_b', abilities: ['*', EVERY] }),
      who({ scopes: ['prj_2'] }),
    ];
    for (const stranger of strangers) {
      for (const status of ['queued', 'running', 'waiting'] as const) {
        const job = await aJobThatIs(store, status, { scope: 'prj_1' });
        const cancelled = await store.applyAs(job.id, stranger, cancel('req_x'));
        assert.equal(cancelled.outcome, 'stale');
        const answered = await store.applyAs(job.id, stranger, answer({ size: 1 }));
        assert.equal(answered.outcome, 'stale');
        assert.deepEqual(await store.get(job.id, who()), job);
      }
    }
  });

  test('hostile ids find nothing', async (t) => {
    const store = await open(t);
    const { id } = await store.insert(aJob(), 0);
    const hostile = ['', ' ', '%', '*', id.toLowerCase(), `${id} `, `${id}\0`, id.slice(0, -1)];
    for (const other of [...hostile, "' OR 1=1 --", '\uD800', 'x'.repeat(100_000)]) {
      assert.equal(await store.get(other, who()), null);
      assert.equal((await store.applyAs(other, who(), cancel('req_x'))).outcome, 'stale');
    }
  });

  test('a list is newest first and goes on exactly where a page ended', async (t) => {
    const store = await open(t);
    const at = now();
    const ids: string[] = [];
    for (let i = 0; i < 25; i += 1) {
      const createdAt = at + Math.floor(i / 3);
      ids.push((await store.insert(aJob({ createdAt }), 0)).id);
    }
    const jobs = (await claim(store, { limit: 9 })).jobs;
    for (const job of jobs.slice(0, 4)) await store.applyAs(job.id, who(), cancel('req_x'));
    const expected = ids.toSorted().toReversed();
    assert.deepEqual(
      (await list(store)).map(({ id }) => id),
      expected,
    );
    const leafed: string[] = [];
    for (let before: ListQuery['before'] = null; ;) {
      const page = await list(store, { before, limit: 4 });
      leafed.push(...page.map(({ id }) => id));
      const last = page.at(-1);
      if (!last) break;
      before = { createdAt: last.createdAt, id: last.id };
      // What is submitted meanwhile neither repeats nor hides anything.
      await store.insert(aJob({ createdAt: at + 60_000 }), 0);
    }
    assert.deepEqual(leafed, expected);
  });

  test('a list is filtered by the status as it is shown', async (t) => {
    const store = await open(t);
    const shown: Record<string, ShownStatus> = {};
    for (const status of [
      'queued',
      'running',
      'waiting',
      'completed',
      'failed',
      'cancelled',
    ] as const) {
      const { id } = await aJobThatIs(store, status);
      shown[id] = status === 'waiting' ? 'running' : status === 'cancelled' ? 'failed' : status;
    }
    const again = await aJobThatIs(store, 'running');
    await store.apply(again.id, { from: ['running'], to: 'queued', lease: again.lease });
    shown[again.id] = 'running';
    for (const status of ['queued', 'running', 'completed', 'failed'] as const) {
      const found = (await list(store, { status })).map(({ id }) => id).toSorted();
      const expected = Object.keys(shown).filter((id) => shown[id] === status);
      assert.deepEqual(found, expected.toSorted(), status);
    }
  });

  test('a list is filtered by the tool', async (t) => {
    const store = await open(t);
    for (const tool of ['print', 'scan', 'print']) await store.insert(aJob({ tool }), 0);
    assert.equal((await list(store, { tool: 'print' })).length, 2);
    assert.equal((await list(store, { tool: 'scan', status: 'queued' })).length, 1);
    assert.equal((await list(store, { tool: 'fax' })).length, 0);
  });

  test('a job that moves while it is listed stands in the list once', async (t) => {
    const store = await open(t);
    const moves = new AbortController();
    const moving = (async () => {
      while (!moves.signal.aborted) {
        await store.insert(aJob(), 0);
        for (const { id } of (await claim(store)).jobs) {
          await store.applyAs(id, who(), cancel('req_x'));
        }
      }
    })();
    try {
      for (let i = 0; i < 1_500; i += 1) {
        const ids = (await list(store, { limit: 5 })).map(({ id }) => id);
        assert.equal(new Set(ids).size, ids.length, `listed twice in ${ids.join(' ')}`);
        if (i % 5 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
    } finally {
      moves.abort();
      await moving;
    }
  });
}
