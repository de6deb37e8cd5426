/** The jobs of docs/write-a-job.md, whose pieces are copied from here; guide.test.ts runs them. */
import { defineJob, defineStatement, JobError, newId, type Migrations } from 'mcp-async-jobs';
import { z } from 'zod';

// #region tables
export const SHOP: Migrations = {
  namespace: 'shop',
  sqlite: [
    `CREATE TABLE customers (id TEXT PRIMARY KEY, credit INTEGER NOT NULL CHECK (credit >= 0)) STRICT`,
    `CREATE TABLE orders (id TEXT PRIMARY KEY, customer TEXT NOT NULL REFERENCES customers, total INTEGER NOT NULL) STRICT`,
  ],
};

const getCustomer = defineStatement<{ id: string }, { credit: number }>({
  name: 'get_customer',
  sqlite: 'SELECT credit FROM customers WHERE id = :id',
});
const insertOrder = defineStatement<{ id: string; customer: string; total: number }>({
  name: 'insert_order',
  sqlite: 'INSERT INTO orders (id, customer, total) VALUES (:id, :customer, :total)',
});
const spendCredit = defineStatement<{ id: string; total: number }>({
  name: 'spend_credit',
  sqlite: 'UPDATE customers SET credit = credit - :total WHERE id = :id AND credit >= :total',
});
// #endregion

// #region order
export const orderBread = defineJob({
  name: 'order_bread',
  description: 'Orders bread on the credit of a customer.',
  input: z.object({ customer: z.string(), loaves: z.int().min(1).max(100) }),
  output: z.object({ order_id: z.string(), total: z.int() }),
  attempts: 5,
  timeoutMs: 60_000,
  backoff: { baseMs: 2_000 },

  // On the server, before there is a job: refuse what can be refused, decide what must not change.
  prepare: async ({ customer }, context) => {
    const [found] = await context.read(getCustomer, { id: customer });
    if (found === undefined) {
      throw new JobError('CUSTOMER_UNKNOWN', {
        message: `There is no customer "${customer}".`,
        remediation: 'Check the id of the customer.',
      });
    }
    const order_id = newId('ord');
    return { carry: { order_id }, answer: { order_id, credit: found.credit } };
  },

  // In a worker, perhaps more than once: what must happen once is in the effects.
  run: ({ customer, loaves }, job) => {
    const { order_id } = job.carry;
    const total = loaves * 4;
    return job.complete({ order_id, total }, [
      spendCredit({ id: customer, total }, { expect: 1 }),
      insertOrder({ id: order_id, customer, total }, { expect: 1 }),
    ]);
  },

  // On the server, whenever the result is read: what a worker cannot know.
  view: ({ order_id }, { publicUrl }) => ({ order_url: `${publicUrl}/orders/${order_id}` }),
});
// #endregion

// #region ask
const FLOURS = z.enum(['wheat', 'rye']);

export const bakeToOrder = defineJob({
  name: 'bake_to_order',
  description: 'Bakes loaves of bread, once somebody has said with which flour.',
  input: z.object({ loaves: z.int().min(1).max(100) }),
  output: z.object({ loaves: z.int(), flour: FLOURS }),
  run: async ({ loaves }, job) => {
    const { flour } = await job.ask({
      flour: {
        message: 'Which flour?',
        requestedSchema: {
          type: 'object',
          properties: { kind: { type: 'string', enum: FLOURS.options } },
          required: ['kind'],
        },
      },
    });
    if (flour.action !== 'accept') throw new JobError('DECLINED', { message: 'No flour chosen.' });
    return { loaves, flour: FLOURS.parse(flour.content?.['kind']) };
  },
});
// #endregion
