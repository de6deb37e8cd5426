/** Workers of a program that is newer than the others by two changes of the tables. */
import { writeSync } from 'node:fs';
import { SILENT } from '../../src/job/log.ts';
import { definitionsOf } from '../../src/job/definition.ts';
import { runWorker, startSweeper } from '../../src/worker.ts';
import * as jobs from './jobs.ts';
import { openNewer } from './versions.ts';
import type { Address } from './address.ts';

const options = JSON.parse(process.argv[2] ?? '{}') as Address & { readonly folder: string };
const store = await openNewer(options, 2);
// The older program was killed, perhaps with a job at hand.
startSweeper({ store, retentionMs: 1e12, log: SILENT });
const settings = { folder: options.folder };
runWorker({ store, definitions: definitionsOf(jobs), settings, concurrency: 8, log: SILENT });
process.on('disconnect', () => process.exit(0));
writeSync(1, '{"event":"open"}\n');
