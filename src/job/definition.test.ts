import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { Completed, defineJob, definitionsOf, Suspended } from './definition.ts';

const valid = {
  name: 'print_pages',
  description: 'Print pages.',
  input: z.object({ n: z.number() }),
  output: z.object({ n: z.number() }),
  run: ({ n }: { n: number }) => ({ n }),
};

test('a definition is complete and cannot be changed', () => {
  const job = defineJob({ ...valid, backoff: { maxMs: 5_000 } });
  assert.deepEqual([job.attempts, job.timeoutMs, job.title, job.ability], [3, 600_000, null, null]);
  assert.deepEqual(job.backoff, { baseMs: 1_000, maxMs: 5_000 });
  assert.equal(job.inputJson['type'], 'object');
  assert.ok(Object.isFrozen(job));
});

test('every problem of a definition is said at once', () => {
  const wrong = {
    ...valid,
    name: 'print pages',
    description: ' ',
    atempts: 2,
    timeoutMs: 1,
    run: 1,
  };
  assert.throws(
    () => defineJob(wrong as never),
    (error: Error) => {
      assert.equal(error.name, 'TypeError');
      for (const part of [
        /did you mean "attempts"/,
        /`name`/,
        /`description`/,
        /`run`/,
        /timeoutMs.*100\.\.86400000/,
      ]) {
        assert.match(error.message, part);
      }
      return true;
    },
  );
});

test('running limits are kept as they are given, and are none by default', () => {
  const none = defineJob(valid);
  assert.deepEqual([none.maxRunning, none.maxRunningPerTeam], [0, 0]);
  const some = defineJob({ ...valid, maxRunning: 7, maxRunningPerTeam: 2 });
  assert.deepEqual([some.maxRunning, some.maxRunningPerTeam], [7, 2]);
  for (const name of ['maxRunning', 'maxRunningPerTeam'])
    assert.throws(() => defineJob({ ...valid, [name]: 0.5 }), new RegExp(`\`${name}\` is 0\\.5`));
});

test('options out of their range are refused', () => {
  const wrong: readonly object[] = [
    { attempts: 0 },
    { attempts: 51 },
    { attempts: 1.5 },
    { attempts: '3' },
    { timeoutMs: 86_400_001 },
    { answerWithinMs: 999 },
    { maxRunning: -1 },
    { maxRunningPerTeam: 10_001 },
    { backoff: { baseMs: -1 } },
    { backoff: { maxMs: 3_600_001 } },
    { name: '' },
    { name: 'x'.repeat(65) },
    { input: {} },
    { nonsense: 1 },
  ];
  for (const part of wrong) {
    assert.throws(() => defineJob({ ...valid, ...part } as never), TypeError, JSON.stringify(part));
  }
});

test('the definitions of a module are found by name, whatever else it exports', () => {
  const job = defineJob(valid);
  const found = definitionsOf({ job, again: job, other: 1, none: null, text: 'x' });
  assert.deepEqual([...found.keys()], ['print_pages']);
});

test('a module without definitions, or with two of one name, is refused', () => {
  assert.throws(() => definitionsOf({ a: 1 }), /exports no definition\. Export/);
  assert.throws(
    () => definitionsOf({ a: defineJob(valid), b: defineJob(valid) }),
    /Two definitions are named "print_pages"\. Rename/,
  );
});

test('every option that was not given has its default, and every one that was stays', () => {
  const prepare = () => ({});
  const view = () => ({});
  const plain = defineJob(valid);
  const { requiresTasks, answerWithinMs } = plain;
  assert.deepEqual(
    [plain.prepare, plain.view, requiresTasks, answerWithinMs],
    [null, null, false, 86_400_000],
  );
  const given = { title: 'T', ability: 'a:b', requiresTasks: true, attempts: 50, timeoutMs: 100 };
  const full = defineJob({ ...valid, ...given, answerWithinMs: 1_000, prepare, view });
  assert.deepEqual({ ...full, ...given, answerWithinMs: 1_000, prepare, view }, full);
  const edges = [
    { attempts: 1, timeoutMs: 86_400_000, answerWithinMs: 2_592_000_000 },
    { backoff: { baseMs: 0, maxMs: 3_600_000 } },
    { backoff: { baseMs: 3_600_000, maxMs: 0 } },
  ];
  for (const edge of edges) assert.ok(defineJob({ ...valid, ...edge }));
  const known = ['name', 'description', 'input', 'output', 'run', 'backoff', 'requiresTasks'];
  for (const name of [...known, 'title', 'ability', 'prepare', 'view', 'answerWithinMs']) {
    const mistyped = `${name.slice(0, -1)}x`;
    const message = `defineJob(print_pages): Unknown option "${mistyped}"; did you mean "${name}"?`;
    assert.throws(() => defineJob({ ...valid, [mistyped]: 1 } as never), { message });
  }
});

test('each problem of a definition says what to do', () => {
  const problemOf = (part: object): string => {
    try {
      defineJob({ ...valid, ...part } as never);
    } catch (error) {
      return (error as Error).message;
    }
    return 'none';
  };
  const all: readonly (readonly [object, string])[] = [
    [{ zzzzzzzz: 1 }, 'defineJob(print_pages): Unknown option "zzzzzzzz".'],
    [{ name: 'a b' }, 'defineJob(a b): `name` must be 1..64 letters, digits, "_" or "-".'],
    [{ description: '' }, 'defineJob(print_pages): `description` must say what the tool does.'],
    [{ description: 1 }, 'defineJob(print_pages): `description` must say what the tool does.'],
    [{ run: 1 }, 'defineJob(print_pages): `run` must be a function.'],
    [{ requiresTasks: 1 }, 'defineJob(print_pages): `requiresTasks` must be true or false.'],
    [
      { attempts: 0 },
      'defineJob(print_pages): `attempts` is 0; it must be a whole number in 1..50.',
    ],
    [
      { timeoutMs: 99, answerWithinMs: 999 },
      'defineJob(print_pages): `timeoutMs` is 99; it must be a whole number in 100..86400000. `answerWithinMs` is 999; it must be a whole number in 1000..2592000000.',
    ],
    [
      { backoff: { baseMs: -1, maxMs: '1' } },
      'defineJob(print_pages): `backoff.baseMs` is -1; it must be a whole number in 0..3600000. `backoff.maxMs` is "1"; it must be a whole number in 0..3600000.',
    ],
    [
      { input: {} },
      'The input of "print_pages" has no JSON Schema. Use a Standard Schema that can make one (zod 4.2 or later, ArkType, Valibot through @valibot/to-json-schema).',
    ],
    [
      { output: z.string() },
      'The output of "print_pages" describes "string". Wrap it in an object schema.',
    ],
    [
      { input: z.object({ idempotency_key: z.string() }) },
      'defineJob(print_pages): `input` has a member "idempotency_key", which every asynchronous tool takes already: it makes repeated calls one job. Remove it, or rename it if it means something else.',
    ],
  ];
  for (const [part, message] of all) assert.equal(problemOf(part), message);
  const anything = z.looseObject({});
  assert.equal(problemOf({ input: anything }), 'none');
});

test('what unwinds a handler says why, and what completes a job holds it', () => {
  const { name, message } = new Suspended();
  assert.equal(name, 'Suspended');
  assert.equal(message, 'the job waits for answers; the handler is run again when they are there');
  const { result, effects } = new Completed(1, []);
  assert.deepEqual([result, effects], [1, []]);
});
