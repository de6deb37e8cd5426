/**
 * What each client has to do: the rows of the matrix. The deeds of the first process come in this
 * order; the second process is given nothing but the ids.
 */
import assert from 'node:assert/strict';
import { until } from '../support/until.ts';
import type { Answers, JobClient } from './job-client.ts';

export type Ids = Record<'sum' | 'nap' | 'unwanted' | 'survey', string>;
type Deed = (client: JobClient, ids: Ids) => Promise<void>;

const BOTH: Answers = {
  colour: { action: 'accept', content: { colour: 'red' } },
  size: { action: 'accept', content: { size: 3 } },
};
const LAST: Answers = { sure: { action: 'accept', content: { sure: true } } };

const isAsked = (client: JobClient, id: string, keys: readonly string[]): Promise<boolean> =>
  until(`${keys.join()} is asked`, async () => {
    const open = await client.questions(id);
    return open.toSorted().join() === keys.join();
  });

export const FIRST_DEEDS: Readonly<Record<string, Deed>> = {
  async submits(client, ids) {
    ids.sum = await client.submit('add', { a: 1, b: 2 });
    ids.survey = await client.submit('survey', {});
    assert.match(`${ids.sum} ${ids.survey}`, /^mjb_\w+ mjb_\w+$/);
  },
  async polls(client, { sum }) {
    const { data } = (await client.result(sum)) as { data: { sum: number } };
    assert.equal(data.sum, 3);
  },
  async cancels(client, ids) {
    ids.unwanted = await client.submit('nap', { ms: 60_000 });
    await client.cancel(ids.unwanted);
    assert.deepEqual(await client.result(ids.unwanted), { cancelled: true });
  },
  async 'answers a question'(client, { survey }) {
    await isAsked(client, survey, ['colour', 'size']);
    await client.answer(survey, BOTH);
    await isAsked(client, survey, ['sure']);
  },
};

export const FRESH_DEEDS: Readonly<Record<string, Deed>> = {
  async 'goes on from an id in a fresh process'(client, ids) {
    const { data } = (await client.result(ids.sum)) as { data: { sum: number } };
    assert.equal(data.sum, 3);
    assert.deepEqual(await client.result(ids.unwanted), { cancelled: true });
    await isAsked(client, ids.survey, ['sure']);
    await client.answer(ids.survey, LAST);
    const painted = await client.result(ids.survey);
    assert.deepEqual(painted, { data: { painted: 'red in size 3' } });
  },
};
