/** The checker finds what it is there to find: each invariant on a history that was spoiled for it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { check, type INVARIANTS, type Expected, type JobRow, type Remains } from './checker.ts';
import { History, type Entry, type View } from './history.ts';

const ARGS = '{"key":"k1"}';

function row(given: Partial<JobRow> = {}): JobRow {
  return {
    id: 'mjb_1',
    tool: 'quick',
    team_id: 'tem_a',
    owner_id: 'usr_a',
    status: 'completed',
    input: ARGS,
    carry: null,
    result: '{"run":"r1"}',
    error: null,
    runs: 1,
    attempts: 0,
    attempts_max: 3,
    created_at: 1,
    started_at: 2,
    updated_at: 3,
    completed_at: 3,
    ...given,
  };
}

const BATCH = row({
  id: 'mjb_2',
  tool: 'bulk_generate_access_codes',
  input: '{"quantity":2}',
  carry: '{"batch_id":"btc_1"}',
  result: '{"count":2}',
});
const CODE = { id: 'sub_1', batch_id: 'btc_1', ordinal: 1, mac: 'aa', redeemed_by: 'sam' };
const OTHER = { id: 'sub_2', batch_id: 'btc_1', ordinal: 2, mac: 'bb', redeemed_by: null };

const REMAINS: Remains = {
  jobs: [row(), BATCH],
  batches: [{ id: 'btc_1', quantity: 2 }],
  codes: [CODE, OTHER],
  subscriptions: [{ id: 'sub_1', subscriber_id: 'sam' }],
  keys: [{ team_id: 'tem_a', owner_id: 'usr_a', tool: 'quick', key: 'k1', job_id: 'mjb_1' }],
  effects: [{ job: 'mjb_1', run: 'r1' }],
  texts: { log: 'all is well' },
  soundness: 'ok',
};

const EXPECTED: Expected = { fair: { flood: 'tem_b', maxMs: 100 }, secrets: ['hush-hush'] };
const poll = (job: string, team = 'tem_a') => ({ op: 'poll', team, owner: 'usr_a', job }) as const;
const queued: View = { status: 'queued', outcome: null, task: 'working' };
const ended: View = { status: 'completed', outcome: '{"run":"r1"}', task: 'completed' };
const submitOf = (key: string, args: string) =>
  ({ op: 'submit', team: 'tem_a', owner: 'usr_a', tool: 'quick', key, args }) as const;

/** A run in which everything went as it should. */
function sound(): History {
  const history = new History();
  history.saw<'submit'>('ann', submitOf('k1', ARGS), { job: 'mjb_1' });
  const bulk = { ...submitOf('k2', '{"quantity":2}'), tool: 'bulk_generate_access_codes' };
  history.saw<'submit'>('ann', bulk, { job: 'mjb_2' });
  history.saw<'submit'>('ann', submitOf('k1', ARGS), { job: 'mjb_1' });
  history.invoke<'submit'>('ann', submitOf('k3', '{"key":"k3"}')).fail('STORE_BUSY');
  history.saw<'poll'>('ann', poll('mjb_1'), queued);
  history.saw<'poll'>('ann', poll('mjb_1'), ended);
  history.saw<'claim'>('node', { op: 'claim' }, { job: 'mjb_1', lease: 'l1', run: 1 });
  history.saw<'claim'>('node', { op: 'claim' }, { job: 'mjb_1', lease: 'l2', run: 2 });
  history.saw<'settle'>('node', settle('l1'), { applied: false });
  history.saw<'settle'>('node', settle('l2'), { applied: true });
  history.saw<'redeem'>('sam', redeem('sam'), { subscription: 'sub_1' });
  history.invoke<'redeem'>('eve', redeem('eve')).fail('RESOURCE_NOT_FOUND');
  history.saw<'probe'>('eve', { op: 'probe', kind: 'foreign', method: 'get' }, { answer: 'no' });
  history.saw<'probe'>('eve', { op: 'probe', kind: 'unknown', method: 'get' }, { answer: 'no' });
  history.saw<'list'>('ann', { op: 'list', team: 'tem_a' }, { jobs: ['mjb_1', 'mjb_2'] });
  history.saw<'start'>('node', { op: 'start', team: 'tem_a', job: 'mjb_1' }, { waitedMs: 50 });
  return history;
}

const settle = (lease: string) => ({ op: 'settle', job: 'mjb_1', lease, to: 'completed' }) as const;
const redeem = (subscriber: string) =>
  ({ op: 'redeem', team: 'tem_a', code: 'CODE', subscriber }) as const;

interface Spoiled {
  readonly what: string;
  readonly more?: (history: History) => void;
  readonly remains?: Partial<Remains>;
  readonly expected?: Expected;
}

