/** No answer of a tool is longer than it may be, and nothing is cut. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import type { ServeOptions } from '../../src/http.ts';
import { JobError } from '../../src/index.ts';
import { aServer, call, rpc } from '../http/fixture.ts';

const MAX = 131_072;
const input = z.object({ bytes: z.int() });

const tools: ServeOptions['tools'] = (mcp) => {
  mcp.registerTool('plain', { inputSchema: input }, (({ bytes }: z.infer<typeof input>) => ({
    data: 'x'.repeat(bytes),
  })) as never);
  mcp.registerTool('picture', { inputSchema: input }, ({ bytes }) => ({
    content: [{ type: 'image' as const, data: 'A'.repeat(bytes), mimeType: 'image/png' }],
  }));
  mcp.registerTool('refuses', { inputSchema: input }, ({ bytes }) => {
    const log = Array.from({ length: bytes / 100 }, () => 'x'.repeat(100));
    throw new JobError('NO', { context: { log } });
  });
};

test('an answer of 128 KiB is sent, a longer one is an error that says what to do', async (t) => {
  const { url } = await aServer(t, { tools });
  const around = JSON.stringify({ data: '' }).length;
  const whole = await call(url, 'plain', { bytes: MAX - around });
  assert.equal(JSON.stringify(whole).length, MAX);
  const { error } = await call(url, 'plain', { bytes: MAX - around + 1 });
  assert.equal(error.code, 'ANSWER_TOO_LARGE');
  assert.match(error.message, /"plain" has 131073 bytes; at most 131072/);
  assert.match(error.remediation, /smaller `limit`/);
  assert.deepEqual(error.context, { retryable: false, bytes: MAX + 1, bytes_max: MAX });
});

test('content that a tool made itself, and the facts of an error, count as well', async (t) => {
  const { url } = await aServer(t, { tools });
  for (const name of ['picture', 'refuses']) {
    assert.equal((await call(url, name, { bytes: MAX })).error.code, 'ANSWER_TOO_LARGE', name);
  }
  const { body } = await rpc(url, 'tools/call', { name: 'picture', arguments: { bytes: 1_000 } });
  assert.equal(body.result.content[0].data.length, 1_000);
});

test('the fullest page of jobs stays within the bound', async (t) => {
  const { url } = await aServer(t, { inProcess: false, workers: 0 });
  for (let i = 0; i < 100; i += 1) await call(url, 'add', { a: 1, b: 2 });
  const page = await call(url, 'list_jobs', { limit: 100 });
  assert.equal(page.data.length, 100);
  assert.ok(JSON.stringify(page).length < MAX / 2);
});
