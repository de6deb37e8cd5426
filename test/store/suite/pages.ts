/** The tables of an application, to write effects into. */
import { defineStatement } from '../../../src/job/effects.ts';
import type { Migrations } from '../../../src/store/migrations.ts';

const TABLE = `CREATE TABLE pages (
  n INTEGER NOT NULL PRIMARY KEY, text TEXT NOT NULL, printed INTEGER NOT NULL DEFAULT 0)`;

export const PAGES: Migrations = { namespace: 'pages', sqlite: [TABLE], postgres: [TABLE] };

function both<P extends Record<string, string | number>, R = Record<string, unknown>>(
  name: string,
  sql: string,
) {
  return defineStatement<P, R>({ name, sqlite: sql, postgres: sql });
}

export const insertPage = both<{ n: number; text: string }>(
  'insert_page',
  'INSERT INTO pages (n, text) VALUES (:n, :text)',
);
export const printPage = both<{ n: number }>(
  'print_page',
  'UPDATE pages SET printed = printed + 1 WHERE n = :n',
);
export const countPages = both<Record<string, never>, { pages: number }>(
  'count_pages',
  'SELECT count(*) AS pages FROM pages',
);
export const listPages = both<Record<string, never>, { n: number; text: string; printed: number }>(
  'list_pages',
  'SELECT n, text, printed FROM pages ORDER BY n',
);
