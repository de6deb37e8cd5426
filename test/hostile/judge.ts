/** What an answer to a hostile request may never be. */
import type { Case, Reply } from './case.ts';
import { MARK } from './texts.ts';

/** Statuses by which a request may be refused or served. Nothing of 5xx: that is a fault of ours. */
const STATUSES = new Set([
  0, 200, 202, 204, 400, 401, 403, 404, 405, 406, 408, 409, 410, 411, 413, 414, 415, 417, 422, 426,
  429, 431,
]);

/** An answer that takes longer has hung. */
export const HANG_MS = 1_000;

/** Traces of what only the inside knows. */
const INSIDE: readonly (readonly [string, RegExp])[] = [
  ['an internal error', /INTERNAL_ERROR|-32603\b/],
  [
    'SQL',
    /SQLITE_|sqlite_master|syntax error|constraint failed|no such (table|column)|invalid byte sequence|unrecognized token/i,
  ],
  ['a statement', /\b(SELECT|INSERT INTO|UPDATE|DELETE FROM) [\w.", ]+(FROM|VALUES|SET|WHERE)\b/],
  ['a stack', /\bat [\w.<>[\] ]+ \(?(file:|node:|\/)[^\s)]+:\d+:\d+|node_modules|\.ts:\d+/],
  ['a file of the server', /\/(?:work|home|root|tmp|usr|dev\/shm)\/[\w./-]{4,}/],
];

/** Members that repeat what somebody wrote, by design: data, never instructions. */
const REPEATS = new Set(['name', 'subscriber_id', 'redeemed_by', 'plan_id', 'project_id', 'id']);

/** Control, direction and other characters that no reader sees. */
const UNSEEN = /[\p{Cc}\p{Cf}\u2028\u2029]/u;

type Path = readonly string[];

/** @returns what is wrong, in words; empty when nothing is */
export function judge(one: Case, reply: Reply): string[] {
  const wrong: string[] = [];
  if (!STATUSES.has(reply.status)) wrong.push(`status ${reply.status}`);
  const isJson = messagesOf(reply).length > 0;
  // The page of error codes names them all.
  const isPage = reply.headers['content-type']?.startsWith('text/html') === true;
  if (!isJson && !isPage) wrong.push(...insideOf(reply.text, one));
  for (const message of messagesOf(reply)) wrong.push(...wrongIn(message, one));
  // Which header contradicts the body is told by the values of both, to the client that sent them.
  const isToClient = (problem: string) =>
    /^error\.(message|data\.mismatch\.\w+) repeats/.test(problem) && problem.includes('header');
  return wrong.filter((problem) => !isToClient(problem));
}

/** Every JSON document of an answer. */
export function messagesOf({ headers, text }: Reply): unknown[] {
  const type = headers['content-type'] ?? '';
  if (type.startsWith('application/json')) return text === '' ? [] : [JSON.parse(text) as unknown];
  if (!type.startsWith('text/event-stream')) return [];
  return [...text.matchAll(/^data: ?(.+)$/gm)].map(([, data = '']) => JSON.parse(data) as unknown);
}

/** What the inside has let out; a sender that writes of it himself is not answered by it. */
function insideOf(text: string, { path, body, raw }: Case): string[] {
  const sent = [path, body, raw].map((part) => part?.toString() ?? '').join('\n');
  return INSIDE.flatMap(([what, pattern]) => {
    const found = pattern.exec(text)?.[0];
    return found === undefined || sent.includes(found) ? [] : [`${what}: ${found}`];
  });
}

function wrongIn(message: unknown, one: Case): string[] {
  const wrong: string[] = [];
  walk(message, [], (path, value) => {
    const at = path.join('.');
    // The id of a request is the sender's own, and has to come back as it was.
    if (at === 'id' || /^\d+\.id$/.test(at)) return;
    if (path.at(-1) === 'text' && path.includes('content')) {
      wrong.push(...wrongIn(JSON.parse(value), one));
      return;
    }
    if (!mayRepeat(path)) wrong.push(...insideOf(value, one).map((found) => `${at} has ${found}`));
    // The SDK writes what is wrong with a request over several lines.
    const shown = at === 'error.message' ? value.replaceAll('\n', ' ') : value;
    if (UNSEEN.test(shown))
      wrong.push(`${at} has characters that nobody sees: ${JSON.stringify(value)}`);
    if (value.includes(MARK) && !mayRepeat(path)) wrong.push(`${at} repeats the sender: ${value}`);
  });
  return wrong;
}

/** What a tool's data repeats under a name that says so. Errors repeat nothing. */
function mayRepeat(path: Path): boolean {
  return path.includes('data') && !path.includes('error') && REPEATS.has(path.at(-1) ?? '');
}

function walk(value: unknown, path: Path, see: (path: Path, text: string) => void): void {
  if (typeof value === 'string' || typeof value === 'number') return see(path, String(value));
  if (typeof value !== 'object' || value === null) return;
  for (const [key, member] of Object.entries(value)) {
    see([...path, '(name of a member)'], key);
    walk(member, [...path, key], see);
  }
}
