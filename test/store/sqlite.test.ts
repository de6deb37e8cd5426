import { tempStore } from '../support/temp.ts';
import { storeSuite } from './store.suite.ts';

storeSuite('the store on SQLite', (t, migrations = []) => tempStore(t, { migrations }));
