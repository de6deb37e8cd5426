/** The limits that a worker keeps when it claims. */
import type { AnyDefinition } from '../job/definition.ts';
import type { RunningLimits } from '../store/store.ts';

/** @returns null when there is none, so that claims need not look */
export function limitsOf(
  definitions: ReadonlyMap<string, AnyDefinition>,
  perTeam: number,
): RunningLimits | null {
  const tools = [...definitions.values()].flatMap(({ name, maxRunning: max, maxRunningPerTeam }) =>
    max > 0 || maxRunningPerTeam > 0 ? [[name, { max, perTeam: maxRunningPerTeam }] as const] : [],
  );
  return perTeam > 0 || tools.length > 0 ? { perTeam, tools: new Map(tools) } : null;
}
