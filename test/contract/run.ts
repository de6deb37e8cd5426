/**
 * `npm run contract -- --url http://…/mcp --token …`: hold any server to the requirements, as far
 * as its address and tokens alone allow. One line per requirement, or one JSON object with --json;
 * exit code 0 when nothing failed, 1 when something did, 2 for wrong options.
 */
import { AssertionError } from 'node:assert';
import { parseArgs } from 'node:util';
import { check, needsOf } from './checks.ts';
import { REQUIREMENT_IDS, REQUIREMENTS, type RequirementId } from './requirements.ts';
import { reasonNotToRun, type Target } from './target.ts';

const USAGE = `Usage: npm run contract -- --url URL --token TOKEN [options]

  --url URL                  address of the MCP endpoint, ending in /mcp
  --token TOKEN              a token with every ability
  --token-same-owner TOKEN   another token of the same owner and team (for R29)
  --token-other-owner TOKEN  a token of another owner in the same team (for R29, R31)
  --token-other-team TOKEN   a token of the same owner in another team (for R30, R31)
  --token-stranger TOKEN     a token of another owner in another team (for R31)
  --only R1,R2               check only these
  --json                     print one JSON object instead of lines
  --help                     print this

The checks make projects, plans and codes with the token: use a team made for it. They make some
hundreds of calls and wait where the server limits them, which can take minutes: start the server
with --rate-limit 0 when only the rest is of interest.
`;

type Outcome = 'pass' | 'fail' | 'not run';

interface Finding {
  readonly id: RequirementId;
  readonly requirement: string;
  readonly outcome: Outcome;
  readonly reason: string | null;
  readonly ms: number;
}

const isId = (text: string): text is RequirementId => Object.hasOwn(REQUIREMENTS, text);

/** The target and the chosen requirements; null after --help; throws on options that make no sense. */
function readOptions() {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    options: {
      url: text,
      token: text,
      'token-same-owner': text,
      'token-other-owner': text,
      'token-other-team': text,
      'token-stranger': text,
      only: text,
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return null;
  const { url, token } = values;
  if (url === undefined || !URL.canParse(url)) throw new TypeError('--url needs an address.');
  if (token === undefined) throw new TypeError('--token is missing.');
  const wanted = values.only?.split(',') ?? REQUIREMENT_IDS;
  const unknown = wanted.filter((id) => !isId(id));
  if (unknown.length > 0)
    throw new TypeError(`--only names ${unknown.join(', ')}: no requirement.`);
  const target: Target = {
    url,
    token,
    tokens: {
      sameOwner: values['token-same-owner'],
      otherOwner: values['token-other-owner'],
      otherTeam: values['token-other-team'],
      stranger: values['token-stranger'],
    },
  };
  // R25 is about how many calls a minute are allowed: it goes first, while none are used up.
  const ids = REQUIREMENT_IDS.filter((id) => wanted.includes(id));
  const order = [...ids.filter((id) => id === 'R25'), ...ids.filter((id) => id !== 'R25')];
  return { target, order, json: values.json };
}

async function examine(id: RequirementId, target: Target): Promise<Finding> {
  const startedAt = performance.now();
  const found = (outcome: Outcome, reason: string | null): Finding => ({
    id,
    requirement: REQUIREMENTS[id],
    outcome,
    reason,
    ms: Math.round(performance.now() - startedAt),
  });
  const obstacle = reasonNotToRun(target, needsOf(id));
  if (obstacle !== null) return found('not run', obstacle);
  try {
    await check(id, target);
    return found('pass', null);
  } catch (error) {
    if (error instanceof AssertionError) return found('fail', error.message);
    return found('fail', `The check could not be carried out: ${chainOf(error)}`);
  }
}

/** The messages of an error and of what caused it. */
function chainOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message} ${chainOf(error.cause)}`;
}

function show({ id, requirement, outcome, reason, ms }: Finding): void {
  console.log(`${outcome.padEnd(7)}  ${id.padEnd(3)}  ${requirement} (${ms} ms)`);
  if (reason !== null) console.log(`              ${reason.replaceAll('\n', '\n              ')}`);
}

async function run(): Promise<number> {
  let options;
  try {
    options = readOptions();
  } catch (error) {
    console.error(`${chainOf(error)}\n\n${USAGE}`);
    return 2;
  }
  if (options === null) {
    console.log(USAGE);
    return 0;
  }
  const findings: Finding[] = [];
  for (const id of options.order) {
    const finding = await examine(id, options.target);
    findings.push(finding);
    if (!options.json) show(finding);
  }
  const count = (outcome: Outcome): number =>
    findings.filter((finding) => finding.outcome === outcome).length;
  const totals = { pass: count('pass'), fail: count('fail'), not_run: count('not run') };
  if (options.json) console.log(JSON.stringify({ ...totals, requirements: findings }));
  else console.log(`${totals.pass} pass, ${totals.fail} fail, ${totals.not_run} not run`);
  return totals.fail > 0 ? 1 : 0;
}

process.exitCode = await run();
