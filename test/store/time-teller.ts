/** A process of its own, perhaps under another clock, that says by which time its store forgets. */
import { openStore } from '../../src/sqlite.ts';

const { path } = JSON.parse(process.argv[2] ?? '{}') as { path: string };
const store = await openStore(path);
const said = { event: 'time', wall: Date.now(), forgets: await store.now() };
await store.close();
process.stdout.write(`${JSON.stringify(said)}\n`);
process.disconnect?.();
