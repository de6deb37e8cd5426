/**
 * The access-code application as a server takes it: `serve({ db: store, identify, ...application })`.
 */
import type { McpServer } from '@modelcontextprotocol/server';
import type { ServeOptions, ToolContext } from '../http.ts';
import type { Store } from '../index.ts';
import { ABILITIES } from './access.ts';
import { registerCodeTools } from './code-tools.ts';
import { registerPlanTools } from './plan-tools.ts';
import { registerProjectTools } from './project-tools.ts';
import { redeemLimits } from './redeem-limits.ts';
import { registerRoutes, wipeExpired } from './routes.ts';
import { openSettings, type AccessCodeOptions, type AccessCodeSettings } from './settings.ts';
import { registerTokenTools } from './token-tools.ts';

/** The definitions, by the extension that this tree runs with. Workers load the same module. */
export const ACCESS_CODE_JOBS = new URL(
  import.meta.url.endsWith('.ts') ? './jobs.ts' : './jobs.js',
  import.meta.url,
);

type Application = Pick<
  Required<ServeOptions>,
  'name' | 'jobs' | 'requiredAbility' | 'abilities' | 'tools' | 'routes' | 'maintain'
> & { readonly settings: AccessCodeSettings };

/**
 * Make the application ready on a store that was opened with `ACCESS_CODE_MIGRATIONS`.
 *
 * @throws JobError that says which option is wrong, or why the key cannot be used
 */
export async function accessCodes(store: Store, options: AccessCodeOptions): Promise<Application> {
  const settings = await openSettings(store, options);
  const limits = redeemLimits(settings);
  return {
    name: 'access-codes',
    jobs: ACCESS_CODE_JOBS,
    requiredAbility: 'mcp:full',
    abilities: ABILITIES,
    settings,
    tools: (mcp: McpServer, context: ToolContext) => {
      registerProjectTools(mcp, context);
      registerPlanTools(mcp, context);
      registerCodeTools(mcp, context, limits);
      registerTokenTools(mcp, context);
    },
    routes: registerRoutes,
    maintain: (of) => wipeExpired(of, settings),
  };
}
