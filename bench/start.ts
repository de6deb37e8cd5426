/** How soon a started server answers, and how much memory it and an idle worker hold. */
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { atMost, type Bench, type Finding } from './finding.ts';
import { withFolder } from './folder.ts';
import { proportionalMB } from './memory.ts';
import { callTool, createToken, startProduct } from './product.ts';
import { median, percentile, short } from './statistics.ts';

/** After this the worker has started and the first garbage is collected. */
const IDLE_AFTER_MS = 5_000;

export const start: Bench = async ({ pairs, quick }) =>
  withFolder(async (folder) => {
    const db = join(folder, 'jobs.db');
    const token = createToken(db);
    const seconds: number[] = [];
    const megabytes: number[] = [];
    for (let i = 0; i < pairs; i += 1) {
      const startedAt = performance.now();
      const product = await startProduct(db);
      await callTool(product.url, token, 'list_jobs', {});
      seconds.push((performance.now() - startedAt) / 1_000);
      if (i < (quick ? 1 : 3)) {
        await pause(IDLE_AFTER_MS);
        megabytes.push(proportionalMB(product.pid));
      }
      await product.stop();
    }
    return [
      finding('start to the first answered call', seconds, 's', 0.7),
      finding('server and one idle worker, proportional set size', megabytes, 'MB', 180),
    ];
  });

function finding(what: string, values: number[], unit: 's' | 'MB', limit: number): Finding {
  const detail = `${short(percentile(values, 0))} to ${short(percentile(values, 100))}, n ${values.length}`;
  return { bench: 'start', what, measured: median(values), unit, bar: atMost(limit), detail };
}
