import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clientConfigurations } from './client-configurations.ts';

const url = 'http://127.0.0.1:3000/mcp';
const token = 'mpt_test_1_s';

test('every client is told the address and the token', () => {
  const text = clientConfigurations({ url, token, planId: 'pln_1' });
  const sections = text.split(/^# /m).slice(1);
  assert.deepEqual(
    sections.map((section) => section.split(/ \(|\n/, 1)[0]),
    ['Claude Code', 'Cursor', 'VS Code', 'Inspector', 'curl', 'This command line'],
  );
  for (const section of sections) assert.ok(section.includes(url) && section.includes(token));
});

test('what is to be pasted into a file is JSON', () => {
  const text = clientConfigurations({ url, token, planId: null });
  for (const [, json = ''] of text.matchAll(/mcp\.json\)\n(\{.*?\n\})/gs)) {
    const [servers] = Object.values(JSON.parse(json) as Record<string, Record<string, unknown>>);
    assert.deepEqual(Object.keys(servers ?? {}), ['async-jobs']);
  }
  assert.equal([...text.matchAll(/mcp\.json/g)].length, 2);
});
