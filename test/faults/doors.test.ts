/** Who comes in, how many, and what they take with them: a few times each. */
import { after } from 'node:test';
import { stopServer } from './place.ts';
import { shortFaults } from './short.ts';

after(stopServer);

shortFaults('sqlite', { F8: 2, F20: 200, F24: 2_000, F26: 20_000, F27: 1, F36: 3 });
shortFaults('postgres', { F24: 1_000, F26: 10_000, F27: 1 });
