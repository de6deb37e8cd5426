/** A store, a sweeper and supervised workers over the jobs of `test/support/jobs.ts`. */
import { newId } from '../../src/job/ids.ts';
import { definitionsOf } from '../../src/job/definition.ts';
import type { Job } from '../../src/job/job.ts';
import { isFinal } from '../../src/job/states.ts';
import type { Logger } from '../../src/job/log.ts';
import type { Store } from '../../src/store/store.ts';
import {
  startSweeper,
  supervise,
  type SuperviseOptions,
  type Supervision,
} from '../../src/worker.ts';
import { aJob, who } from '../support/a-job.ts';
import * as jobs from '../support/jobs.ts';
import { tempFolder, tempStore, type Ending } from '../support/temp.ts';
import { until } from '../support/until.ts';

export const definitions = definitionsOf(jobs);

export interface Works {
  readonly store: Store;
  readonly folder: string;
  readonly workers: Supervision;
  readonly log: readonly { level: string; message: string; fields: Record<string, unknown> }[];
  submit(tool: string, key?: string): Promise<string>;
  get(id: string): Promise<Job>;
  /** Wait until the job is final. */
  ended(id: string, ms?: number): Promise<Job>;
  /** Wait until a handler has said this. */
  marked(what: string, key: string, ms?: number): Promise<jobs.Mark>;
  marks(key: string, what?: string): readonly jobs.Mark[];
}

interface WorksOptions extends Partial<SuperviseOptions> {
  /** What the workers see of the store. */
  readonly around?: (store: Store) => Store;
}

export function collectingLog(
  lines: { level: string; message: string; fields: Record<string, unknown> }[],
): Logger {
  const at =
    (level: string) =>
    (fields: object, message = '') =>
      void lines.push({ level, message, fields: fields as Record<string, unknown> });
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

export async function startWorks(
  t: Ending,
  { around = (store) => store, ...given }: WorksOptions = {},
): Promise<Works> {
  const folder = tempFolder(t);
  const store = given.store ?? (await tempStore(t, { migrations: [jobs.PIECES] }));
  const log: { level: string; message: string; fields: Record<string, unknown> }[] = [];
  const logger = collectingLog(log);
  const workers = supervise({
    jobs: new URL('../support/jobs.ts', import.meta.url),
    definitions,
    settings: { folder },
    workers: 1,
    concurrency: 1,
    leaseMs: 20_000,
    log: logger,
    ...given,
    store: around(store),
  });
  const stopSweeper = startSweeper({ store, retentionMs: 1e9, log: logger });
  t.after(async () => {
    await stopSweeper();
    await workers.stop(0);
  });
  const get = async (id: string) => {
    const job = await store.get(id, who());
    if (!job) throw new Error(`${id} is not there`);
    return job;
  };
  return {
    store,
    folder,
    workers,
    log,
    get,
    async submit(tool, key = newId('key')) {
      const definition = definitions.get(tool);
      const { attempts: attemptsMax = 3, timeoutMs = 60_000 } = definition ?? {};
      const job = aJob({ tool, input: JSON.stringify({ key }), attemptsMax, timeoutMs });
      return (await store.insert(job, 0)).id;
    },
    async ended(id, ms = 15_000) {
      let last: Job | null = null;
      try {
        return await until(
          'it has ended',
          async () => {
            last = await get(id);
            return isFinal(last.status) && last;
          },
          { ms },
        );
      } catch (error) {
        throw new Error(`job: ${JSON.stringify(last)}, log: ${JSON.stringify(log.slice(-10))}`, {
          cause: error,
        });
      }
    },
    marked: (what, key, ms = 10_000) =>
      until(
        `${key} ${what}`,
        () => jobs.marksIn(folder).find((mark) => mark.what === what && mark.key === key),
        { ms },
      ),
    marks: (key, what = 'began') =>
      jobs.marksIn(folder).filter((mark) => mark.what === what && mark.key === key),
  };
}
