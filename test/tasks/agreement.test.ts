/** On the embedded store; on PostgreSQL in `agreement-postgres.test.ts`. */
import { tempStore } from '../support/temp.ts';
import { agreement } from './agreement.ts';

agreement('SQLite', 40, (t) => tempStore(t));
