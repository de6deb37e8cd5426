import { defineJob, defineStatement, type Migrations } from 'mcp-async-jobs';
import { z } from 'zod';

export const BANK: Migrations = {
  namespace: 'bank',
  sqlite: [
    `CREATE TABLE accounts (name TEXT PRIMARY KEY, cents INTEGER NOT NULL CHECK (cents >= 0)) STRICT`,
    `INSERT INTO accounts VALUES ('ada', 10000), ('bob', 0)`,
  ],
};

const withdraw = defineStatement<{ name: string; cents: number }>({
  name: 'withdraw',
  sqlite: 'UPDATE accounts SET cents = cents - :cents WHERE name = :name AND cents >= :cents',
});
const deposit = defineStatement<{ name: string; cents: number }>({
  name: 'deposit',
  sqlite: 'UPDATE accounts SET cents = cents + :cents WHERE name = :name',
});

export const transfer = defineJob({
  name: 'transfer',
  description: 'Moves money from one account to another.',
  input: z.object({ from: z.string(), to: z.string(), cents: z.int().min(1) }),
  output: z.object({ cents: z.int() }),
  // Both rows and the completion of the job are one transaction: all of it, once, or nothing.
  run: ({ from, to, cents }, job) =>
    job.complete({ cents }, [
      withdraw({ name: from, cents }, { expect: 1 }),
      deposit({ name: to, cents }, { expect: 1 }),
    ]),
});
