/** A worker with a connection of its own. Ends with its parent. */
import { definitionsOf } from '../src/index.ts';
import { SILENT } from '../src/job/log.ts';
import { openStore } from '../src/sqlite.ts';
import { runWorker } from '../src/worker.ts';
import * as jobs from './jobs.ts';

const [, , path = ''] = process.argv;
const store = await openStore(path, { isGuest: true });
const worker = runWorker({ store, definitions: definitionsOf(jobs), log: SILENT });

async function stop(): Promise<void> {
  await worker.stop(1_000);
  await store.close();
  process.exit(0);
}

process.on('disconnect', () => void stop());
process.send?.('ready');
