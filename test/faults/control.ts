/** A process that breaks the promise on purpose: it says that a row is kept when it is not yet. */
import { writeSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

const { path, rows } = JSON.parse(process.argv[2] ?? '{}') as { path: string; rows: number };
const db = new DatabaseSync(path);
db.exec('PRAGMA journal_mode = WAL');
db.exec('PRAGMA synchronous = NORMAL');
const insert = db.prepare('INSERT INTO kept (id) VALUES (?)');
for (let id = 1; id <= rows; id += 1) {
  insert.run(id);
  writeSync(1, `${JSON.stringify({ event: 'kept', id: `row_${id}_` })}\n`);
}
process.exit(0);
