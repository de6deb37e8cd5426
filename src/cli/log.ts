/**
 * The log: one line per event on stderr, JSON unless a person reads it.
 */
import { constants, fstatSync, openSync } from 'node:fs';
import { pino, type DestinationStream } from 'pino';
import { isBody } from '../client/answers.ts';
import { monotonic } from '../job/clock.ts';
import type { Logger } from '../job/log.ts';
import { printable } from '../job/printable.ts';
import { withoutPasswords } from './database-address.ts';
import { shown } from './output.ts';
import type { LogLevel } from './log-level.ts';

const { O_NONBLOCK, O_WRONLY } = constants;
const STDERR = 2;

/** Nobody should log these; should somebody, they do not reach the log. */
const SECRET_FIELDS = ['secret', 'password', 'authorization'];
const SECRET_TOKEN = /(mpt_(?:live|test)_[0-9A-Za-z]+)_[0-9A-Za-z]+/g;

/** Lines that nobody reads are kept up to so many bytes, … */
const WAITING_BYTES = 8 * 1_048_576;
/** … and at the end for this long. */
const FLUSH_MS = 200;

/** A logger on stderr. Lines wait for nobody: they are written as fast as stderr takes them. */
export function openLog(level: LogLevel): Logger {
  const isTerminal = process.stderr.isTTY;
  let giveUpAt = Infinity;
  const file = pino.destination({
    dest: stderrOfOurOwn(),
    sync: false,
    minLength: 0,
    maxLength: WAITING_BYTES,
    retryEAGAIN: () => monotonic() < giveUpAt,
  });
  // A closed stderr takes no log, and is no reason to stop.
  file.on('error', () => {});
  // Before pino's own flush, which would wait for the reader for ever.
  process.prependOnceListener('exit', () => {
    giveUpAt = monotonic() + FLUSH_MS;
    try {
      file.flushSync();
    } catch {
      file.destroy();
    }
  });
  const destination: DestinationStream = {
    write: (line) => void file.write(isTerminal ? `${readable(masked(line))}\n` : masked(line)),
  };
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRET_FIELDS.flatMap((name) => [name, `*.${name}`]), censor: '[secret]' },
    },
    destination,
  );
}

/**
 * A pipe is opened once more: whether a write waits for its reader belongs to the opening, and a
 * worker that ends makes it wait again for all who share one. Waiting there would outlast a signal.
 */
function stderrOfOurOwn(): number {
  try {
    if (fstatSync(STDERR).isFIFO()) return openSync('/dev/stderr', O_WRONLY | O_NONBLOCK);
  } catch {
    // Not to be opened again, such as that of another user: what there is will do.
  }
  return STDERR;
}

/** The line without the secret of any token and the password of any database in it. */
export function masked(line: string): string {
  const safe = withoutPasswords(line);
  return safe.includes('mpt_') ? safe.replaceAll(SECRET_TOKEN, '$1_[secret]') : safe;
}

/** A line of the log for a person: `10:05:00 info  job completed job_id=mjb_… attempt=1`. */
export function readable(line: string): string {
  const event: unknown = JSON.parse(line);
  if (!isBody(event)) return line.trimEnd();
  const { level, time, msg, ...fields } = event;
  const facts = Object.entries(fields).map(([key, value]) => `${key}=${shown(value)}`);
  const at = typeof time === 'string' ? time.slice(11, 19) : '';
  const text = [at, shown(level).padEnd(5), shown(msg ?? ''), ...facts].join(' ');
  return printable(text, 1_000);
}
