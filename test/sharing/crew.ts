/** A process of workers; a test kills it. */
import { writeSync } from 'node:fs';
import { definitionsOf } from '../../src/job/definition.ts';
import { SILENT } from '../../src/job/log.ts';
import { runWorker, startSweeper } from '../../src/worker.ts';
import * as jobs from './jobs.ts';
import { openAt, type CrewOptions } from './place.ts';

const {
  concurrency,
  maxRunningPerTeam = 0,
  ...address
} = JSON.parse(process.argv[2] ?? '{}') as CrewOptions;
const store = await openAt(address);
startSweeper({ store, retentionMs: 1e9, log: SILENT });
const definitions = definitionsOf(jobs);
runWorker({ store, definitions, concurrency, maxRunningPerTeam, log: SILENT });
process.on('disconnect', () => process.exit(0));
writeSync(1, '{"event":"works"}\n');
