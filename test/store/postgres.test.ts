import { postgresStore } from '../support/postgres.ts';
import { storeSuite } from './store.suite.ts';

storeSuite('the store on PostgreSQL', (t, migrations = []) => postgresStore(t, { migrations }));
