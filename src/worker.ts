/** The door to running jobs: supervised worker processes, or a worker in this process. */
export { runWorker } from './worker/in-process.ts';
export type { RunningWorker, RunWorkerOptions } from './worker/in-process.ts';
export { supervise } from './worker/supervise.ts';
export type { SuperviseOptions, Supervision } from './worker/supervise.ts';
export { startSweeper } from './worker/sweeper.ts';
export type { SweeperOptions } from './worker/sweeper.ts';
