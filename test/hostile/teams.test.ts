/** Teams are blind for each other, and clients for each other's answers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { served } from '../access-codes/served.ts';
import { probeTeams } from './teams.ts';

test(
  'of 20 teams none learns anything of another by any tool, method or address',
  { timeout: 240_000 },
  async (t) => {
    const seed = Math.trunc(Math.random() * 2 ** 31);
    const { leaks, probes } = await probeTeams({ seed, teams: 20, probes: 1_500 });
    t.diagnostic(`seed ${seed}: ${probes} probes`);
    assert.deepEqual(leaks.slice(0, 5), [], `seed ${seed}: ${leaks.length} leaks`);
  },
);

test('two clients that use the same request ids at once never get each other’s answers', async (t) => {
  const server = await served();
  t.after(() => server.close());
  const clients = await Promise.all(
    ['red', 'blue'].map(async (team) => {
      const token = await server.token({ team, owner: 'ann' });
      const { id } = await server.data(token, 'create_project', { name: `Of ${team}` });
      return { token, id: String(id) };
    }),
  );
  const asked = clients.flatMap(({ token, id }) =>
    Array.from({ length: 200 }, async (_, number) => {
      const response = await fetch(server.url, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${token}`,
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
        },
        body: JSON.stringify({
          jsonrpc: '2.0',
          id: number,
          method: 'tools/call',
          params: { name: 'list_projects', arguments: {} },
        }),
      });
      const text = await response.text();
      const [, data = text] = /^data: (.*)$/m.exec(text) ?? [];
      return { expected: { number, id }, text: data };
    }),
  );
  for (const { expected, text } of await Promise.all(asked)) {
    const message = JSON.parse(text) as {
      readonly id: number;
      readonly result: { readonly structuredContent: { readonly data: { readonly id: string }[] } };
    };
    assert.equal(message.id, expected.number);
    assert.deepEqual(
      message.result.structuredContent.data.map(({ id }) => id),
      [expected.id],
    );
  }
});
