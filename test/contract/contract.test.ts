/** The product, started as a user starts it, is held to every requirement. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { pollDelayMs } from '../../src/index.ts';
import { check } from './checks.ts';
import { REQUIREMENT_IDS, REQUIREMENTS } from './requirements.ts';
import { ControlledServer, FLAGS, type Granted } from './server.ts';
import type { Target } from './target.ts';

/** Enough for a slow machine; each check bounds itself more tightly. */
const TIMEOUT = { timeout: 180_000 };

const LIMITED = 'R25';

const slowest = { tool: '', ms: 0 };
const observe = (tool: string, ms: number): void => {
  if (ms > slowest.ms) Object.assign(slowest, { tool, ms });
};

let server: ControlledServer;
let limited: ControlledServer;
let target: Target;
let limitedTarget: Target;

before(async () => {
  server = new ControlledServer(FLAGS);
  const { token, tokens } = server.grantAll();
  await server.start();
  target = targetOf(server, token, { tokens, control: server });
  limited = new ControlledServer();
  limitedTarget = targetOf(limited, limited.grant('Alpha', 'ann@example.com').token, {
    tokens: {},
  });
}, TIMEOUT);

after(async () => {
  await server[Symbol.asyncDispose]();
  await limited[Symbol.asyncDispose]();
}, TIMEOUT);

function targetOf(
  of: ControlledServer,
  token: string,
  rest: Pick<Target, 'tokens' | 'control'>,
): Target {
  return {
    get url() {
      return of.url;
    },
    token,
    observe,
    ...rest,
  };
}

for (const id of REQUIREMENT_IDS.filter((one) => one !== LIMITED)) {
  test(`${id}: ${REQUIREMENTS[id]}`, TIMEOUT, () => check(id, target));
}

test(
  `${LIMITED}: ${REQUIREMENTS[LIMITED]} The limit is the one that nobody set.`,
  TIMEOUT,
  async () => {
    await limited.start();
    await check(LIMITED, limitedTarget);
    await limited.stop();
  },
);

test('the cadence of the package asks after 1 to 10, 15 to 60, 90 and 120 seconds', () => {
  const asked: number[] = [];
  for (let at = 0; at < 120_000;) {
    at += pollDelayMs(at);
    asked.push(at / 1_000);
  }
  const firstMinute = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60];
  assert.deepEqual(asked, [...firstMinute, 90, 120]);
});

test('an owner is the same in two teams, so the checks of team and owner mean something', () => {
  const [one, other]: Granted[] = [
    server.grant('Alpha', 'ann@example.com'),
    server.grant('Beta', 'ann@example.com'),
  ];
  assert.equal(one?.owner_id, other?.owner_id);
  assert.notEqual(one?.team_id, other?.team_id);
});

test('no call of this run was held for 30 seconds', () => {
  assert.ok(slowest.ms > 0 && slowest.ms < 30_000, `${slowest.tool} took ${slowest.ms} ms`);
});
