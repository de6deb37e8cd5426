/**
 * What can be read as a resource, by whoever may see it with the tools: the abilities, the error
 * codes, and the result of a job.
 */
import {
  ProtocolError,
  ProtocolErrorCode,
  ResourceNotFoundError,
  ResourceTemplate,
  type ReadResourceResult,
} from '@modelcontextprotocol/server';
import type { AnyDefinition } from '../job/definition.ts';
import { ERRORS } from '../job/error-codes.ts';
import { JobError, toErrorBody } from '../job/errors.ts';
import type { Job } from '../job/job.ts';
import { isFinal } from '../job/states.ts';
import { VIEW_ANY } from '../job/who.ts';
import { getWhole } from '../queue/get.ts';
import type { JobTools } from './job-tools.ts';
import { resultOf, type Viewing } from './job-view.ts';
import { resultUri } from './result-link.ts';

const SCHEME = 'mcp-async-jobs://';
/** Of the lists; it grows when a member of theirs changes its meaning. */
const VERSION = '1';
const mimeType = 'application/json';

export interface AbilityFacts {
  /** Without which nothing is served, or null. */
  readonly requiredAbility: string | null;
  /** What the application's abilities allow, by their name. */
  readonly abilities: Readonly<Record<string, string>>;
}

const RESULT = new ResourceTemplate(resultUri('{job_id}'), { list: undefined });

export function registerResources(tools: JobTools, facts: AbilityFacts): void {
  const { mcp, queue, viewing, caller } = tools;
  const list = (name: string, title: string, items: () => readonly object[]): void => {
    const uri = `${SCHEME}enums/${name}`;
    mcp.registerResource(name, uri, { title, mimeType }, async (_uri, context) => {
      await caller(context);
      const all = items();
      return textAt(uri, { version: VERSION, count: all.length, items: all });
    });
  };
  list('ability', 'Abilities of tokens', () => abilitiesOf(queue.definitions, facts));
  list('error-code', 'Error codes', () => errorCodes(viewing.docsUrl));
  const about = { title: 'Result of a job', mimeType };
  mcp.registerResource('job-result', RESULT, about, async (uri, { job_id }, context) => {
    const { who } = await caller(context);
    let job: Job;
    try {
      job = await getWhole(queue, String(job_id), who);
    } catch (error) {
      if (!(error instanceof JobError)) throw error;
      throw new ResourceNotFoundError(uri.href, 'No such job is visible to this token.');
    }
    return textAt(uri.href, outcomeOf(job, viewing));
  });
}

function outcomeOf(job: Job, viewing: Viewing): object {
  if (!isFinal(job.status)) {
    throw new ProtocolError(
      ProtocolErrorCode.InvalidParams,
      `The job is ${job.status} and has no result yet. Call get_job_status until it is completed or failed.`,
    );
  }
  if (job.error !== null) return { error: toErrorBody(job.error, viewing.docsUrl) };
  return { data: resultOf(job, viewing) };
}

function textAt(uri: string, value: object): ReadResourceResult {
  return { contents: [{ uri, mimeType, text: JSON.stringify(value) }] };
}

function abilitiesOf(
  definitions: ReadonlyMap<string, AnyDefinition>,
  { requiredAbility, abilities }: AbilityFacts,
): readonly object[] {
  const known: Record<string, string> = {};
  if (requiredAbility !== null) known[requiredAbility] = 'Use this server at all.';
  known[VIEW_ANY] = 'See the jobs of the whole team; granted by name only.';
  for (const { ability, name } of definitions.values()) {
    if (ability !== null) known[ability] = `Call ${name}.`;
  }
  const items = Object.entries({ ...known, ...abilities });
  return items.map(([name, description]) => ({ name, description })).toSorted(byName);
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : 1;
}

function errorCodes(docsUrl: string): readonly object[] {
  return Object.entries(ERRORS).map(([code, { status, retryable, message, remediation }]) => {
    const docs_url = `${docsUrl}#${code}`;
    return { code, status, retryable, message, remediation, docs_url };
  });
}
