/**
 * Power cuts, from the recorded writes of a real process: everything that was synced is there, of
 * the rest any subset, and of a torn write any number of its sectors.
 */
import { readFileSync } from 'node:fs';
import type { Seeded } from './random.ts';

interface Write {
  readonly kind: 'write';
  readonly path: string;
  readonly at: number;
  readonly bytes: Buffer;
}

type Change = Write | { readonly kind: 'cut'; readonly path: string; readonly length: number };

type Step =
  | Change
  | { readonly kind: 'sync'; readonly path: string }
  /** Something was said to somebody outside. */
  | { readonly kind: 'said'; readonly text: string };

const CALL = /^(\d+) +(\w+)\((.*)$/;
const RESUMED = /^(\d+) +<\.\.\. (\w+) resumed>.*= (-?\d+)/;
const DATA = /"((?:\\x[0-9a-f]{2})*)"/g;

const bytesOf = (text: string): Buffer => Buffer.from(text.replaceAll('\\x', ''), 'hex');

/** The steps of a trace that was made with `-xx -y`, of the files that end so. */
export function stepsOf(trace: string, isOurs: (path: string) => boolean): Step[] {
  const steps: Step[] = [];
  /** Syncs that have begun, by thread: they count when they have ended. */
  const syncing = new Map<string, string>();
  for (const line of readFileSync(trace, 'latin1').split('\n')) {
    const resumed = RESUMED.exec(line);
    if (resumed) {
      const path = syncing.get(resumed[1] ?? '');
      if (path !== undefined && (resumed[2] ?? '').endsWith('sync'))
        steps.push({ kind: 'sync', path });
      syncing.delete(resumed[1] ?? '');
      continue;
    }
    const [, thread = '', call = '', rest = ''] = CALL.exec(line) ?? [];
    const path = decoded(/^\d+<([^>]*)>/.exec(rest)?.[1] ?? '');
    const data = [...rest.matchAll(DATA)].map(([, hex = '']) => bytesOf(hex));
    if (call === 'pwrite64' && isOurs(path)) {
      const at = Number(/, \d+, (\d+)/.exec(rest)?.[1]);
      steps.push({ kind: 'write', path, at, bytes: data[0] ?? Buffer.alloc(0) });
    } else if (call === 'ftruncate' && isOurs(path)) {
      steps.push({ kind: 'cut', path, length: Number(/, (\d+)/.exec(rest)?.[1]) });
    } else if (call.endsWith('sync') && isOurs(path)) {
      if (rest.includes('<unfinished')) syncing.set(thread, path);
      else if (rest.endsWith('= 0')) steps.push({ kind: 'sync', path });
    } else if (call.startsWith('write') && data.length > 0) {
      steps.push({ kind: 'said', text: Buffer.concat(data).toString('latin1') });
    }
  }
  return steps;
}

/** Paths are written in hexadecimal as well. */
function decoded(path: string): string {
  return path.includes('\\x') ? bytesOf(path).toString() : path;
}

const SECTOR = 512;

/** What is on the disk of one file: what was synced, and what came after. */
class File {
  #synced: Buffer;
  #later: Change[] = [];

  constructor(bytes: Buffer = Buffer.alloc(0)) {
    this.#synced = bytes;
  }

  add(step: Change): void {
    this.#later.push(step);
  }

  sync(): void {
    this.#synced = applied(this.#synced, this.#later);
    this.#later = [];
  }

  /** One of the states that a power cut may leave. */
  image(random: Seeded): Buffer {
    const mode = random.below(4);
    const last = this.#later.length - 1;
    const kept = this.#later.flatMap((step, index) => {
      // All, none, all but the last, or any of them: the plain cases find most.
      const isKept = [true, false, index !== last, random.isTrue(0.5)][mode] ?? true;
      if (isKept) return [step];
      return step.kind === 'write' && random.isTrue(0.3) ? [torn(step, random)] : [];
    });
    return applied(this.#synced, kept);
  }
}

function applied(before: Buffer, steps: readonly Change[]): Buffer {
  const ends = steps.map((step) =>
    step.kind === 'cut' ? step.length : step.at + step.bytes.length,
  );
  const bytes = Buffer.alloc(Math.max(before.length, ...ends));
  before.copy(bytes);
  let { length } = before;
  for (const step of steps) {
    if (step.kind === 'cut') {
      bytes.fill(0, step.length);
      ({ length } = step);
    } else {
      step.bytes.copy(bytes, step.at);
      length = Math.max(length, step.at + step.bytes.length);
    }
  }
  return bytes.subarray(0, length);
}

function torn(step: Write, random: Seeded): Write {
  const sectors = Math.floor(step.bytes.length / SECTOR);
  return { ...step, bytes: step.bytes.subarray(0, SECTOR * random.below(sectors + 1)) };
}

export interface Image {
  /** Contents by path. */
  readonly files: ReadonlyMap<string, Buffer>;
  /** Everything that had been said to anybody before the cut. */
  readonly said: readonly string[];
  /** The number of the step before which the power went. */
  readonly at: number;
}

/** `count` images, spread over the whole trace. */
export function* images(
  steps: readonly Step[],
  before: ReadonlyMap<string, Buffer>,
  { count, random }: { readonly count: number; readonly random: Seeded },
): Generator<Image> {
  const files = new Map<string, File>();
  for (const [path, bytes] of before) {
    files.set(path, new File(bytes));
  }
  const said: string[] = [];
  const perStep = count / steps.length;
  let owed = 0;
  for (const [at, step] of steps.entries()) {
    if (step.kind === 'said') said.push(step.text);
    else {
      const file = files.get(step.path) ?? new File();
      files.set(step.path, file);
      if (step.kind === 'sync') file.sync();
      else file.add(step);
    }
    for (owed += perStep; owed >= 1; owed -= 1) {
      const made = new Map([...files].map(([path, file]) => [path, file.image(random)]));
      yield { files: made, said, at };
    }
  }
}
