/** Tokens, codes and the key, looked for in everything that a server of PostgreSQL leaves behind. */
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { atRest, type FaultRun, type Outcome } from './fault.ts';
import { batchOf, Fleet } from './fleet.ts';
import { place, queryDatabase } from './place.ts';
import { callText, Wire } from './wire.ts';

const TABLES = `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
  WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`;

/** Every row of every table, bytes once as they are and once in hex. */
async function everyRow(url: string): Promise<string> {
  const texts: string[] = [];
  for (const { name } of await queryDatabase(url, TABLES)) {
    for (const form of ['escape', 'hex']) {
      const at = new URL(url);
      at.searchParams.set('options', `-c bytea_output=${form}`);
      const rows = await queryDatabase(at.href, `SELECT t::text AS row FROM ${String(name)} t`);
      texts.push(...rows.map(({ row }) => String(row)));
    }
  }
  return texts.join('\n');
}

const formsOf = (secret: string): string[] => {
  const bytes = Buffer.from(secret);
  return [
    secret,
    secret.toLowerCase(),
    ...(['hex', 'base64', 'base64url'] as const).map((form) => bytes.toString(form)),
  ];
};

export async function secretsOnPostgres(run: FaultRun): Promise<Outcome> {
  const at = await place(run.t, 'postgres', tmpdir());
  const callers = await at.callers(4);
  const fleet = new Fleet(run.t, at, { application: 'codes', workers: 2, logs: true });
  await fleet.start();
  const secrets: Record<string, string> = {};
  const answers: string[] = [];
  for (const caller of callers) {
    const client = fleet.client(caller, caller.team);
    const args = batchOf(await client.plan(), 20);
    const view = await client.ended(
      await client.submitSurely('bulk_generate_access_codes', args, 'a'),
    );
    const codes = await client.codes(view);
    for (const [n, code] of codes.entries()) secrets[`code ${n} of ${caller.team}`] = code;
    secrets[`the token of ${caller.team}`] = caller.token;
    secrets[`the secret of the token of ${caller.team}`] = caller.token.split('_').at(-1) ?? '';
    await client.redeem(codes[0] ?? '', 'ann');
    const wire = new Wire(fleet.url);
    for (const [tool, given] of [
      ['redeem_access_code', { code: codes[0], subscriber_id: 'eve' }],
      ['redeem_access_code', { code: codes[1], nonsense: codes[1] }],
      ['get_job_status', { job_id: caller.token }],
      ['list_access_codes', { plan_id: args['plan_id'] }],
      ['list_tokens', {}],
      ['list_jobs', {}],
    ] as const) {
      answers.push((await wire.ask(callText(fleet.url, caller.token, tool, given))).body);
    }
    wire.close();
  }
  secrets['the key'] = readFileSync(join(at.folder, 'key'), 'utf8').trim();
  const found = [...(await atRest(fleet, { isWhole: false })).violations];
  const places = {
    'a row': await everyRow(at.at),
    'the log': fleet.logs(),
    'an answer': answers.join('\n'),
  };
  for (const [where, text] of Object.entries(places)) {
    if (text.length < 1_000) found.push(`${where} was not read`);
    for (const [name, secret] of Object.entries(secrets)) {
      if (formsOf(secret).some((form) => text.includes(form))) found.push(`${where} has ${name}`);
    }
  }
  return {
    runs: Object.keys(secrets).length,
    counted: Object.fromEntries(
      Object.entries(places).map(([name, text]) => [`characters of ${name}`, text.length]),
    ),
    violations: found,
  };
}
