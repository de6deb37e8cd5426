/** Hostile requests of every class: refused with a clear error, or answered; nothing else happens. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostileInput } from './run.ts';

test(
  'hostile requests over every tool, method and route break nothing and change nothing',
  { timeout: 240_000 },
  async (t) => {
    const seed = Math.trunc(Math.random() * 2 ** 31);
    const { sent, slowestMs, wrong } = await hostileInput({ seed, count: 5_500 });
    const total = Object.values(sent).reduce((sum, cases) => sum + cases, 0);
    t.diagnostic(
      `seed ${seed}: ${total} cases ${JSON.stringify(sent)}, slowest ${Math.round(slowestMs)} ms`,
    );
    assert.ok(total >= 5_000, `${total} cases`);
    assert.deepEqual(wrong.slice(0, 20), [], `seed ${seed}: ${wrong.length} problems`);
  },
);
