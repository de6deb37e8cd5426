import type { Migrations } from '../../../src/store/migrations.ts';
import type { Store } from '../../../src/store/store.ts';
import type { Ending } from '../../support/temp.ts';

/** Opens an empty store that is closed and removed after the test. */
export type OpenStore = (t: Ending, migrations?: readonly Migrations[]) => Promise<Store>;
