/** Each request has a server instance of its own. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { setImmediate as immediate } from 'node:timers/promises';
import { test, type TestContext } from 'node:test';
import type { ServeOptions } from '../../src/http.ts';
import { message2026 } from '../tasks/wire.ts';
import { aServer, rpc2026 } from './fixture.ts';

type Tools = NonNullable<ServeOptions['tools']>;

async function serving(t: TestContext, tools: Tools): Promise<string> {
  return (await aServer(t, { tools, inProcess: false, workers: 0 })).url;
}

async function ask(url: string, token: string): Promise<{ owner: string; requestId: string }> {
  const { body } = await rpc2026(url, 'tools/call', { name: 'me', arguments: {} }, { token });
  return body.result.structuredContent.data;
}

const nameOf = async (url: string): Promise<string[]> => {
  const { body } = await rpc2026(url, 'tools/list', {});
  return body.result.tools.map(({ name }: { name: string }) => name);
};

test('each request has an instance of its own, for its caller and under its own id', async (t) => {
  let made = 0;
  const url = await serving(t, (mcp, context) => {
    made += 1;
    const data = () => ({ owner: context.who.owner, requestId: context.requestId });
    mcp.registerTool('me', {}, () => ({ data: data() }) as never);
  });
  const seen = new Set<string>();
  for (let i = 0; i < 10; i += 1) {
    const owners = ['anna', 'bert', 'carl'];
    const answers = await Promise.all(owners.map((owner) => ask(url, `team/${owner}/*`)));
    assert.deepEqual(
      answers.map(({ owner }) => owner),
      owners,
    );
    for (const { requestId } of answers) seen.add(requestId);
  }
  assert.equal(seen.size, 30);
  assert.equal(made, 30);
});

test('other rights are another caller', async (t) => {
  const url = await serving(t, (mcp, { who }) => {
    mcp.registerTool('me', {}, () => ({ data: { owner: who.abilities.join() } }) as never);
  });
  for (const ability of ['*', 'a:b', '*', 'a:b']) {
    assert.equal((await ask(url, `team/anna/${ability}`)).owner, ability);
  }
});

test('who is told of changed tools sees them at once', async (t) => {
  let isOpen = false;
  const url = await serving(t, (mcp, { notify }) => {
    mcp.registerTool('open', {}, () => {
      isOpen = true;
      notify.toolsChanged();
      return { content: [] };
    });
    if (isOpen) mcp.registerTool('inside', {}, () => ({ content: [] }));
  });
  assert.ok(!(await nameOf(url)).includes('inside'));
  await rpc2026(url, 'tools/call', { name: 'open', arguments: {} });
  assert.ok((await nameOf(url)).includes('inside'));
});

test('what a request says after its client has left reaches no other one', async (t) => {
  const goOn = new AbortController();
  const url = await serving(t, (mcp) => {
    mcp.registerTool('slow', {}, async ({ mcpReq }) => {
      await once(goOn.signal, 'abort');
      await mcpReq.notify({ method: 'notifications/message', params: { level: 'info', data: 1 } });
      return { content: [] };
    });
    mcp.registerTool('next', {}, async () => {
      goOn.abort();
      await immediate();
      return { content: [] };
    });
  });
  const leaving = new AbortController();
  const callOf = (name: string) => message2026('tools/call', { name, arguments: {} });
  const left = fetch(url, { ...callOf('slow'), signal: leaving.signal }).catch(() => null);
  await rpc2026(url, 'tools/list', {});
  leaving.abort();
  await left;
  const answer = await (await fetch(url, callOf('next'))).text();
  assert.ok(!answer.includes('notifications/message'), answer);
});
