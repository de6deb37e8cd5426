import { postgresStore } from '../support/postgres.ts';
import { agreement } from './agreement.ts';

agreement('PostgreSQL', 15, (t) => postgresStore(t));
