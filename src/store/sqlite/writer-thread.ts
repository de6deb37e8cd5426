/**
 * The thread that writes. It owns the only writing connection of its process, so that no commit
 * ever runs on a thread that answers.
 */
import {
  parentPort,
  receiveMessageOnPort,
  workerData,
  type MessagePort,
} from 'node:worker_threads';
import { patientNow } from '../../job/clock.ts';
import type { Effect } from '../../job/effects.ts';
import { JobError } from '../../job/errors.ts';
import type { NewJob } from '../../job/job.ts';
import type { Change } from '../../job/transitions.ts';
import { openWriter } from './connection.ts';
import { GroupCommit, type Outcome } from './group-commit.ts';
import { Operations } from './operations.ts';
import { placeOf } from './place.ts';
import { Sweep } from './sweep.ts';
import type { Answer, Call, FromWriter, Look, Verb, WriterOptions } from './writer.ts';

const port = portOf(parentPort);
const options = workerData as WriterOptions;

const db = openWriter(options.path, 0);
const dataVersion = db.prepare('PRAGMA data_version');
let seen = dataVersion.get()?.['data_version'];
const operations = new Operations(db, options.inlineBytesMax);
const sweep = new Sweep(db, operations);
let answers: Answer[] = [];
let scheduled = false;

const group = new GroupCommit(db, {
  beginMs: 10_000,
  pauseMs: options.pauseMs,
  place: placeOf(options.path),
  onBegin: () => operations.reset(),
  onCommit: () => post({ answers, changed: operations.notices }),
  onFatal: (error) => {
    // Stop here for good: whatever came after an I/O error could be answered without being kept.
    port.postMessage({ fatal: String(error) } satisfies FromWriter);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  },
});

function post(message: { answers: Answer[]; changed: FromWriter['changed'] }): void {
  port.postMessage(message);
  answers = [];
}

/** `data_version` moves for this connection only when another one has committed. */
function isChangedElsewhere(): boolean {
  const found = dataVersion.get()?.['data_version'];
  const changed = found !== seen;
  seen = found;
  return changed;
}

function portOf(found: MessagePort | null): MessagePort {
  if (found === null) throw new Error('writer-thread.ts runs as a worker thread only');
  return found;
}

const looks: Readonly<Record<Look, () => unknown>> = { now: patientNow, isChangedElsewhere };

/** What each other verb does, inside the commit. */
const verbs: Readonly<Record<Exclude<Verb, Look>, (...args: never[]) => unknown>> = {
  insert: operations.insert.bind(operations),
  insertOnce: operations.insertOnce.bind(operations),
  answer: operations.answer.bind(operations),
  claim: operations.claim.bind(operations),
  apply: operations.apply.bind(operations),
  write: operations.write.bind(operations),
  renew: operations.renew.bind(operations),
  progress: operations.progress.bind(operations),
  beat: operations.beat.bind(operations),
  sweep: sweep.pass.bind(sweep),
  probe: operations.probe.bind(operations),
};

function receive(calls: readonly Call[]): void {
  for (const call of calls) {
    const { verb } = call;
    if (verb === 'now' || verb === 'isChangedElsewhere') {
      answers.push({ id: call.id, ok: true, value: looks[verb]() });
      continue;
    }
    group.add({
      verb,
      askedAt: call.askedAt,
      effects: effectsOf(call),
      isOneStatement: isPlainInsert(call),
      work: () => verbs[verb](...(call.args as never[])),
      settle: (outcome) => answers.push(toAnswer(call.id, outcome)),
    });
  }
}

/** A submission whose input stands in its row: the write that there is most of. */
function isPlainInsert({ verb, args }: Call): boolean {
  return verb === 'insert' && !operations.isApart((args[0] as NewJob).input);
}

function effectsOf({ verb, args }: Call): readonly Effect[] {
  if (verb === 'write') return args[0] as readonly Effect[];
  return verb === 'apply' ? ((args[1] as Change).effects ?? []) : [];
}

function toAnswer(id: number, outcome: Outcome): Answer {
  if (outcome.ok) return { id, ok: true, value: outcome.value };
  const { error } = outcome;
  if (error instanceof JobError) {
    const { code, message, remediation, context } = error;
    const cause = error.cause instanceof Error ? error.cause.message : null;
    return { id, ok: false, code, message, remediation, context, cause };
  }
  return { id, ok: false, code: null, message: String(error), cause: null };
}

port.on('message', (calls: readonly Call[] | 'close') => {
  if (calls === 'close') return close();
  receive(calls);
  if (scheduled) return;
  scheduled = true;
  setImmediate(run);
});

function run(): void {
  scheduled = false;
  for (let more = receiveMessageOnPort(port); more; more = receiveMessageOnPort(port)) {
    if (more.message === 'close') return close();
    receive(more.message as readonly Call[]);
  }
  group.commit();
  // Refusals and failures leave without a commit.
  if (answers.length > 0) post({ answers, changed: [] });
  if (!group.isIdle) {
    scheduled = true;
    setImmediate(run);
  }
}

function close(): void {
  while (!group.isIdle) group.commit();
  if (answers.length > 0) post({ answers, changed: [] });
  db.close();
  port.close();
}

port.postMessage({ ready: true } satisfies FromWriter);