const without = (id: string) => REMAINS.jobs.filter((job) => job.id !== id);
const instead = (given: Partial<JobRow>) => [row(given), BATCH];

const SPOILED: Readonly<Record<keyof typeof INVARIANTS, readonly Spoiled[]>> = {
  I1: [
    { what: 'an acknowledged job is gone', remains: { jobs: without('mjb_1'), effects: [] } },
    { what: 'its owner does not find it', more: (h) => h.saw<'poll'>('ann', poll('mjb_1'), null) },
    { what: 'the file is broken', remains: { soundness: 'row 7 missing from index' } },
  ],
  I2: [
    {
      what: 'a job has two ends',
      more: (h) => h.saw<'poll'>('ann', poll('mjb_1'), { ...ended, outcome: '{"run":"r2"}' }),
    },
    {
      what: 'the row has another end than was told',
      remains: { jobs: instead({ status: 'failed', result: null }), effects: [] },
    },
    {
      what: 'the row has the result of another run than was told',
      remains: {
        jobs: instead({ result: '{"run":"r2"}' }),
        effects: [{ job: 'mjb_1', run: 'r2' }],
      },
    },
    {
      what: 'two runs ended it',
      more: (h) => h.saw<'settle'>('node', { ...settle('l3'), to: 'failed' }, { applied: true }),
    },
    {
      what: 'a job runs that was cancelled',
      more: (h) => h.saw<'cancel'>('ann', { op: 'cancel', team: 'tem_a', job: 'mjb_4' }, null),
      remains: { jobs: [...REMAINS.jobs, row({ id: 'mjb_4', status: 'running', result: null })] },
    },
  ],
  I3: [
    { what: 'a job is queued again', more: (h) => h.saw<'poll'>('ann', poll('mjb_1'), queued) },
    { what: 'more attempts than allowed', remains: { jobs: instead({ attempts: 4, runs: 4 }) } },
    {
      what: 'the time of its last change goes back',
      more: (h) => {
        h.saw<'poll'>('ann', poll('mjb_1'), { ...ended, updatedAt: '2026-01-01T00:00:01Z' });
        h.saw<'poll'>('ann', poll('mjb_1'), { ...ended, updatedAt: '2026-01-01T00:00:00Z' });
      },
    },
    { what: 'time goes back', remains: { jobs: instead({ completed_at: 0 }) } },
  ],
  I4: [
    {
      what: 'a stalled run ends the job',
      more: (h) => h.saw<'settle'>('node', settle('l1'), { applied: true }),
    },
    {
      what: 'a lease ends two runs',
      more: (h) => h.saw<'settle'>('node', settle('l2'), { applied: true }),
    },
    {
      what: 'a run is handed out twice',
      more: (h) => h.saw<'claim'>('other', { op: 'claim' }, { job: 'mjb_1', lease: 'l3', run: 2 }),
    },
  ],
  I5: [
    {
      what: 'an effect is written twice',
      remains: { effects: [...REMAINS.effects, ...REMAINS.effects] },
    },
    { what: 'an effect is missing', remains: { effects: [] } },
    {
      what: 'a completed job has neither a result nor an effect',
      remains: { jobs: instead({ result: null }), effects: [] },
    },
    { what: 'the effect is of another run', remains: { effects: [{ job: 'mjb_1', run: 'r9' }] } },
    { what: 'a code is missing', remains: { codes: [CODE] } },
    { what: 'an ordinal is there twice', remains: { codes: [CODE, { ...OTHER, ordinal: 1 }] } },
    { what: 'a batch belongs to no job', remains: { jobs: without('mjb_2') } },
    {
      what: 'a failed job has codes',
      remains: { jobs: [row(), { ...BATCH, status: 'failed' }] },
    },
  ],
  I6: [{ what: 'a code exists twice', remains: { codes: [CODE, { ...OTHER, mac: 'aa' }] } }],
  I7: [
    {
      what: 'two subscribers got one code',
      more: (h) => h.saw<'redeem'>('eve', redeem('eve'), { subscription: 'sub_1' }),
    },
    { what: 'an acknowledged redemption is gone', remains: { subscriptions: [] } },
    {
      what: 'a code is spent for nobody',
      remains: { codes: [CODE, { ...OTHER, redeemed_by: 'eve' }] },
    },
  ],
  I8: [
    {
      what: 'a key stands for two jobs',
      more: (h) => h.saw<'submit'>('ann', submitOf('k1', ARGS), { job: 'mjb_2' }),
    },
    {
      what: 'a key was accepted with other arguments',
      more: (h) => h.saw<'submit'>('ann', submitOf('k1', '{"key":"x"}'), { job: 'mjb_1' }),
    },
    {
      what: 'a second job that nobody was told of',
      remains: { jobs: [...REMAINS.jobs, row({ id: 'mjb_3' })] },
    },
    {
      what: 'more jobs than keys',
      remains: { jobs: [...REMAINS.jobs, { ...BATCH, id: 'mjb_8' }, { ...BATCH, id: 'mjb_9' }] },
    },
  ],
  I9: [
    {
      what: 'a stranger sees a job',
      more: (h) => h.saw<'poll'>('eve', poll('mjb_1', 'tem_b'), ended),
    },
    {
      what: 'a stranger lists a job',
      more: (h) => h.saw<'list'>('eve', { op: 'list', team: 'tem_b' }, { jobs: ['mjb_1'] }),
    },
    {
      what: 'foreign is answered otherwise than unknown',
      more: (h) =>
        h.saw<'probe'>(
          'eve',
          { op: 'probe', kind: 'foreign', method: 'get' },
          { answer: 'not yours' },
        ),
    },
  ],
  I10: [
    {
      what: 'a job waits',
      remains: { jobs: [...REMAINS.jobs, row({ id: 'mjb_4', status: 'queued', result: null })] },
    },
  ],
  I11: [
    {
      what: 'another team waits too long',
      more: (h) =>
        h.saw<'start'>('node', { op: 'start', team: 'tem_a', job: 'mjb_1' }, { waitedMs: 101 }),
    },
  ],
  I12: [{ what: 'a secret is logged', remains: { texts: { log: 'it is hush-hush' } } }],
  I13: [
    {
      what: 'what was refused is there',
      remains: {
        jobs: [
          ...REMAINS.jobs,
          row({ id: 'mjb_5', input: '{"key":"k3"}', status: 'failed', result: null }),
        ],
      },
    },
    {
      what: 'a job is cancelled whose cancel was refused',
      more: (h) =>
        h.invoke<'cancel'>('ann', { op: 'cancel', team: 'tem_a', job: 'mjb_1' }).fail('STORE_BUSY'),
      remains: { jobs: instead({ status: 'cancelled', result: null }), effects: [] },
    },
    {
      what: 'a job comes from nowhere',
      remains: {
        jobs: [
          ...REMAINS.jobs,
          row({ id: 'mjb_6', input: '{"key":"k9"}', status: 'failed', result: null }),
        ],
      },
    },
  ],
  I14: [
    {
      what: 'a run of before the restore writes',
      more: (h) => {
        h.saw<'claim'>('node', { op: 'claim' }, { job: 'mjb_7', lease: 'l7', run: 1 });
        later(h, () => h.saw<'restore'>('operator', { op: 'restore' }, { to: 0 }));
        later(h, () =>
          h.saw<'settle'>('node', { ...settle('l7'), job: 'mjb_7' }, { applied: true }),
        );
      },
    },
  ],
  I15: [
    {
      what: 'the two views disagree',
      more: (h) => h.saw<'poll'>('ann', poll('mjb_1'), { ...ended, task: 'working' }),
    },
  ],
};

