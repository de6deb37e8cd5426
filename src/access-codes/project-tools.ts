import type { McpServer } from '@modelcontextprotocol/server';
import { z } from 'zod';
import type { ToolContext } from '../http.ts';
import { boundsOf, demand } from './access.ts';
import { answer, AT_ONCE, HINTS, meta, metaOf, paging, windowOf } from './answers.ts';
import { createProject, toProject } from './projects.ts';
import { countProjects, pageProjects } from './statements.ts';
import { textOf } from './text.ts';

const project = z.looseObject({ id: z.string(), name: z.string() });

const LIST_PROJECTS = {
  title: 'List projects',
  description: `The team's projects, newest first. ${AT_ONCE}`,
  inputSchema: z.object(paging),
  outputSchema: z.object({ data: z.array(project), meta }),
  annotations: HINTS.looks,
};

const CREATE_PROJECT = {
  title: 'Create project',
  description: `Makes a project, which plans belong to. ${AT_ONCE}`,
  inputSchema: z.object({ name: textOf(1, 255) }),
  outputSchema: z.object({ data: project }),
  annotations: HINTS.adds,
};

export function registerProjectTools(mcp: McpServer, { who, store }: ToolContext): void {
  mcp.registerTool('list_projects', LIST_PROJECTS, async (wanted) => {
    demand(who, 'project:view-any');
    const bounds = boundsOf(who);
    const [rows, totals] = await Promise.all([
      store.read(pageProjects, { ...bounds, ...windowOf(wanted) }),
      store.read(countProjects, bounds),
    ]);
    return answer({ data: rows.map(toProject), meta: metaOf(wanted, totals) });
  });

  mcp.registerTool('create_project', CREATE_PROJECT, async ({ name }) => {
    demand(who, 'project:create');
    return answer({ data: await createProject(store, who, name) });
  });
}
