/** The limits that a worker keeps when it claims. */
import type { AnyDefinition } from '../job/definition.ts';
import type { RunningLimits } from '../store/store.ts';

const MAX = 10_000;

/** @throws TypeError when it is no limit */
export function checkedMaxRunning(value: number): number {
  if (Number.isInteger(value) && value >= 0 && value <= MAX) return value;
  throw new TypeError(
    `maxRunningPerTeam is ${value}; it must be a whole number in 0..${MAX}, where 0 is off.`,
  );
}

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
