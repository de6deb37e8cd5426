/** Bare pg-boss, as its documentation shows it: what the store on PostgreSQL is compared with. */
import { PgBoss } from 'pg-boss';
import { timed } from './statistics.ts';

const QUEUE = 'trivial';

export class BareBoss {
  readonly #boss: PgBoss;

  private constructor(boss: PgBoss) {
    this.#boss = boss;
  }

  static async start(url: string): Promise<BareBoss> {
    const boss = new PgBoss({ connectionString: url, max: 32, schedule: false, supervise: false });
    boss.on('error', () => {});
    await boss.start();
    await boss.createQueue(QUEUE);
    return new BareBoss(boss);
  }

  /** One job by itself; durable when the promise resolves. */
  async send(): Promise<void> {
    await this.#boss.send(QUEUE, { n: 1 });
  }

  /** Jobs by the thousand, before anything is measured. */
  async fill(count: number): Promise<void> {
    for (let left = count; left > 0; left -= 1_000) {
      const jobs = Array.from({ length: Math.min(left, 1_000) }, () => ({ data: { n: 1 } }));
      await this.#boss.insert(QUEUE, jobs);
    }
  }

  /** Milliseconds until nothing is left: `loops` at once, each of fetch and complete by the batch. */
  async drain(batchSize: number, loops: number): Promise<number> {
    const loop = async () => {
      for (;;) {
        const jobs = await this.#boss.fetch(QUEUE, { batchSize });
        if (jobs.length === 0) return;
        await this.#boss.complete(
          QUEUE,
          jobs.map(({ id }) => id),
        );
      }
    };
    return timed(async () => Promise.all(Array.from({ length: loops }, loop)));
  }

  async stop(): Promise<void> {
    await this.#boss.stop({ graceful: false });
  }
}
