/** Every statement of the product stands against the real tables, and the hot ones use their index. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ACCESS_CODE_MIGRATIONS } from '../../src/access-codes/sqlite/migrations.ts';
import * as accessCodes from '../../src/access-codes/sqlite/statements.ts';
import * as limits from '../../src/store/sqlite/limit-statements.ts';
import * as jobs from '../../src/store/sqlite/statements.ts';
import * as teams from '../../src/team/sqlite/statements.ts';
import { openStore } from '../../src/sqlite.ts';
import { openWriter } from '../../src/store/sqlite/connection.ts';
import { tempFolder } from '../support/temp.ts';

const { HELD_UNTIL: _, ...limitStatements } = limits;
const engine: Readonly<Record<string, string>> = { ...jobs, ...limitStatements };
const ROOMS = { jobs, limits: limitStatements, teams, 'access codes': accessCodes } as const;

/** What each hot statement of the engine must use; a plan may name more steps than these. */
const HOT: Partial<Record<keyof typeof jobs | keyof typeof limits, readonly RegExp[]>> = {
  GET: [/^SEARCH jobs USING INDEX sqlite_autoindex_jobs_1 \(id=\?\)/],
  PAYLOAD: [
    /^SEARCH j USING INDEX sqlite_autoindex_jobs_1 \(id=\?\)/,
    /^SEARCH p USING INDEX sqlite_autoindex_job_payloads_1 \(job_id=\? AND kind=\?\)/,
  ],
  LIST_OWNER: [
    /^SEARCH jobs USING INDEX jobs_owner \(team_id=\? AND owner_id=\? AND shown=\? AND id<\?\)/,
  ],
  LIST_TEAM: [/^SEARCH jobs USING INDEX jobs_team \(team_id=\? AND shown=\? AND id<\?\)/],
  COUNT_OPEN: [/^SEARCH jobs USING (COVERING )?INDEX jobs_open \(team_id=\?\)/],
  INSERT: [
    /^SEARCH jobs USING (COVERING )?INDEX jobs_open \(team_id=\? AND status=\? AND tool=\?\)/,
    /^SEARCH jobs USING (COVERING )?INDEX jobs_due \(tool=\?\)/,
    /^SEARCH jobs USING INDEX jobs_team \(team_id=\? AND shown=\?\)/,
  ],
  TAKE_KEY: [],
  KEY: [
    /^SEARCH idempotency_keys USING PRIMARY KEY \(team_id=\? AND owner_id=\? AND tool=\? AND key=\?\)/,
  ],
  POSITION: [/^SEARCH self USING/, /^SEARCH front USING (COVERING )?INDEX jobs_due \(tool=\?/],
  WAKE_RESTING: [
    /^SEARCH jobs USING INDEX jobs_resting \(due_boot=\? AND due_at>\? AND due_at<\?\)/,
    /^SEARCH jobs USING INDEX jobs_resting \(due_boot<\?\)/,
    /^SEARCH jobs USING INDEX jobs_resting \(due_boot>\?\)/,
  ],
  NEXT_DUE: [/^SEARCH jobs USING COVERING INDEX jobs_resting \(due_boot=\?/],
  DUE: [/^SEARCH jobs USING INDEX jobs_due \(tool=\?\)/],
  CLAIM: [/^SEARCH jobs USING INDEX sqlite_autoindex_jobs_1 \(id=\?\)/],
  APPLY: [/^SEARCH jobs USING INDEX sqlite_autoindex_jobs_1 \(id=\?\)/],
  RENEW: [/^SEARCH jobs USING INDEX sqlite_autoindex_jobs_1 \(id=\?\)/],
  PROGRESS: [/^SEARCH jobs USING INDEX sqlite_autoindex_jobs_1 \(id=\?\)/],
  HELD_BY: [/^SEARCH jobs USING INDEX jobs_running \(worker=\?\)/],
  RUNNING: [/jobs USING INDEX jobs_running/],
  OVERDUE_WAITING: [/^SEARCH jobs USING INDEX jobs_waiting \(wait_until<\?\)/],
  NEXT_QUEUED_TOOL: [/^SEARCH jobs USING (COVERING )?INDEX jobs_due \(tool>\?\)/],
  RUNNING_OF_TEAM: [/^SEARCH jobs USING (COVERING )?INDEX jobs_open \(team_id=\? AND status=\?\)/],
  RUNNING_OF_LANE: [
    /^SEARCH jobs USING (COVERING )?INDEX jobs_open \(team_id=\? AND status=\? AND tool=\?\)/,
  ],
  RUNNING_OF_TOOL: [/jobs USING INDEX jobs_running/],
  HOLD: [/^SEARCH jobs USING INDEX jobs_open \(team_id=\? AND status=\? AND tool=\? AND turn>\?\)/],
  RELEASE: [
    /^SEARCH jobs USING COVERING INDEX jobs_held \(team_id=\?\)/,
    /^SEARCH jobs USING COVERING INDEX jobs_held \(team_id=\? AND tool>\?\)/,
  ],
  RELEASE_LANE: [/^SEARCH jobs USING COVERING INDEX jobs_held \(team_id=\? AND tool=\?\)/],
  FIRST_DUE: [/^SEARCH jobs USING INDEX jobs_due \(tool=\?\)/],
  HELD_LANES: [
    /^SEARCH jobs USING COVERING INDEX jobs_held \(team_id=\? AND tool>\?\)/,
    /^SEARCH jobs USING COVERING INDEX jobs_held \(team_id>\?\)/,
  ],
  PURGE: [/^SEARCH jobs USING INDEX jobs_final \(completed_at>\? AND completed_at<\?\)/],
  PURGE_KEYS: [/idempotency_keys USING COVERING INDEX idempotency_keys_expiry \(expires_at<\?\)/],
};

describe('the statements on the real tables', () => {
  const endings: (() => Promise<void> | void)[] = [];
  let db: ReturnType<typeof openWriter>;

  before(async () => {
    const path = join(tempFolder({ after: (work) => endings.push(work) }), 'jobs.db');
    const store = await openStore(path, { migrations: [ACCESS_CODE_MIGRATIONS] });
    await store.close();
    db = openWriter(path, 1_000);
  });
  after(async () => {
    db.close();
    for (const end of endings) await end();
  });

  const planOf = (sql: string) =>
    db
      .prepare(`EXPLAIN QUERY PLAN ${sql}`)
      .all()
      .map((row) => String(row['detail']));

  for (const [room, statements] of Object.entries(ROOMS)) {
    const texts = Object.entries(statements as Readonly<Record<string, string>>);
    test(`every statement of ${room} can be prepared`, () => {
      assert.ok(texts.length >= 8, `only ${texts.length} statements were found`);
      for (const [name, sql] of texts) assert.doesNotThrow(() => db.prepare(sql), name);
    });
  }

  for (const [name, uses] of Object.entries(HOT)) {
    test(`${name} uses its index and neither scans nor sorts`, () => {
      const plan = planOf(engine[name] ?? '');
      const shown = plan.join('\n');
      for (const use of uses)
        assert.ok(
          plan.some((line) => use.test(line)),
          `${use}\n${shown}`,
        );
      for (const line of plan) {
        // As many as slots of workers; and the first entry of an index, from which a walk begins.
        const isBounded = name.startsWith('RUNNING')
          ? /jobs_running/.test(line)
          : /^SCAN jobs .*jobs_held/.test(line);
        if (!isBounded)
          assert.doesNotMatch(line, /^SCAN (jobs|idempotency_keys|self|front)\b/, shown);
        assert.doesNotMatch(line, /TEMP B-TREE/, shown);
      }
    });
  }

  const lookups: readonly (readonly [string, string, RegExp])[] = [
    ['a token', teams.GET_TOKEN, /^SEARCH tokens USING INDEX sqlite_autoindex_tokens_1 \(id=\?\)/],
    ['a code', accessCodes.GET_CODE, /^SEARCH codes USING INDEX .*\(code_mac=\?\)/],
    [
      'a page of codes',
      accessCodes.PAGE_CODES,
      /^SEARCH codes USING INDEX codes_plan \(team_id=\? AND plan_id=\?/,
    ],
    ['a page of projects', accessCodes.PAGE_PROJECTS, /USING INDEX projects_team \(team_id=\?/],
    ['exports to wipe', accessCodes.WIPE_EXPORTS, /INDEX batches_sealed \(created_at<\?\)/],
  ];
  for (const [what, sql, use] of lookups) {
    test(`${what} is found by an index`, () => {
      const plan = planOf(sql);
      assert.ok(
        plan.some((line) => use.test(line)),
        plan.join('\n'),
      );
      assert.ok(!plan.some((line) => /TEMP B-TREE/.test(line)), plan.join('\n'));
    });
  }
});
