/** Durable submissions into PostgreSQL: a group commit of ours against single sends of pg-boss. */
import { BareBoss } from './boss.ts';
import { openAt, withPlace } from './engine.ts';
import { atLeast, type Bench, type Finding } from './finding.ts';
import { newJob } from './new-job.ts';
import { alternate, both, ratio, type Measured } from './statistics.ts';

export const bossSend: Bench = async ({ pairs, quick }) =>
  withPlace('postgres', async (place) => {
    const ours = await openAt(await place.address('ours'));
    const boss = await BareBoss.start(await place.address('bare'));
    const findings: Finding[] = [];
    for (const callers of [1, 32]) {
      const count = (callers === 1 ? 400 : 4_000) / (quick ? 4 : 1);
      const measure = async (insert: () => Promise<unknown>): Promise<Measured> => {
        const [at, used] = [performance.now(), place.processorMs()];
        await byCallers(callers, count, insert);
        const perSecond = count / ((performance.now() - at) / 1_000);
        return { perSecond, processorUs: ((place.processorMs() - used) * 1_000) / count };
      };
      const found = await alternate(
        pairs,
        async () => measure(async () => ours.insert(newJob('trivial'), 0)),
        async () => measure(async () => boss.send()),
      );
      const what = `submissions : boss.send, callers: ${callers}`;
      findings.push({
        bench: 'store',
        what,
        measured: ratio(found, ({ perSecond }) => perSecond),
        unit: 'x',
        bar: callers === 1 ? null : atLeast(4),
        detail: both(found, ({ perSecond }) => perSecond, '/s'),
      });
      findings.push({
        bench: 'store',
        what: `${what}, processor time`,
        measured: ratio(found, ({ processorUs }) => processorUs),
        unit: 'x',
        bar: null,
        detail: both(found, ({ processorUs }) => processorUs, 'µs'),
      });
    }
    await boss.stop();
    await ours.close();
    return findings;
  });

/** Each caller sends its next job when it has the answer to the one before. */
export async function byCallers(
  callers: number,
  count: number,
  insert: () => Promise<unknown>,
): Promise<void> {
  let left = count;
  const call = async () => {
    while (left > 0) {
      left -= 1;
      await insert();
    }
  };
  await Promise.all(Array.from({ length: callers }, call));
}
