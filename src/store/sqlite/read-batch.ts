/**
 * Reads that are asked for in one turn of the event loop share a transaction: to begin and to end
 * one, with its locks, takes SQLite longer than most of the reads themselves.
 */
import type { DatabaseSync } from 'node:sqlite';
import type { Row } from '../job-row.ts';
import type { Prepared } from './connection.ts';
import type { bindable } from './operations.ts';

interface Asked {
  readonly sql: string;
  readonly params: ReturnType<typeof bindable>;
  readonly resolve: (rows: readonly Row[]) => void;
  readonly reject: (error: unknown) => void;
}

export class ReadBatch {
  readonly #db: DatabaseSync;
  readonly #prepared: Prepared;
  #asked: Asked[] = [];

  constructor(db: DatabaseSync, prepared: Prepared) {
    this.#db = db;
    this.#prepared = prepared;
  }

  read(sql: string, params: Asked['params']): Promise<readonly Row[]> {
    return new Promise((resolve, reject) => {
      this.#asked.push({ sql, params, resolve, reject });
      if (this.#asked.length === 1) setImmediate(() => this.#readAll());
    });
  }

  #readAll(): void {
    const asked = this.#asked;
    this.#asked = [];
    const isShared = asked.length > 1 && this.#db.isOpen;
    try {
      if (isShared) this.#db.exec('BEGIN');
      for (const one of asked) this.#read(one);
      // An error may have ended it.
      if (isShared && this.#db.isTransaction) this.#db.exec('COMMIT');
    } catch (error) {
      for (const { reject } of asked) reject(error);
      // Left open, it would show later reads what is old.
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
    }
  }

  #read({ sql, params, resolve, reject }: Asked): void {
    try {
      resolve(this.#prepared.get(sql).all(params));
    } catch (error) {
      reject(error);
    }
  }
}
