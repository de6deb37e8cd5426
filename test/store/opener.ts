/** A process of its own that opens a file, inserts, reads heavily and ends by itself. */
import { openStore } from '../../src/sqlite.ts';
import { aJob, who } from '../support/a-job.ts';

const { path, inserts } = JSON.parse(process.argv[2] ?? '{}') as { path: string; inserts: number };
const store = await openStore(path);
const jobs = await Promise.all(Array.from({ length: inserts }, () => store.insert(aJob(), 0)));
for (const { id } of jobs) {
  if (!(await store.get(id, who()))) throw new Error(`${id} was acknowledged and is not there`);
}
await store.list({ who: who(), status: null, tool: 'print', before: null, limit: 10 });
await store.close();
process.stdout.write(`${JSON.stringify({ event: 'closed', ids: jobs.map(({ id }) => id) })}\n`);
process.disconnect?.();
