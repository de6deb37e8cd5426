import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { batchOf, ONE_PLAN, planOf, served, type Batch, type Served } from './served.ts';

let server: Served;
before(async () => {
  server = await served();
});
after(async () => server.close());

interface Person {
  readonly team: string;
  readonly owner: string;
  readonly token: string;
  readonly project_id: string;
  readonly plan_id: string;
  readonly batch: Batch;
}

async function personIn(team: string, owner: string): Promise<Person> {
  const token = await server.token({ team, owner });
  const { project_id, plan_id } = await planOf(server, token, { name: `Plan of ${team} ${owner}` });
  const batch = await server.batch(token, batchOf(plan_id, 2));
  return { team, owner, token, project_id, plan_id, batch };
}

test('two teams and two owners see of each other what they may and no more', async () => {
  const people: Person[] = [];
  for (const team of ['red', 'blue']) {
    for (const owner of ['ann', 'ben']) people.push(await personIn(team, owner));
  }
  for (const who of people) {
    for (const whose of people) {
      const sameTeam = who.team === whose.team;
      const sees = sameTeam ? 'data' : 'RESOURCE_NOT_FOUND';
      const { plan_id, project_id, batch } = whose;
      const outcome = async (tool: string, args: object): Promise<string> => {
        const { structuredContent } = await server.ask(who.token, tool, args);
        return structuredContent.error?.code ?? 'data';
      };
      // What belongs to the team.
      assert.equal(await outcome('list_access_codes', { plan_id }), sees);
      assert.equal(await outcome('preview_access_code_cost', { plan_id, quantity: 1 }), sees);
      const name = `Made by ${who.team} ${who.owner}`;
      assert.equal(await outcome('create_plan', { ...ONE_PLAN, project_id, name }), sees);
      assert.equal(await outcome('bulk_generate_access_codes', batchOf(plan_id, 1)), sees);
      const [listed] = await server.data(who.token, 'list_plans', { project_id, limit: 1 });
      assert.equal(listed !== undefined, sameTeam);

      // What belongs to the owner within the team.
      const isOwner = sameTeam && who.owner === whose.owner;
      const { job_id } = batch;
      assert.equal(
        await outcome('get_job_status', { job_id }),
        isOwner ? 'data' : 'RESOURCE_NOT_FOUND',
      );
      const response = await server.fetch(batch.result.download_url, who.token);
      assert.equal(response.status, isOwner ? 200 : 404);
    }
    for (const tool of ['list_projects', 'list_plans', 'list_tokens', 'list_jobs']) {
      const { structuredContent } = await server.ask(who.token, tool);
      const others = people.filter(({ team }) => team !== who.team);
      const text = JSON.stringify(structuredContent);
      for (const { project_id, plan_id, batch } of others) {
        for (const id of [project_id, plan_id, batch.job_id]) assert.ok(!text.includes(id), tool);
      }
    }
  }
});

test('a foreign batch and one that never was are answered alike', async () => {
  const ann = await personIn('green', 'ann');
  const stranger = await server.token({ team: 'grey', owner: 'ann' });
  const answers = [];
  for (const file of [
    `${ann.batch.result.batch_id}.csv`,
    'btc_01M81B9XTE8TZKF20FXGAQHJMV.csv',
    'x',
  ]) {
    const response = await server.fetch(`/batches/${file}`, stranger);
    const { error } = (await response.json()) as { error: object };
    answers.push({ status: response.status, error: { ...error, request_id: '' } });
  }
  for (const answer of answers) assert.deepEqual(answer, answers[0]);
  assert.equal(answers[0]?.status, 404);
});

test('job:view-any widens reading the job, and never the download', async () => {
  const ann = await personIn('pink', 'ann');
  const boss = await server.token({
    team: 'pink',
    owner: 'boss',
    abilities: ['*', 'job:view-any'],
  });
  const { job_id, result } = ann.batch;
  assert.equal((await server.data(boss, 'get_job_status', { job_id })).status, 'completed');
  assert.equal((await server.fetch(result.download_url, boss)).status, 404);
});

test('a token that is limited to projects works in those and is blind to the others', async () => {
  const all = await personIn('zoo', 'ann');
  const other = await personIn('zoo', 'ann');
  const token = await server.token({ team: 'zoo', owner: 'ann', projects: [all.project_id] });

  const projects = await server.data(token, 'list_projects');
  assert.deepEqual(
    projects.map(({ id }: { id: string }) => id),
    [all.project_id],
  );
  const plans = await server.data(token, 'list_plans');
  assert.deepEqual(
    plans.map(({ id }: { id: string }) => id),
    [all.plan_id],
  );
  assert.deepEqual(await server.data(token, 'list_plans', { project_id: other.project_id }), []);

  const { plan_id, project_id, batch } = other;
  const refused: [string, object][] = [
    ['list_access_codes', { plan_id }],
    ['preview_access_code_cost', { plan_id, quantity: 1 }],
    ['bulk_generate_access_codes', batchOf(plan_id, 1)],
    ['create_plan', { ...ONE_PLAN, project_id, name: 'Another' }],
    ['redeem_access_code', { code: batch.codes[0], subscriber_id: 'x' }],
    ['get_job_status', { job_id: batch.job_id }],
  ];
  for (const [tool, args] of refused) {
    assert.equal(await server.refusal(token, tool, args), 'RESOURCE_NOT_FOUND', tool);
  }
  assert.equal((await server.fetch(batch.result.download_url, token)).status, 404);
  assert.equal(
    await server.refusal(token, 'create_project', { name: 'Mine' }),
    'TOKEN_MISSING_ABILITY',
  );

  assert.equal((await server.batch(token, batchOf(all.plan_id, 3))).codes.length, 3);
  assert.equal((await server.fetch(all.batch.result.download_url, token)).status, 200);
  const [shown] = await server.data(token, 'list_tokens');
  assert.deepEqual(shown.scopes.project_ids, [all.project_id]);
});

test('each tool needs its own ability, and the protocol needs mcp:full', async () => {
  const ann = await personIn('gate', 'ann');
  const { plan_id, project_id } = ann;
  const needed: [string, object, string][] = [
    ['list_projects', {}, 'project:view-any'],
    ['create_project', { name: 'P' }, 'project:create'],
    ['list_plans', {}, 'project-subscription-plan:view-any'],
    [
      'create_plan',
      { ...ONE_PLAN, project_id, name: 'Needs one' },
      'project-subscription-plan:create',
    ],
    ['list_access_codes', { plan_id }, 'project-access-code:view-any'],
    ['preview_access_code_cost', { plan_id, quantity: 1 }, 'project-access-code:create'],
    ['bulk_generate_access_codes', batchOf(plan_id, 1), 'project-access-code:create'],
    ['redeem_access_code', { code: 'x', subscriber_id: 'y' }, 'project-access-code:update'],
  ];
  const bare = await server.token({ team: 'gate', abilities: ['mcp:full'] });
  for (const [tool, args, ability] of needed) {
    const { structuredContent } = await server.ask(bare, tool, args);
    assert.equal(structuredContent.error?.code, 'TOKEN_MISSING_ABILITY', tool);
    assert.equal(structuredContent.error.context.required_ability, ability);
    const able = await server.token({ team: 'gate', abilities: ['mcp:full', ability] });
    assert.notEqual(await server.refusal(able, tool, args), 'TOKEN_MISSING_ABILITY', tool);
  }
  assert.equal((await server.data(bare, 'list_tokens')).length > 0, true);
  const outside = await server.token({ team: 'gate', abilities: ['project:view-any'] });
  await assert.rejects(async () => server.ask(outside, 'list_projects'), /403/);
});
