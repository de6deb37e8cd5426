/**
 * A way for bytes from one address to another, in which all that can happen to a network happens:
 * it falls silent without closing, breaks, loses time, grows narrow, or leads elsewhere.
 */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type { Ending } from '../support/temp.ts';
import type { Seeded } from './random.ts';

/** What happens to what is sent. */
export type Weather =
  /** It arrives. */
  | 'fair'
  /** Nothing arrives and nobody is told; what is under way arrives when it is fair again. */
  | 'silent'
  /** Every connection is reset, and every new one. */
  | 'broken'
  /** Three in ten pieces are late. */
  | 'late'
  /** 64 kbit a second. */
  | 'narrow';

const LATE_SHARE = 0.3;
const LATE_MS = 300;
const NARROW_BYTES = 800;
const NARROW_EVERY_MS = 100;

export class Cable {
  readonly port: number;
  readonly #random: Seeded;
  readonly #near = new Set<Socket>();
  readonly #far = new Set<Socket>();
  #to: number;
  #weather: Weather = 'fair';
  #changed = Promise.withResolvers<void>();

  private constructor(port: number, to: number, random: Seeded) {
    this.port = port;
    this.#to = to;
    this.#random = random;
  }

  /** @param to a port of 127.0.0.1 */
  static async to(t: Ending, to: number, random: Seeded): Promise<Cable> {
    const server = createServer((socket) => cable.#join(socket));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const cable = new Cable((server.address() as AddressInfo).port, to, random);
    t.after(() => {
      cable.set('broken');
      server.close();
    });
    return cable;
  }

  /** The same address, through the cable. */
  through(address: string): string {
    const url = new URL(address);
    url.port = String(this.port);
    return url.href;
  }

  set(weather: Weather): void {
    this.#weather = weather;
    if (weather === 'broken') this.cut();
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  /** Reset every connection that there is. */
  cut(): void {
    for (const socket of [...this.#near, ...this.#far]) socket.resetAndDestroy();
  }

  /** From now on new connections lead elsewhere, and the old ones are gone. */
  lead(to: number): void {
    this.#to = to;
    this.cut();
  }

  #join(near: Socket): void {
    near.on('error', () => {});
    if (this.#weather === 'broken') return void near.resetAndDestroy();
    const far = connect({ port: this.#to, host: '127.0.0.1', noDelay: true });
    near.setNoDelay(true);
    far.on('error', () => {});
    for (const [set, socket, other] of [
      [this.#near, near, far],
      [this.#far, far, near],
    ] as const) {
      set.add(socket);
      void this.#carry(socket, other);
      socket.on('close', () => set.delete(socket));
    }
  }

  /** Carry bytes, then the news of the end, as the weather is at each moment. */
  async #carry(from: Socket, to: Socket): Promise<void> {
    try {
      for await (const chunk of from) {
        for (const piece of this.#pieces(chunk as Buffer)) {
          await this.#delay();
          if (!to.destroyed) to.write(piece);
        }
      }
    } catch {
      // It was reset; the other side is told so.
    }
    await this.#delay();
    to.destroy();
  }

  #pieces(chunk: Buffer): Buffer[] {
    if (this.#weather !== 'narrow') return [chunk];
    const count = Math.ceil(chunk.length / NARROW_BYTES);
    return Array.from({ length: count }, (_, i) =>
      chunk.subarray(i * NARROW_BYTES, (i + 1) * NARROW_BYTES),
    );
  }

  async #delay(): Promise<void> {
    if (this.#weather === 'narrow') await pause(NARROW_EVERY_MS);
    if (this.#weather === 'late' && this.#random.isTrue(LATE_SHARE))
      await pause(this.#random.below(LATE_MS));
    while (this.#weather === 'silent') await this.#changed.promise;
  }
}
