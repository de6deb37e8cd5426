import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { defineJob } from '../job/definition.ts';

test('a definition whose input has the reserved argument is refused, with the fix', () => {
  const define = () =>
    defineJob({
      name: 'pay',
      description: 'Pays.',
      input: z.object({ idempotency_key: z.string() }),
      output: z.object({}),
      run: () => ({}),
    });
  assert.throws(
    define,
    /"idempotency_key", which every asynchronous tool takes already.*rename it/,
  );
});
