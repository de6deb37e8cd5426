/** What may pass over many rows is read by another thread than the one that answers. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { openStore } from '../../src/sqlite.ts';
import { openWriter } from '../../src/store/sqlite/connection.ts';
import type { ListQuery } from '../../src/store/store.ts';
import { who } from '../support/a-job.ts';
import { tempFolder } from '../support/temp.ts';

/** Jobs of one project. */
const FILL = `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)
  INSERT INTO jobs (id, tool, team_id, owner_id, scope, status, input, request_id, attempts_max,
    timeout_ms, turn, created_at, updated_at)
  SELECT printf('mjb_%06d', i), 'print', 'tem_a', 'usr_a', 'prj_a', 'queued', '{}', 'req', 3, 1000, i, i, i
  FROM n`;

const QUERIES: Readonly<Record<string, Partial<ListQuery>>> = {
  'a tool that has few of the jobs': { tool: 'scan' },
  'a caller who sees few of the projects': { who: who({ scopes: ['prj_b'] }) },
};

for (const [whose, query] of Object.entries(QUERIES)) {
  test(`the list of ${whose} is not looked for by the thread that answers`, async (t) => {
    const path = join(tempFolder(t), 'jobs.db');
    const store = await openStore(path);
    t.after(() => store.close());
    const db = openWriter(path, 1_000);
    db.exec(FILL);
    db.close();
    const list = { who: who(), status: null, tool: null, before: null, limit: 26, ...query };
    await store.list(list);
    const [thread, all] = [process.threadCpuUsage(), process.cpuUsage()];
    for (let i = 0; i < 10; i += 1) assert.deepEqual(await store.list(list), []);
    const { user } = process.threadCpuUsage(thread);
    const of = process.cpuUsage(all).user;
    assert.ok(user < of / 2, `this thread worked for ${user} of ${of} µs`);
  });
}
