/** The checks of jobs and workers, the same for every engine. */
import type { QueueFacts } from '../../store/queue-facts.ts';
import { durationText } from '../state-text.ts';
import { error, ok, warning, type Finding } from './finding.ts';

/** A sweep takes back what is overdue within seconds. */
export const OVERDUE_MS = 60_000;
export const SOON_MS = 86_400_000;
const LONG_QUEUED_MS = 600_000;
const CLOCK_MS = 60_000;

export function checkQueue(queue: QueueFacts): Finding[] {
  return [
    ...checkNewest(queue),
    checkWorkers(queue),
    ...checkStuck(queue),
    ...checkHeld(queue),
    checkPurge(queue),
  ];
}

function checkNewest({ aheadMs }: QueueFacts): Finding[] {
  if (aheadMs <= CLOCK_MS) return [];
  const message = `The newest job is from ${durationText(aheadMs / 1_000)} in the future: the clock was set back.`;
  return [warning('clock', message, 'Let NTP set the clock.')];
}

function checkWorkers({ workers, open }: QueueFacts): Finding {
  const message = `Workers alive: ${workers.length}; open jobs: ${open}.`;
  if (workers.length > 0 || open === 0) return ok('workers', message);
  const fix = 'Start the server (`start`), or a worker beside it (`worker`).';
  return error('workers', message, fix);
}

function checkStuck({ queued, overdue, workers }: QueueFacts): Finding[] {
  const findings: Finding[] = [];
  const known = new Set(workers.flat());
  if (overdue.length > 0) {
    const message = `${overdue.length} running jobs have lost their worker, the first is ${overdue[0]}.`;
    const fix = 'Start the server: it takes them back and runs them again.';
    findings.push(error('stuck jobs', message, fix));
  }
  for (const { tool, jobs, ms } of queued) {
    if (ms < LONG_QUEUED_MS) continue;
    const message = `${jobs} jobs of "${tool}" are queued, the oldest for ${durationText(ms / 1_000)}.`;
    findings.push(
      known.has(tool)
        ? warning('stuck jobs', message, 'Run more workers: --workers, --concurrency, or `worker`.')
        : error(
            'stuck jobs',
            message,
            `No living worker knows "${tool}": start one whose module exports it.`,
          ),
    );
  }
  return findings.length > 0 ? findings : [ok('stuck jobs', 'No job is stuck.')];
}

function checkHeld({ held, stranded: [tool] }: QueueFacts): Finding[] {
  if (held === 0) return [];
  const message = `${held} jobs are held by limits on running jobs.`;
  if (tool === undefined) return [ok('held jobs', message)];
  const why = `Of a team with held jobs of "${tool}" nothing runs whose end would let them go.`;
  const fix = 'Start the server: its sweep lets them go.';
  return [warning('held jobs', `${message} ${why}`, fix)];
}

function checkPurge({ purgedSoon }: QueueFacts): Finding {
  const message = `${purgedSoon} ended jobs are purged within a day.`;
  if (purgedSoon === 0) return ok('retention', message);
  return warning(
    'retention',
    message,
    'Read their results now, or start with a longer --retention-days.',
  );
}
