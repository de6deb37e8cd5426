/** A small generator of known random numbers (mulberry32), so that a run can be repeated. */
export class Seeded {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** In 0..1, without 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }

  /** A whole number in `0..belowExclusive - 1`. */
  below(belowExclusive: number): number {
    return Math.floor(this.next() * belowExclusive);
  }

  /** A whole number in `min..max`. */
  within(min: number, max: number): number {
    return min + this.below(max - min + 1);
  }

  of<T>(values: readonly T[]): T {
    const value = values[this.below(values.length)];
    if (value === undefined) throw new Error('nothing to choose from');
    return value;
  }

  isTrue(chance: number): boolean {
    return this.next() < chance;
  }
}
