import type { Store } from '../src/store/store.ts';

const TIMED = ['insert', 'claim', 'apply'] as const;
type Timed = (typeof TIMED)[number];

/** Milliseconds from the call to the answer after the commit. */
export type Timings = Record<Timed, number[]>;

export const noTimings = (): Timings => ({ insert: [], claim: [], apply: [] });

/** The same store, which says how long each durable write took. */
export function timeStore(store: Store, say: (verb: Timed, ms: number) => void): Store {
  return new Proxy(store, {
    get(_, name) {
      const member: unknown = Reflect.get(store, name, store);
      if (typeof member !== 'function') return member;
      const call = member.bind(store) as (...args: unknown[]) => unknown;
      const verb = TIMED.find((timed) => timed === name);
      if (verb === undefined) return call;
      return async (...args: unknown[]) => {
        const startedAt = performance.now();
        const value = await call(...args);
        say(verb, performance.now() - startedAt);
        return value;
      };
    },
  });
}
