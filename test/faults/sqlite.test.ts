/** What can happen to a server on a file, a few times each. */
import { shortFaults } from './short.ts';

shortFaults('sqlite', {
  F1: 3,
  F3: 4,
  F4: 200,
  F5: 14,
  F6: 1,
  F7: 1,
  F9: 6,
  F16: 15,
  F17: 1,
  F18: 6,
  F19: 300,
  F29: 2,
  F31: 1,
  F40: 2,
  F41: 4,
});
