/** Addresses in every text that a caller can write: the server must not follow one of them. */
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { atRest, type Fault, type FaultRun, type Outcome } from './fault.ts';
import { batchOf, Fleet } from './fleet.ts';
import { ENGINES, place } from './place.ts';
import { noStrace, traced } from './tools.ts';
import { callText, modernText, requestText, Wire } from './wire.ts';

const HOSTS = [
  '127.0.0.1:9',
  'localhost:9',
  '169.254.169.254',
  '[::1]:9',
  '[::ffff:127.0.0.1]:9',
  '0x7f000001:9',
  '2130706433:9',
  '0177.0.0.1:9',
  '127.1:9',
  'evil.example',
  'evil.example@127.0.0.1:9',
  '127.0.0.1.nip.example:9',
];
const SCHEMES = ['http', 'https', 'ws', 'ftp', 'file', 'gopher', 'ldap'];
const ADDRESSES = SCHEMES.flatMap((scheme) => HOSTS.map((host) => `${scheme}://${host}/hook`));

/** Every text of one address: in arguments, in methods, in headers. */
function textsOf(url: string, token: string, given: { address: string; plan: string }): string[] {
  const { address, plan } = given;
  const call = (name: string, args: object) => callText(url, token, name, args);
  const list = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' });
  const named = ['Origin', 'Referer', 'X-Forwarded-Host', 'Forwarded', 'Link', 'Callback-Url'];
  return [
    call('create_project', { name: `see ${address}` }),
    call('redeem_access_code', { code: 'A'.repeat(16), subscriber_id: address }),
    call('bulk_generate_access_codes', { ...batchOf(plan, 1), webhook_url: address }),
    call('get_job_status', { job_id: address, callback_url: address }),
    modernText(url, token, 'resources/read', { uri: address }),
    modernText(url, token, 'tasks/get', { taskId: address, webhook: address }),
    ...named.map((name) => requestText(url, { token, body: list, headers: { [name]: address } })),
    requestText(url, { token, method: 'GET', path: `/jobs/${encodeURIComponent(address)}/result` }),
    requestText(url, { token, method: 'GET', path: address }),
  ];
}

async function outward(run: FaultRun): Promise<Outcome> {
  const at = await place(run.t, run.engine, tmpdir());
  const [caller] = await at.callers(1);
  if (!caller) throw new Error('nobody calls');
  const trace = join(at.folder, 'connects');
  const fleet = new Fleet(run.t, at, { application: 'codes', workers: 1 });
  const through = traced('connect', ['-e', 'signal=none'], trace);
  await fleet.start({}, { through });
  const client = fleet.client(caller, 'ann');
  const plan = await client.plan();
  const job = await client.submitSurely('bulk_generate_access_codes', batchOf(plan, 3), 'a');
  await client.ended(job);
  const wire = new Wire(fleet.url);
  let asked = 0;
  let answered = 0;
  for (const address of ADDRESSES.slice(0, run.count)) {
    for (const text of textsOf(fleet.url, caller.token, { address, plan })) {
      asked += 1;
      if ((await wire.ask(text)).status > 0) answered += 1;
    }
  }
  wire.close();
  const { violations } = await atRest(fleet, { isWhole: false });
  const lines = readFileSync(trace, 'utf8').split('\n');
  const connects = lines.filter((line) => /sin6?_port/.test(line));
  const database = run.engine === 'postgres' ? `htons(${new URL(at.at).port})` : 'no database';
  const elsewhere = connects.filter((line) => !line.includes(database));
  return {
    runs: asked,
    counted: {
      addresses: Math.min(run.count, ADDRESSES.length),
      answered,
      'connections to the database': connects.length - elsewhere.length,
      'connections elsewhere': elsewhere.length,
    },
    violations: [...violations, ...elsewhere.slice(0, 5)],
  };
}

export const OUTWARD: Readonly<Record<string, Fault>> = {
  F36: {
    title:
      'addresses in every argument, method and header; every connection that the server opens is traced',
    bar: '0 connections but to its database',
    engines: ENGINES,
    full: ADDRESSES.length,
    quick: 8,
    missing: noStrace,
    run: outward,
  },
};
