import type { Identify } from '../team/identify.ts';

const LOCAL: unique symbol = Symbol('local');

/**
 * Everybody who can reach the server is the one owner `local`, with every ability but those that
 * are granted by name. For a server on one's own machine: `serve` refuses it wherever others could
 * come in.
 */
export function local(): Identify {
  const who = { team: 'local', owner: 'local', abilities: ['*'], token: 'local' };
  return Object.assign(() => who, { [LOCAL]: true });
}

/** Whether a function was made by `local()`. */
export function isLocal(identify: Identify): boolean {
  return LOCAL in identify;
}