/** The clock of a history has whole milliseconds. */
function later(history: History, work: () => void): void {
  const from = history.entries.length;
  work();
  for (const entry of history.entries.slice(from) as { invokedAt: number }[]) {
    entry.invokedAt += from;
  }
}

const checked = (entries: readonly Entry[], remains: Remains, expected: Expected) =>
  new Set(check(entries, remains, expected).map(({ invariant }) => invariant));

describe('the checker', () => {
  test('finds nothing in a sound run', () => {
    assert.deepEqual(check(sound().entries, REMAINS, EXPECTED), []);
  });

  for (const [invariant, spoiled] of Object.entries(SPOILED)) {
    for (const { what, more, remains, expected } of spoiled) {
      test(`${invariant} is found broken when ${what}`, () => {
        const history = sound();
        more?.(history);
        const found = checked(
          history.entries,
          { ...REMAINS, ...remains },
          { ...EXPECTED, ...expected },
        );
        assert.ok(
          found.has(invariant as `I${number}`),
          `found ${[...found].join(', ') || 'nothing'}`,
        );
      });
    }
  }

  test('knows that what was never answered may have been done', () => {
    const history = sound();
    history.invoke<'submit'>('ann', submitOf('k4', '{"key":"k4"}'));
    const there = row({ id: 'mjb_4', input: '{"key":"k4"}' });
    const effects = [...REMAINS.effects, { job: 'mjb_4', run: 'r1' }];
    const found = check(
      history.entries,
      { ...REMAINS, jobs: [...REMAINS.jobs, there], effects },
      EXPECTED,
    );
    assert.deepEqual(found, []);
  });
});
