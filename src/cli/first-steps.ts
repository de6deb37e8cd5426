/**
 * The first minute of a newcomer: a server that nobody can call yet offers, on a terminal, a demo
 * team with a plan and a token, and prints how to connect.
 *
 * Nothing is asked and no secret is printed where stdin, stdout or stderr is not a terminal.
 */
import { createInterface } from 'node:readline/promises';
import { createPlan } from '../access-codes/plans.ts';
import { createProject } from '../access-codes/projects.ts';
import type { Logger } from '../job/log.ts';
import { allTokens, createToken } from '../team/mint.ts';
import type { Application } from './application.ts';
import { clientConfigurations } from './client-configurations.ts';
import { printLine, say } from './output.ts';

export interface FirstSteps {
  readonly application: Application;
  /** Of the MCP endpoint. */
  readonly url: string;
  /** Withdraws the question. */
  readonly stop: AbortSignal;
  readonly log: Logger;
}

export async function offerFirstSteps(steps: FirstSteps): Promise<void> {
  const { application, log } = steps;
  try {
    if ((await allTokens(application.store)).length > 0) return;
    const isTerminal = process.stdin.isTTY && process.stdout.isTTY && process.stderr.isTTY;
    if (!isTerminal) {
      log.warn({}, 'nobody can call yet: make a token with `mcp-async-jobs token create`');
      return;
    }
    if (await wantsDemo(steps)) await makeDemo(steps);
  } catch (error) {
    if (!steps.stop.aborted) log.warn({ err: error }, 'the demo team could not be made');
  }
}

async function wantsDemo({ application, stop }: FirstSteps): Promise<boolean> {
  const what = application.hasAccessCodes ? 'team, plan and token' : 'team and token';
  // Not in raw mode: Ctrl-C stays a signal for the server.
  const lines = createInterface({ input: process.stdin, output: process.stderr, terminal: false });
  try {
    const answer = await lines.question(
      `Nobody can call this server yet. Make a demo ${what}, and print how to connect? [y/N] `,
      { signal: stop },
    );
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    lines.close();
  }
}

async function makeDemo({ application, url }: FirstSteps): Promise<void> {
  const { store, hasAccessCodes } = application;
  const made = await createToken(store, {
    team: 'Demo team',
    owner: 'demo',
    name: 'demo',
    abilities: ['*'],
  });
  const who = { team: made.team_id, owner: made.owner_id, abilities: ['*'] };
  const planId = hasAccessCodes ? await demoPlan(application, who) : null;
  say('\nThe token is shown this once. Anyone who has it acts as the demo team.\n');
  printLine(clientConfigurations({ url, token: made.token, planId }));
}

async function demoPlan(
  { store }: Application,
  who: Parameters<typeof createPlan>[1],
): Promise<string> {
  const { id: projectId } = await createProject(store, who, 'Demo project');
  const { id } = await createPlan(store, who, {
    projectId,
    name: 'Monthly membership',
    priceMinor: 2_900,
    currency: 'USD',
    cycle: 'months',
    cycleCount: 1,
  });
  return id;
}
