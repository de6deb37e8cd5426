/** A batch of 1,000 access codes: from the claim to the commit of the codes and the completion. */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as pause } from 'node:timers/promises';
import { atMost, type Bench } from './finding.ts';
import { withFolder } from './folder.ts';
import { callTool, createToken, startProduct } from './product.ts';
import { percentile, short } from './statistics.ts';

const WARM_UP = 20;

export const codes: Bench = async ({ quick }) =>
  withFolder(async (folder) => {
    const db = join(folder, 'jobs.db');
    const token = createToken(db);
    const product = await startProduct(db, ['--rate-limit', '0', '--max-outstanding', '0']);
    const count = WARM_UP + (quick ? 20 : 200);
    try {
      const call = async (name: string, args: object) => callTool(product.url, token, name, args);
      const project = await call('create_project', { name: 'Bench' });
      const plan = await call('create_plan', {
        project_id: project['id'],
        name: 'Monthly',
        price: '29.00',
        currency: 'USD',
        billing_cycle: 'months',
        billing_cycle_count: 1,
      });
      for (let i = 0; i < count; i += 1) {
        const { job_id } = await call('bulk_generate_access_codes', {
          plan_id: plan['id'],
          quantity: 1_000,
          export_type: 'file',
          expiry_preset: 'no_expiry',
        });
        while ((await call('get_job_status', { job_id }))['status'] !== 'completed')
          await pause(10);
      }
    } finally {
      await product.stop();
    }
    const times = durations(db).slice(WARM_UP);
    const detail = `p50 ${short(percentile(times, 50))}, max ${short(Math.max(...times))} ms of ${times.length}`;
    const what = 'a batch of 1,000 codes, claim to completion, p95';
    const measured = percentile(times, 95);
    return [{ bench: 'codes', what, measured, unit: 'ms', bar: atMost(50), detail }];
  });

/** Milliseconds of each job, oldest first, as the rows say. */
function durations(path: string): number[] {
  const db = new DatabaseSync(path, { readOnly: true });
  const rows = db.prepare('SELECT completed_at - started_at AS ms FROM jobs ORDER BY id').all();
  db.close();
  return rows.map(({ ms }) => ms as number);
}
