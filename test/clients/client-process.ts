/** One client in a process of its own: does its deeds, says each when it is done, and ends. */
import { CLIENTS } from './clients.ts';
import { FIRST_DEEDS, FRESH_DEEDS, type Ids } from './deeds.ts';
import type { Target } from './target.ts';

const { title, target, ids } = JSON.parse(process.argv[2] ?? '{}') as {
  title: string;
  target: Target;
  /** Of the process before; null in the first one. */
  ids: Ids | null;
};
const connect = CLIENTS[title];
if (connect === undefined) throw new Error(`no such client: ${title}`);
const client = await connect(target);
const known = ids ?? ({} as Ids);
for (const [deed, perform] of Object.entries(ids === null ? FIRST_DEEDS : FRESH_DEEDS)) {
  await perform(client, known);
  process.stdout.write(`${JSON.stringify({ event: deed, ids: known })}\n`);
}
await client.close();
