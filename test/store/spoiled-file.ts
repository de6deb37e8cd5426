/** A process of its own that fills a file, overwrites it behind the store's back, and goes on. */
import { openSync, writeSync } from 'node:fs';
import { openStore } from '../../src/sqlite.ts';
import { aJob, claim } from '../support/a-job.ts';

const PAGE = 4_096;
const { path } = JSON.parse(process.argv[2] ?? '{}') as { path: string };
const first = await openStore(path);
const input = JSON.stringify('x'.repeat(3_000));
for (let i = 0; i < 50; i += 1) await first.insert(aJob({ input }), 0);
await first.close();
const store = await openStore(path);
const file = openSync(path, 'r+');
for (let page = 1; page < 30; page += 1) {
  writeSync(file, Buffer.alloc(PAGE, 0xff), 0, PAGE, page * PAGE);
}
const { jobs } = await claim(store);
process.stdout.write(`${JSON.stringify({ event: 'answered', jobs: jobs.length })}\n`);
