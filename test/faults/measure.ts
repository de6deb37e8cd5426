/** Looking at a process from outside, and at how long its answers take. */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { percentile } from './fault.ts';
import { Wire, type Told } from './wire.ts';

export function rssMb(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1_024);
}

export const openFiles = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;

export interface Paced {
  readonly url: string;
  /** The request of the i-th call. */
  readonly text: (i: number) => string;
  readonly count: number;
  /** Rest between two calls. */
  readonly everyMs: number;
}

/** Ask as a usual client does, one after another. */
export async function asked({ url, text, count, everyMs }: Paced): Promise<Told[]> {
  const wire = new Wire(url);
  const told: Told[] = [];
  for (let i = 0; i < count; i += 1) {
    told.push(await wire.ask(text(i)));
    await pause(everyMs);
  }
  wire.close();
  return told;
}

/** p99 of how long answers took, with one decimal. */
export const p99 = (told: readonly Told[]): number =>
  percentile(
    told.map(({ ms }) => ms * 10),
    0.99,
  ) / 10;

/** Answers that were none, or no 200. */
export function unanswered(what: string, told: readonly Told[]): string[] {
  const failed = told.filter(({ status }) => status !== 200);
  return failed.length > 0
    ? [
        `${what}: ${failed.length} of ${told.length} were not answered, the first with ${failed[0]?.status} ${failed[0]?.body.slice(0, 200)}`,
      ]
    : [];
}
