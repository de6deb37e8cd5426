/** The access-code application over the surfaces of tasks and resources. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { batchOf, planOf, served, type Served } from '../access-codes/served.ts';
import { until } from '../support/until.ts';
import { modern, old } from './wire.ts';

const TOOL = 'bulk_generate_access_codes';

async function taskOf(server: Served, token: string, taskId: string) {
  return until('the task is completed', async () => {
    const { result } = await modern(server.url, 'tasks/get', { taskId }, { token });
    return result.status === 'completed' && result;
  });
}

test('consent to a charge is asked before there is a job, and to its price', async (t) => {
  const server = await served({ allotment: 5, overagePrice: '0.03' });
  t.after(() => server.close());
  const token = await server.token();
  const { plan_id } = await planOf(server, token);
  const call = { name: TOOL, arguments: batchOf(plan_id, 50) };
  const ask = (more: object) => modern(server.url, 'tools/call', { ...call, ...more }, { token });
  const { result: asked } = await ask({});
  assert.equal(asked.resultType, 'input_required');
  const [[key, request]] = Object.entries<{ params: { message: string } }>(asked.inputRequests) as [
    [string, { params: { message: string } }],
  ];
  assert.match(request.params.message, /45 of the codes would be billed.*1\.35/);

  for (const answer of [{ action: 'decline' }, { action: 'accept', content: { consent: false } }]) {
    const { result } = await ask({ inputResponses: { [key]: answer } });
    assert.equal(result.structuredContent.error.code, 'VALIDATION_FAILED');
  }
  const consent = { action: 'accept', content: { consent: true } };
  const cheaper = await ask({ inputResponses: { 'consent_to_overage_of_0.03': consent } });
  assert.equal(cheaper.result.resultType, 'input_required', 'consent to another price is none');
  assert.deepEqual(await server.data(token, 'list_jobs'), []);

  const { result: task } = await ask({ inputResponses: { [key]: consent } });
  const { result } = await taskOf(server, token, task.taskId);
  assert.equal(result.structuredContent.data.count, 50);
});

test('no code is in any task, notification, resource or list', async (t) => {
  const server = await served();
  t.after(() => server.close());
  const token = await server.token();
  const { plan_id } = await planOf(server, token);
  const seen: string[] = [];
  const keep = <T>(value: T): T => {
    seen.push(JSON.stringify(value));
    return value;
  };
  const call = { name: TOOL, arguments: batchOf(plan_id, 20) };
  const { result: created } = keep(await modern(server.url, 'tools/call', call, { token }));
  const { taskId } = created;
  const listen = { notifications: { taskIds: [taskId] } };
  const told = keep(await modern(server.url, 'subscriptions/listen', listen, { token }));
  assert.equal(told.result.resultType, 'complete');
  const { result } = keep(await taskOf(server, token, taskId));
  keep(await old(server.url, 'tasks/result', { taskId }, { token }));
  keep(await old(server.url, 'tasks/list', {}, { token }));
  keep(await modern(server.url, 'tasks/cancel', { taskId }, { token }));
  const { resources } = keep(await modern(server.url, 'resources/list', {}, { token })).result;
  const uris = resources.map(({ uri }: { uri: string }) => uri);
  assert.equal(uris.length, 2);
  for (const uri of [...uris, `mcp-async-jobs://jobs/${taskId}/result`]) {
    const read = keep(await modern(server.url, 'resources/read', { uri }, { token }));
    assert.equal(read.result.contents.length, 1, uri);
  }
  const csv = await server.fetch(result.structuredContent.data.download_url, token);
  const codes = (await csv.text()).match(/\b[0-9A-HJKMNP-TV-Z]{16}\b/g) ?? [];
  assert.equal(codes.length, 20);
  const all = [...seen, ...server.logged, ...server.answered].join('\n');
  assert.deepEqual(
    codes.filter((code) => all.includes(code)),
    [],
  );
});

test('the abilities and the error codes are resources', async (t) => {
  const server = await served();
  t.after(() => server.close());
  const token = await server.token({ abilities: ['mcp:full'] });
  const read = async (name: string) => {
    const uri = `mcp-async-jobs://enums/${name}`;
    const { result } = await modern(server.url, 'resources/read', { uri }, { token });
    return JSON.parse(result.contents[0].text) as {
      count: number;
      items: { [k: string]: string }[];
    };
  };
  const abilities = await read('ability');
  assert.equal(abilities.count, abilities.items.length);
  const names = abilities.items.map(({ name }) => name);
  for (const name of ['mcp:full', 'job:view-any', 'project-access-code:create']) {
    assert.ok(names.includes(name), name);
  }
  const errors = await read('error-code');
  assert.ok(errors.items.some(({ code }) => code === 'JOB_CANCELLED'));
});

test('tools/list stays small', async (t) => {
  const server = await served();
  t.after(() => server.close());
  const token = await server.token();
  for (const ask of [modern, old]) {
    const { result } = await ask(server.url, 'tools/list', {}, { token });
    const bytes = Buffer.byteLength(JSON.stringify(result));
    assert.ok(bytes <= 14_000, `${bytes} bytes`);
  }
});
