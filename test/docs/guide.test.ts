/** What docs/write-a-job.md says of its jobs, tried on a real server. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { defineStatement, type JobError } from 'mcp-async-jobs';
import { callJob, resumeJob } from 'mcp-async-jobs/client';
import { local, serve } from 'mcp-async-jobs/http';
import { openStore } from 'mcp-async-jobs/sqlite';
import { tempFolder } from '../support/temp.ts';
import { SHOP } from './guide-jobs.ts';

const insertCustomer = defineStatement<{ id: string; credit: number }>({
  name: 'insert_customer',
  sqlite: 'INSERT INTO customers (id, credit) VALUES (:id, :credit)',
});
const listOrders = defineStatement<{ customer: string }, { id: string; total: number }>({
  name: 'list_orders',
  sqlite: 'SELECT id, total FROM orders WHERE customer = :customer',
});
const readCredit = defineStatement<{ customer: string }, { credit: number }>({
  name: 'read_credit',
  sqlite: 'SELECT credit FROM customers WHERE id = :customer',
});

async function aShop(t: TestContext) {
  const store = await openStore(`${tempFolder(t)}/jobs.db`, { migrations: [SHOP] });
  const serving = await serve({
    jobs: new URL('./guide-jobs.ts', import.meta.url),
    db: store,
    identify: local(),
    port: 0,
    inProcess: true,
  });
  const client = new Client({ name: 'guide', version: '1.0.0' });
  await client.connect(new StreamableHTTPClientTransport(new URL(serving.url)));
  t.after(async () => {
    await client.close();
    await serving.close({ graceMs: 0 });
    await store.close();
  });
  await store.write([insertCustomer({ id: 'ada', credit: 20 })]);
  return { store, serving, client };
}

test('effects are written with the completion, and the result gets its link', async (t) => {
  const { store, serving, client } = await aShop(t);
  const ordered = await callJob(client, 'order_bread', { customer: 'ada', loaves: 3 });
  const [order] = await store.read(listOrders, { customer: 'ada' });
  assert.ok(order);
  const order_url = `${serving.publicUrl}/orders/${order.id}`;
  assert.deepEqual(ordered, { order_id: order.id, total: 12, order_url });
  assert.deepEqual(await store.read(readCredit, { customer: 'ada' }), [{ credit: 8 }]);
});

test('an effect whose expectation is not met leaves nothing, and the job ends without a retry', async (t) => {
  const { store, client } = await aShop(t);
  const ordering = callJob(client, 'order_bread', { customer: 'ada', loaves: 6 });
  await assert.rejects(ordering, { code: 'EFFECT_REFUSED' } satisfies Partial<JobError>);
  assert.deepEqual(await store.read(listOrders, { customer: 'ada' }), []);
  assert.deepEqual(await store.read(readCredit, { customer: 'ada' }), [{ credit: 20 }]);
});

test('what prepare refuses is no job', async (t) => {
  const { client } = await aShop(t);
  const ordering = callJob(client, 'order_bread', { customer: 'eve', loaves: 1 });
  await assert.rejects(ordering, { code: 'CUSTOMER_UNKNOWN' } satisfies Partial<JobError>);
  const { structuredContent } = await client.callTool({ name: 'list_jobs', arguments: {} });
  assert.deepEqual((structuredContent as { data: unknown }).data, []);
});

test('a job that asks waits, and is run again with the answer', async (t) => {
  const { store, client } = await aShop(t);
  const who = { team: 'local', owner: 'local', abilities: ['*'] };
  const waiting = new Promise<string>((resolve) => {
    store.onChange((notice) => notice?.status === 'waiting' && resolve(notice.id));
  });
  const answering = waiting.then((id) =>
    store.answer(id, who, { flour: { action: 'accept', content: { kind: 'rye' } } }),
  );
  const baked = await callJob(client, 'bake_to_order', { loaves: 2 });
  assert.equal((await answering).outcome, 'applied');
  assert.deepEqual(baked, { loaves: 2, flour: 'rye' });
  const id = await waiting;
  assert.deepEqual(await resumeJob(client, id), baked);
  assert.equal((await store.get(id, who))?.runs, 2);
});
