/** Tokens that are guessed: at the door itself by the million, over HTTP by the thousand. */
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { crc32 } from 'node:zlib';
import type { Store } from '../../src/store/store.ts';
import type { Identify } from '../../src/team/identify.ts';
import { tokens } from '../../src/team/tokens.ts';
import { withEnding, type Fault, type FaultRun, type Outcome } from './fault.ts';
import { Fleet } from './fleet.ts';
import { together } from './sums.ts';
import { asked, p99, unanswered } from './measure.ts';
import { openAt } from './address.ts';
import { ENGINES, place } from './place.ts';
import { Seeded } from './random.ts';
import { callText, Wire, type Told } from './wire.ts';

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const CHECKSUM = 6;
const LANES = 64;
/** Of all guesses, those that are one character away from a token that is good. */
const MUTATED = 1 / 11;
/** Of the others, those whose checksum is right, so that the database has to be asked. */
const SUMMED = 1 / 20;

function random62(length: number): string {
  return Array.from(randomBytes(length), (byte) => BASE62[byte % 62]).join('');
}

/** The token with the checksum that it should have. */
function summed(body: string): string {
  let text = '';
  for (let rest = crc32(body), i = 0; i < CHECKSUM; i += 1) {
    text = `${BASE62[rest % 62]}${text}`;
    rest = Math.floor(rest / 62);
  }
  return body + text;
}

/** A token that is wrong though its checksum is right: with the id of a good one, or an id of nobody. */
export function guessAt(token: string | null): string {
  const id = token?.split('_')[2] ?? random62(12);
  return summed(`mpt_live_${id}_${random62(32)}`);
}

/** One character of it is another. */
function mutated(token: string, random: Seeded): string {
  for (;;) {
    const at = random.below(token.length);
    const letter = random.isTrue(0.9)
      ? (BASE62[random.below(62)] ?? '')
      : random.of(['', '_', '-']);
    const guess = token.slice(0, at) + letter + token.slice(at + 1);
    if (guess !== token) return guess;
  }
}

/** What somebody guesses who knows the form, and for a part of them an id that exists. */
function guessed(token: string, random: Seeded): { guess: string; mayAsk: boolean } {
  const chance = random.next();
  const [, , id = ''] = token.split('_');
  if (chance < SUMMED / 2) return { guess: guessAt(token), mayAsk: true };
  if (chance < SUMMED) return { guess: guessAt(null), mayAsk: true };
  if (chance < 0.5) return { guess: `mpt_live_${id}_${random62(38)}`, mayAsk: false };
  if (chance < 0.9) return { guess: `mpt_live_${random62(12)}_${random62(38)}`, mayAsk: false };
  return { guess: random62(1 + random.below(100)), mayAsk: false };
}

/** How often the door asks the database. */
function counted(store: Store): { store: Store; reads: () => number } {
  let reads = 0;
  const read: Store['read'] = (statement, params) => {
    reads += 1;
    return store.read(statement, params);
  };
  const own = new Proxy(store, {
    get(target, name) {
      const value: unknown = name === 'read' ? read : Reflect.get(target, name);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  return { store: own, reads: () => reads };
}

async function isTaken(identify: Identify, text: string): Promise<boolean> {
  const headers = new Headers({ authorization: `Bearer ${text}` });
  return (await identify({ headers } as Request)) !== null;
}

async function atTheDoor(run: FaultRun): Promise<Outcome> {
  const at = await place(run.t, run.engine, tmpdir());
  const [caller] = await at.callers(1);
  if (!caller) throw new Error('nobody calls');
  const opened = await openAt(at, true);
  run.t.after(() => opened.close());
  const { store, reads } = counted(opened);
  const identify = tokens(store);
  const random = new Seeded(run.seed);
  let [accepted, asks, mutations, next] = [0, 0, 0, 0];
  const isKnown = await isTaken(identify, caller.token);
  const before = reads();
  const lane = async (): Promise<void> => {
    while (next < run.count) {
      next += 1;
      const isMutation = random.isTrue(MUTATED);
      if (isMutation) mutations += 1;
      const { guess, mayAsk } = isMutation
        ? { guess: mutated(caller.token, random), mayAsk: false }
        : guessed(caller.token, random);
      if (mayAsk) asks += 1;
      if (await isTaken(identify, guess)) accepted += 1;
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  const looked = reads() - before;
  const violations: string[] = [];
  if (!isKnown) violations.push('the good token is refused');
  if (accepted > 0) violations.push(`${accepted} guesses were accepted`);
  if (looked !== asks)
    violations.push(`${looked} queries for ${asks} guesses with a good checksum`);
  return {
    runs: run.count,
    counted: {
      accepted,
      'one character away': mutations,
      'with a good checksum': asks,
      queries: looked,
    },
    violations,
  };
}

const OVER_HTTP = 5_000;
/** Each is held for half a second by each refusal. */
const GUESSERS = 250;
/** Failures of one address that are answered as such. */
const FAILURES_MAX = 20;

async function overHttp(run: FaultRun): Promise<Outcome> {
  const at = await place(run.t, run.engine, tmpdir());
  const [caller, other] = await at.callers(2);
  if (!caller || !other) throw new Error('nobody calls');
  const fleet = new Fleet(run.t, at, { application: 'works', workers: 0, rateLimit: 10_000 });
  await fleet.start();
  const { url } = fleet;
  const random = new Seeded(run.seed);
  const ask = (token: string) => callText(url, token, 'list_jobs', { limit: 1 });
  const usual = () => asked({ url, text: () => ask(caller.token), count: 100, everyMs: 5 });
  const guesses = Math.min(OVER_HTTP, Math.ceil(run.count / 10));
  const told: Told[] = [];
  const flood = Array.from({ length: GUESSERS }, async (_, lane) => {
    const wire = new Wire(url);
    for (let i = lane; i < guesses; i += GUESSERS)
      told.push(await wire.ask(ask(guessed(other.token, random).guess)));
    wire.close();
  });
  const busy = await usual();
  await Promise.all(flood);
  const refused = told.filter(({ status }) => status === 401).length;
  const limited = told.filter(({ status }) => status === 429);
  const violations = unanswered('a valid token', busy);
  if (refused > FAILURES_MAX) violations.push(`${refused} failures before the first 429`);
  if (refused + limited.length !== told.length) violations.push('a guess got another answer');
  if (limited.some(({ head }) => !/^retry-after: *[1-9]/im.test(head)))
    violations.push('a refusal does not say when to come again');
  return {
    runs: guesses,
    counted: {
      'over HTTP: 401': refused,
      'over HTTP: 429': limited.length,
      'valid p99 ms': p99(busy),
    },
    violations,
  };
}

export const GUESSES: Readonly<Record<string, Fault>> = {
  F26: {
    title:
      'tokens are guessed: at random, one character away, with good checksums; over HTTP in a flood',
    bar: `0 accepted; a bad checksum costs no query; after ${FAILURES_MAX} failures 429; valid tokens are served`,
    engines: ENGINES,
    full: 1_100_000,
    piece: 275_000,
    quick: 20_000,
    async run(run) {
      const door = await withEnding((t) => atTheDoor({ ...run, t }));
      return together([door, await withEnding((t) => overHttp({ ...run, t }))]);
    },
  },
};
