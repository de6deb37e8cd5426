/** A worker with a connection of its own: address, concurrency, lease. Ends with its parent. */
import { definitionsOf } from '../src/index.ts';
import { SILENT } from '../src/job/log.ts';
import { runWorker } from '../src/worker.ts';
import { openAt } from './engine.ts';
import * as jobs from './jobs.ts';

const [, , address = '', concurrency = '1', leaseMs = '20000'] = process.argv;
const store = await openAt(address, true);
const worker = runWorker({
  store,
  definitions: definitionsOf(jobs),
  concurrency: Number(concurrency),
  leaseMs: Number(leaseMs),
  log: SILENT,
});

async function stop(): Promise<void> {
  await worker.stop(1_000);
  await store.close();
  process.exit(0);
}

process.on('disconnect', () => void stop());
process.send?.('ready');
