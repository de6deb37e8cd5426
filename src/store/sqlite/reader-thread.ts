/** The thread for reads that may touch many rows, so that no answer waits behind them. */
import { parentPort, workerData } from 'node:worker_threads';
import { openReader, Prepared, sqliteCode } from './connection.ts';
import type { ReadAnswer, ReadCall } from './reader.ts';

const port = parentPort;
if (!port) throw new Error('reader-thread.ts runs as a worker thread only');
const db = openReader((workerData as { path: string }).path);
const prepared = new Prepared(db);

port.on('message', (call: ReadCall | 'close') => {
  if (call === 'close') {
    db.close();
    port.close();
    return;
  }
  port.postMessage(answer(call));
});

function answer({ id, sql, params }: ReadCall): ReadAnswer {
  try {
    return { id, rows: prepared.get(sql).all(params) };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { id, error: message, errcode: sqliteCode(error) ?? 0 };
  }
}
