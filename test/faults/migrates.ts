/** A process that only opens the database, making or changing its tables, and ends. */
import { writeSync } from 'node:fs';
import { openAt, type Address } from './address.ts';

writeSync(1, '{"event":"begins"}\n');
const store = await openAt(JSON.parse(process.argv[2] ?? '{}') as Address, true);
await store.close();
process.exit(0);
