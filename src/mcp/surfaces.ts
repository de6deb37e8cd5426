import { registerJobTools, type JobTools } from './job-tools.ts';
import { registerResources, type AbilityFacts } from './resources.ts';
import { advertiseTasks } from './task-capability.ts';
import { registerTaskMethods } from './task-methods.ts';
import { guardMethods } from './tool-call-seam.ts';

export interface SurfaceOptions extends AbilityFacts {
  /** Of the one request that the server is for; null when it may be either. */
  readonly era: 'modern' | 'legacy' | null;
}

/** Put everything on a server through which a client meets a job: tools, tasks, resources. */
export function registerSurfaces(tools: JobTools, options: SurfaceOptions): void {
  registerJobTools(tools);
  registerTaskMethods(tools);
  registerResources(tools, options);
  advertiseTasks(tools.mcp, options.era);
  guardMethods(tools.mcp.server, (err, method) => {
    tools.queue.log.error({ err, method }, 'method failed');
  });
}
