/** The product on PostgreSQL is held to the same requirements, started as a user starts it. */
import { join } from 'node:path';
import { bind, compile } from '../../src/store/postgres/parameters.ts';
import { emptyDatabase, psql } from '../support/postgres.ts';
import { keepDataIn } from './server.ts';

/** One for each server of the suite. */
const databases = [await emptyDatabase(), await emptyDatabase()];

keepDataIn((folder) => {
  const db = databases.pop();
  if (db === undefined) throw new Error('The suite has more servers than it has databases.');
  return {
    db,
    flags: ['--key-file', join(folder, 'codes.key')],
    async write(sql, params) {
      const compiled = compile(`WITH changed AS (${sql} RETURNING 1) SELECT 1 FROM changed`);
      return (await psql(db, compiled.text, bind(compiled, params))).length;
    },
  };
});

await import('./contract.test.ts');
