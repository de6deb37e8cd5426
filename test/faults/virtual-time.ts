/**
 * Time that only we move: the clocks stand still, and a timer fires when it is told to. Whatever is
 * begun while somebody has the floor belongs to them, so that a process can stall or die alone.
 */
const plain = {
  now: Date.now,
  hrtime: process.hrtime.bigint.bind(process.hrtime),
  setTimeout: globalThis.setTimeout,
  clearTimeout: globalThis.clearTimeout,
  setInterval: globalThis.setInterval,
  clearInterval: globalThis.clearInterval,
  setImmediate: globalThis.setImmediate,
};

interface Timer {
  readonly owner: string;
  readonly work: () => void;
  readonly everyMs: number | null;
  dueAt: number;
  unref(): Timer;
}

export class VirtualTime {
  // It begins now, because some of what is tested remembers the time across histories.
  readonly #start = { mono: Number(process.hrtime.bigint() / 1_000_000n), wall: Date.now() };
  #mono = this.#start.mono;
  #wall = this.#start.wall;
  #timers = new Set<Timer>();
  /** Who began what is begun now. */
  floor = '';

  get mono(): number {
    return this.#mono;
  }

  take(): void {
    Date.now = () => this.#wall;
    process.hrtime.bigint = () => BigInt(this.#mono) * 1_000_000n;
    const later = (work: () => void, ms = 0) => this.#add(work, ms, null);
    const drop = (timer: unknown) => void this.#timers.delete(timer as Timer);
    const faked = {
      setTimeout: later,
      setImmediate: later,
      setInterval: (work: () => void, ms = 0) => this.#add(work, ms, Math.max(1, ms)),
      clearTimeout: drop,
      clearInterval: drop,
    };
    Object.assign(globalThis, faked);
  }

  giveBack(): void {
    const { now, hrtime, ...timers } = plain;
    Date.now = now;
    process.hrtime.bigint = hrtime;
    Object.assign(globalThis, timers);
  }

  /** Begin again, without any timer. */
  reset(): void {
    this.#mono = this.#start.mono;
    this.#wall = this.#start.wall;
    this.#timers = new Set();
    this.floor = '';
  }

  pass(ms: number): void {
    this.#mono += ms;
    this.#wall += ms;
  }

  jump(ms: number): void {
    this.#wall += ms;
  }

  #add(work: () => void, ms: number, everyMs: number | null): Timer {
    const dueAt = this.#mono + Math.max(0, Math.floor(ms));
    const timer: Timer = { owner: this.floor, work, everyMs, dueAt, unref: () => timer };
    this.#timers.add(timer);
    return timer;
  }

  /** The timer that is due first, of those that may fire. */
  next(mayFire: (owner: string) => boolean): Timer | null {
    let first: Timer | null = null;
    for (const timer of this.#timers) {
      if (mayFire(timer.owner) && (!first || timer.dueAt < first.dueAt)) first = timer;
    }
    return first;
  }

  /** Let time pass until the timer is due, and fire it. */
  fire(timer: Timer): void {
    if (timer.dueAt > this.#mono) this.pass(timer.dueAt - this.#mono);
    if (timer.everyMs === null) this.#timers.delete(timer);
    else timer.dueAt = this.#mono + timer.everyMs;
    this.floor = timer.owner;
    timer.work();
  }

  forget(owner: string): void {
    for (const timer of this.#timers) if (timer.owner === owner) this.#timers.delete(timer);
  }
}

/** Until everything that can go on without us has gone on. */
export function settled(): Promise<void> {
  return new Promise((resolve) => plain.setImmediate(resolve));
}
