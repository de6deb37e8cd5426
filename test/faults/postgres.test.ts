/** What can happen to a server on PostgreSQL, a few times each. */
import { after } from 'node:test';
import { stopServer } from './place.ts';
import { shortFaults } from './short.ts';

after(stopServer);

shortFaults('postgres', {
  F3: 3,
  F9: 6,
  F11: 100,
  F12: 1,
  F13: 2,
  F14: 1,
  F16: 15,
  F17: 1,
  F40: 2,
  F41: 4,
});
