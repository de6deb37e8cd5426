/** Room for what is held open for long: so many at once, and no more. */
import { ProtocolErrorCode } from '@modelcontextprotocol/server';

/** So many may wait for a result at once. */
export const WAITING_MAX = 10_000;

export class Places {
  readonly #max: number;
  #taken = 0;

  /** @param max how many may be held at once */
  constructor(max: number) {
    this.#max = max;
  }

  /** @returns what gives the place back, once, however often it is called; null when all are taken */
  take(): (() => void) | null {
    if (this.#taken >= this.#max) return null;
    this.#taken += 1;
    let isHeld = true;
    return () => {
      if (isHeld) this.#taken -= 1;
      isHeld = false;
    };
  }

  /** What is said to who finds none. */
  get refusal(): { readonly code: number; readonly message: string } {
    const message = `Subscription limit reached: ${this.#max} are open.`;
    return { code: ProtocolErrorCode.InternalError, message };
  }
}
