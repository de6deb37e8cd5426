/** An SDK without the hooks: the tools do with the public API, and say so. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InMemoryTransport } from '@modelcontextprotocol/client';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import { attach } from '../../src/mcp.ts';
import { tempStore } from '../support/temp.ts';
import * as jobs from './jobs.ts';
import { ALL, message2026 } from './wire.ts';

const identify = () => ({ team: 'anna', owner: 'anna', abilities: ['*'] });

test('without the seam a task still comes, beside an empty content, and a warning', async (t) => {
  const store = await tempStore(t);
  const warned: string[] = [];
  const listen = (warning: Error & { code?: string }) => void warned.push(warning.code ?? '');
  process.on('warning', listen);
  t.after(() => void process.off('warning', listen));
  const handler = createMcpHandler(() => {
    const mcp = new McpServer({ name: 'own', version: '1' });
    // As a later SDK might be.
    Object.defineProperty(mcp.server, '_getRequestHandler', { value: undefined });
    attach(mcp, { jobs, store, identify });
    return mcp;
  });
  t.after(() => handler.close());
  const send = async (method: string, params: Record<string, unknown>, capabilities: object) => {
    const request = new Request(
      'http://localhost/mcp',
      message2026(method, params, { capabilities }),
    );
    const text = await (await handler.fetch(request)).text();
    return JSON.parse(/^data: (.*)$/m.exec(text)?.[1] ?? text);
  };
  const call = { name: 'add', arguments: { a: 1, b: 2 } };
  const { result: task } = await send('tools/call', call, ALL);
  assert.deepEqual([task.resultType, task.content, task.status], ['task', [], 'working']);
  const { result: got } = await send('tasks/get', { taskId: task.taskId }, ALL);
  assert.equal(got.taskId, task.taskId);
  const { result: handle } = await send('tools/call', call, {});
  assert.equal(handle.structuredContent.data.status, 'queued');
  const { result: wrong } = await send('tools/call', { ...call, arguments: { a: 'x' } }, {});
  assert.equal(wrong.structuredContent.error.code, 'VALIDATION_FAILED');
  const { result: list } = await send('tools/list', {}, {});
  const add = list.tools.find(({ name }: { name: string }) => name === 'add');
  assert.equal(add.outputSchema, undefined);
  assert.deepEqual(warned, ['MCP_ASYNC_JOBS_SEAM'], 'it is said once');
});

test('attach brings tasks of both generations to a server of one’s own', async (t) => {
  const store = await tempStore(t);
  const mcp = new McpServer({ name: 'own', version: '1' });
  attach(mcp, { jobs, store, identify });
  const [near, far] = InMemoryTransport.createLinkedPair();
  await mcp.connect(far);
  t.after(() => mcp.close());
  const ask = (id: number, method: string, params: object) =>
    new Promise<{ result: Record<string, never> }>((resolve) => {
      // oxlint-disable-next-line unicorn/prefer-add-event-listener -- a transport has only this
      near.onmessage = (message) => resolve(message as never);
      void near.send({ jsonrpc: '2.0', id, method, params: params as never });
    });
  await near.start();
  const initialize = {
    protocolVersion: '2025-11-25',
    clientInfo: { name: 'test', version: '1' },
    capabilities: {},
  };
  const { capabilities } = (await ask(1, 'initialize', initialize)).result;
  assert.ok(capabilities?.['tasks']);
  assert.equal(capabilities?.['extensions'], undefined);
  const call = { name: 'add', arguments: { a: 1, b: 2 }, task: {} };
  const { task } = (await ask(2, 'tools/call', call)).result;
  assert.equal(task?.['status'], 'working');
});
