/** A job in a line of text, for people. */
import { jobFailure, progressOf, type JobProgress, type JobState } from '../client/answers.ts';
import { printable } from '../job/printable.ts';

const BAR_CELLS = 24;

/** What a job does now, in one line. */
export function stateLine(state: JobState): string {
  const { job_id: id, status, attempts, result, error, result_uri: uri } = state;
  const progress = progressOf(state);
  const isRunning = status === 'running' && progress !== null;
  const position = state['queue_position'];
  const facts = [
    typeof attempts === 'number' && attempts > 0 ? `attempts=${attempts}` : '',
    typeof position === 'number' ? `place ${position} in the queue` : '',
    isRunning && progress.percent !== null ? `${progress.percent} %` : '',
    isRunning ? progressText(progress) : '',
    questionsText(state),
    status === 'completed' ? `result=${JSON.stringify(result ?? uri ?? null)}` : '',
    status === 'failed' ? `error=${jobFailure(state).code}` : '',
    error === null || error === undefined ? '' : jobFailure(state).message,
  ];
  return [id, status, ...facts.filter((fact) => fact !== '')].join(' ');
}

/** `mjb_… running  ████████░░░░  42 %  105/250 codes  ETA 12 s` */
export function barLine(state: JobState, waitedMs: number): string {
  const { job_id: id, status, queue_position: position } = state;
  const progress = progressOf(state);
  const percent = progress?.percent ?? null;
  const facts = [
    `${id} ${status}`,
    percent === null ? '' : `${bar(percent)} ${percent} %`,
    progress === null ? '' : progressText(progress),
    typeof position === 'number' ? `place ${position} in the queue` : '',
    questionsText(state),
    `waited ${durationText(waitedMs / 1_000)}`,
  ];
  return facts.filter((fact) => fact !== '').join('  ');
}

function bar(percent: number): string {
  const full = Math.round((BAR_CELLS * percent) / 100);
  return `${'█'.repeat(full)}${'░'.repeat(BAR_CELLS - full)}`;
}

/** How far, what is done now, and how long it will take. */
function progressText({ done, total, message, etaSeconds }: JobProgress): string {
  const facts = [
    done === null ? '' : total === null ? String(done) : `${done}/${total}`,
    message === null ? '' : printable(message, 200),
    etaSeconds === null ? '' : `ETA ${durationText(etaSeconds)}`,
  ];
  return facts.filter((fact) => fact !== '').join('  ');
}

function questionsText({ input_requests: asked }: JobState): string {
  if (typeof asked !== 'object' || asked === null) return '';
  return `asks: ${printable(Object.keys(asked).join(', '), 200)} (answer with call answer_job)`;
}

/** A length of time for people: `42 s`, `3 min 5 s`, `2 h 10 min`. */
export function durationText(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${whole % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
