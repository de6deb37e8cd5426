/** A process under the eyes of a guardian, which it tells what its parent sends. */
import { Worker as Thread } from 'node:worker_threads';
import type { ToGuardian } from '../../src/worker/guardian-thread.ts';

const say = (event: string) => process.stdout.write(`${JSON.stringify({ event })}\n`);
const guardian = new Thread(new URL('../../src/worker/guardian-thread.ts', import.meta.url), {
  workerData: { supervisor: process.ppid },
});
guardian.once('online', () => say('ready'));
process.on('message', (told: ToGuardian) => {
  guardian.postMessage(told);
  say(told.type);
});
