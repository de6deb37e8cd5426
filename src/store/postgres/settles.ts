/**
 * Guarded writes. Those without effects share a statement and a commit, each with its own guard;
 * one with effects has a transaction of its own, in which everything or nothing happens.
 */
import type { Effect } from '../../job/effects.ts';
import { parsedOr, type Json } from '../../job/json.ts';
import { answer, type Change } from '../../job/transitions.ts';
import type { Who } from '../../job/who.ts';
import type { Applied, ChangeNotice, WriteResult } from '../store.ts';
import { whoParams, type Row } from '../job-row.ts';
import type { Database, TransactionOptions } from './database.ts';
import type { Transaction } from './transaction.ts';
import type { Deliveries } from './deliveries.ts';
import { isStatementError, Undo } from './errors.ts';
import type { Outcome } from './group.ts';
import type { Limits } from './limits.ts';
import { bind, bindMany, compile } from './parameters.ts';
import { changeRow, dueOf, rowsParam } from './rows.ts';
import * as sql from './statements.ts';

export interface Settle {
  readonly id: string;
  readonly change: Change;
  readonly who: Who | null;
}

export interface SettlesOptions {
  readonly database: Database;
  readonly deliveries: Deliveries;
  readonly limits: Limits;
  /** Tell of jobs that may start now. */
  readonly tell: (notices: readonly ChangeNotice[]) => void;
  /** Results of more bytes are kept apart from their row. */
  readonly inlineBytesMax: number;
}

export class Settles {
  readonly #options: SettlesOptions;

  constructor(options: SettlesOptions) {
    this.#options = options;
  }

  /** Changes without effects, each of another job. */
  async write(members: readonly Settle[]): Promise<Outcome<Applied>[]> {
    const applied = await this.#ending((tx, ended) => this.#apply(tx, members, ended));
    return applied.map((value) => ({ ok: true, value }));
  }

  /** A change with its effects. */
  async writeWithEffects(settle: Settle): Promise<Applied> {
    const work = async (tx: Transaction, ended: Row[]) => {
      const [applied] = await this.#apply(tx, [settle], ended);
      if (applied?.outcome !== 'applied') return applied ?? { outcome: 'stale' };
      for (const effect of settle.change.effects ?? []) {
        const failed = await tryEffect(tx, effect);
        if (failed) throw new Undo<Applied>(failed);
      }
      return applied;
    };
    return this.#ending(work, { isForeign: true });
  }

  async answer(id: string, who: Who, given: Readonly<Record<string, Json>>): Promise<Applied> {
    return this.#options.database.transaction(async (tx) => {
      const [row] = (await tx.run(sql.WAITING, { id, ...whoParams(who) })).rows;
      if (!row) return { outcome: 'stale' };
      const questions = parsedOr<Record<string, Json>>(row['questions'], {});
      const answers = parsedOr<Record<string, Json>>(row['answers'], {});
      for (const [key, value] of Object.entries(given)) {
        if (Object.hasOwn(questions, key) && !Object.hasOwn(answers, key)) answers[key] = value;
      }
      if (Object.keys(questions).every((key) => Object.hasOwn(answers, key))) {
        const [applied] = await this.#apply(tx, [{ id, change: answer(answers), who }], []);
        return applied ?? { outcome: 'stale' };
      }
      await tx.run(sql.ANSWER_SOME, { id, answers: JSON.stringify(answers) });
      return { outcome: 'applied', status: 'waiting' };
    });
  }

  /** Effects alone, all or none. */
  async writeEffects(effects: readonly Effect[], expect: number | null): Promise<WriteResult> {
    const work = async (tx: Transaction) => {
      const changed: number[] = [];
      for (const effect of effects) {
        changed.push(await runEffect(tx, effect));
        if (effect.expect !== undefined && effect.expect !== changed.at(-1)) {
          throw new Undo<WriteResult>({ ok: false, changed });
        }
      }
      const sum = changed.reduce((a, b) => a + b, 0);
      if (expect !== null && sum !== expect) throw new Undo<WriteResult>({ ok: false, changed });
      return { ok: true, changed };
    };
    return this.#options.database.transaction(work, { isForeign: true });
  }

  /** Work that ends runs: whom that makes room for is delivered last, and told of after the commit. */
  async #ending<T>(
    work: (tx: Transaction, ended: Row[]) => Promise<T>,
    options: TransactionOptions = {},
  ): Promise<T> {
    const { database, limits, tell } = this.#options;
    let woken: readonly ChangeNotice[] = [];
    const value = await database.transaction(async (tx) => {
      woken = [];
      const ended: Row[] = [];
      const done = await work(tx, ended);
      woken = await limits.letGo(tx, ended);
      return done;
    }, options);
    tell(woken);
    return value;
  }

  /** @param ended is given the rows of runs that may have ended */
  async #apply(tx: Transaction, members: readonly Settle[], ended: Row[]): Promise<Applied[]> {
    const { deliveries, inlineBytesMax } = this.#options;
    const changes = new Map(members.map(({ id, change }) => [id, change]));
    // Always in the same order, so that two commits never wait for each other.
    const given = members
      .toSorted((a, b) => (a.id < b.id ? -1 : 1))
      .map(({ id, change, who }) => changeRow(id, change, { who, inlineBytesMax }));
    const { rows } = await tx.run(sql.APPLY, { rows: rowsParam(given) });
    const applied = new Set(rows.map((row) => row['id']));
    const apart = given
      .filter(
        ({ id, result, resultBytes }) =>
          applied.has(id) && resultBytes !== undefined && result === undefined,
      )
      .map(({ id }) => ({ id, kind: 'result', body: changes.get(id)?.result }));
    if (apart.length > 0) await tx.run(sql.INSERT_PAYLOAD, { rows: rowsParam(apart) });
    const due = rows.filter((row) => row['status'] === 'queued');
    await deliveries.send(
      tx,
      due.map((row) => dueOf(row, changes.get(row['id'] as string)?.delayMs)),
    );
    ended.push(...rows.filter((row) => changes.get(row['id'] as string)?.from.includes('running')));
    return members.map(({ id, change }) =>
      applied.has(id) ? { outcome: 'applied', status: change.to } : { outcome: 'stale' },
    );
  }
}

async function tryEffect(tx: Transaction, effect: Effect): Promise<Applied | null> {
  try {
    const changed = await runEffect(tx, effect);
    if (effect.expect === undefined || effect.expect === changed) return null;
    return { outcome: 'refused', statement: effect.name, changed };
  } catch (error) {
    if (!isStatementError(error)) throw error;
    return { outcome: 'failed', statement: effect.name, message: (error as Error).message };
  }
}

/** @returns rows changed in all */
async function runEffect(tx: Transaction, effect: Effect): Promise<number> {
  const text = effect.sql.postgres;
  if (text === undefined) {
    throw new TypeError(`Statement "${effect.name}" has no PostgreSQL text. Give it \`postgres\`.`);
  }
  if (effect.rows.length === 0) return 0;
  const compiled = compile(text);
  if (compiled.isManyRow) {
    return (await tx.runBound(compiled.text, bindMany(compiled, effect.rows))).changed;
  }
  let changed = 0;
  for (const row of effect.rows) {
    changed += (await tx.runBound(compiled.text, bind(compiled, row))).changed;
  }
  return changed;
}
