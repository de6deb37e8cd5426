/** Secrets are looked for where none may be: answers, logs, rows, outputs, arguments, environments. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { cli, processesOf } from '../../scripts/cli-process.ts';
import { aServer, dataOf, started } from '../cli/a-server.ts';
import { tempFolder } from '../support/temp.ts';
import { textOfTables } from './rows.ts';

/** Every form in which a text might lie about. */
function formsOf(secret: string): string[] {
  const bytes = Buffer.from(secret);
  const plain = [
    secret,
    encodeURIComponent(secret),
    bytes.toString('hex'),
    bytes.toString('base64'),
    bytes.toString('base64url'),
  ];
  return [...new Set([...plain, secret.toLowerCase(), secret.split('').toReversed().join('')])];
}

function assertNone(
  secrets: Readonly<Record<string, string>>,
  places: Readonly<Record<string, string>>,
): void {
  for (const [place, text] of Object.entries(places)) {
    assert.ok(text.length > 0, `${place} was read`);
    for (const [name, secret] of Object.entries(secrets)) {
      for (const form of formsOf(secret)) {
        const at = text.indexOf(form);
        const before = text.slice(Math.max(0, at - 200), Math.max(0, at));
        assert.ok(at < 0, `${place} has the ${name} after: ${before}`);
      }
    }
  }
}

test(
  'tokens, codes and the key are in no answer, log, row, file, argument or environment',
  { timeout: 240_000 },
  async (t) => {
    const key = Buffer.alloc(32, 'canary of the key').toString('base64url');
    const server = await aServer(t, '--log-level', 'debug');
    const { db, token, call } = server;
    const outputs: string[] = [];
    const run = async (...args: string[]) => {
      const ended = await call(...args);
      outputs.push(ended.stdout, ended.stderr);
      return ended;
    };
    const id = (ended: Awaited<ReturnType<typeof run>>) =>
      (dataOf(ended)['data'] as { readonly id: string }).id;

    const project = id(await run('call', 'create_project', 'name=Club', '--json'));
    const plan = id(
      await run(
        'call',
        'create_plan',
        `project_id=${project}`,
        'name=Golden',
        'price=1.00',
        'currency=USD',
        'billing_cycle=days',
        '--json',
      ),
    );
    const done = dataOf(
      await run(
        'call',
        'bulk_generate_access_codes',
        `plan_id=${plan}`,
        'quantity=3',
        'export_type=file',
        'expiry_preset=no_expiry',
        '--wait',
        '--json',
      ),
    );
    const { result, job_id } = done['data'] as {
      readonly result: { readonly batch_id: string };
      readonly job_id: string;
    };
    // The export is the one place that shows codes.
    const exported = await call('codes', 'export', result.batch_id);
    const codes = [...exported.stdout.matchAll(/^[0-9A-HJKMNP-TV-Z]{16}/gm)].map(([code]) => code);
    assert.equal(codes.length, 3);
    const [used = '', unused = '', third = ''] = codes;
    await run('call', 'redeem_access_code', `code=${used}`, 'subscriber_id=ann', '--json');
    await run('call', 'redeem_access_code', `code=${used}`, 'subscriber_id=ben', '--json');
    await run(
      'call',
      'redeem_access_code',
      `code=${unused.slice(0, 15)}`,
      'subscriber_id=ben',
      '--json',
    );
    await run('call', 'redeem_access_code', `code=${unused}`, `nonsense=${unused}`, '--json');
    await run('call', 'list_access_codes', `plan_id=${plan}`, '--json');
    await run('call', 'list_tokens', '--json');
    await run('jobs', 'list', '--json');
    await run('jobs', 'get', job_id, '--json');
    await run('watch', job_id, '--jsonl');
    await run('call', 'no_such_tool', '--json');
    await run('call', 'get_job_status', `job_id=${token}`, '--json');
    outputs.push(...(await wrongWays(server.server.url, token)));
    for (const args of [
      ['token', 'list', '--db', db],
      ['token', 'list', '--db', db, '--json'],
      ['token', 'revoke', token, '--db', db],
    ]) {
      const ended = await cli(args);
      outputs.push(
        ended.stdout,
        ended.stderr.replaceAll(token, args.includes('revoke') ? '' : token),
      );
    }
    const secret = token.split('_').slice(3).join('_');
    const secrets = {
      token,
      'secret of the token': secret,
      'used code': used,
      'unused code': unused,
      'third code': third,
    };
    const keyFile = readFileSync(`${db}.key`, 'utf8').trim();
    const files = readdirSync(join(db, '..')).filter((name) => !name.endsWith('.key'));
    const processes = processesOf(server.server.pid);
    assert.ok(processes.length >= 2, 'the server and a worker run');
    assertNone(
      { ...secrets, key: keyFile },
      {
        'an output': outputs.join('\n'),
        'the log': `${server.server.log()}\n`,
        'what the server printed': server.server.output(),
        'a row': textOfTables(db),
        'a file': files.map((name) => readFileSync(join(db, '..', name), 'latin1')).join('\n'),
        'a process list': execFileSync('ps', ['-ww', '-o', 'args=', '-p', processes.join(',')], {
          encoding: 'utf8',
        }),
        'an environment': processes
          .map((pid) => readFileSync(`/proc/${pid}/environ`, 'utf8'))
          .join('\n'),
      },
    );

    // Secrets that come by the environment go to no child.
    const other = join(tempFolder(t), 'jobs.db');
    const keyed = await started(t, ['start', '--db', other, '--port', '0', '--json'], {
      MCP_ASYNC_JOBS_KEY: key,
      MCP_ASYNC_JOBS_TOKEN: token,
    });
    const children = processesOf(keyed.pid).filter((pid) => pid !== keyed.pid);
    assert.ok(children.length >= 1);
    const inChildren = (file: string) =>
      children.map((pid) => readFileSync(`/proc/${pid}/${file}`, 'utf8')).join('\n');
    assertNone(
      { key, token },
      {
        'an environment of a child': inChildren('environ'),
        'arguments of a child': inChildren('cmdline'),
        'the log of the start': `${keyed.log()}\n`,
        'what the start printed': keyed.output(),
        'a row of the other database': `${textOfTables(other)}\n`,
      },
    );
  },
);

/** A token in every place where it does not belong, and what comes back. */
async function wrongWays(url: string, token: string): Promise<string[]> {
  const origin = new URL(url).origin;
  const answers = await Promise.all([
    fetch(`${url}?access_token=${token}`, { method: 'POST' }),
    fetch(`${origin}/${token}`),
    fetch(`${origin}/batches/${token}.csv`, { headers: { authorization: `Bearer ${token}` } }),
    fetch(url, { method: 'POST', headers: { authorization: token } }),
    fetch(url, { method: 'POST', headers: { authorization: `Bearer ${token}x` } }),
    fetch(url, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        origin: token,
      },
    }),
    fetch(url, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: `{"${token}":`,
    }),
    fetch(url, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
      },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method: 'tools/call',
        params: { name: token, arguments: { [token]: token } },
      }),
    }),
  ]);
  return Promise.all(answers.map((answer) => answer.text()));
}
