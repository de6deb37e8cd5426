/**
 * Who hears of a commit. Listeners of this process are called at once; other processes by one
 * NOTIFY per commit, sent after it, with ids and statuses only. When there is much to tell nothing
 * is sent: whoever is busy looks by itself, and every process looks each second in any case.
 */
import { Client } from 'pg';
import { monotonic } from '../../job/clock.ts';
import { newLease } from '../../job/ids.ts';
import type { Logger } from '../../job/log.ts';
import { STATUSES, type Status } from '../../job/states.ts';
import type { ChangeNotice } from '../store.ts';
import { connectionOptions, soon, type Database } from './database.ts';
import * as sql from './statements.ts';

const CHANNEL = 'mcp_async_jobs';
const POLL_MS = 1_000;
/** A connection that is half open says nothing: it is asked this often, and has so long to answer. */
const HEARTBEAT_MS = 5_000;
const RECONNECT_MAX_MS = 1_000;
/** More changes than this within a second are not told to others. */
const BUSY_CHANGES = 300;
/** A NOTIFY takes 8,000 bytes. */
const IDS_MAX = 150;

export interface NoticesOptions {
  readonly database: Database;
  readonly url: string;
  readonly isPooled: boolean;
  readonly log: Logger;
}

export class Notices {
  readonly #options: NoticesOptions;
  /** Names this process, so that it does not hear itself. */
  readonly #sender = newLease();
  readonly #dueListeners = new Set<() => void>();
  readonly #changeListeners = new Set<(notice: ChangeNotice | null) => void>();
  #waiting: ChangeNotice[] = [];
  /** Whether others are told to look, without being told where. */
  #isVague = false;
  #isSending = false;
  #toldSince = 0;
  #told = 0;
  #client: Client | null = null;
  #timers: NodeJS.Timeout[] = [];
  #reconnect: NodeJS.Timeout | null = null;
  #retryMs = 50;
  #isClosed = false;

  constructor(options: NoticesOptions) {
    this.#options = options;
  }

  onDue(listener: () => void): () => void {
    this.#dueListeners.add(listener);
    this.#listen();
    return () => this.#dueListeners.delete(listener);
  }

  onChange(listener: (notice: ChangeNotice | null) => void): () => void {
    this.#changeListeners.add(listener);
    this.#listen();
    return () => this.#changeListeners.delete(listener);
  }

  /** Tell of a commit of this process. */
  tell(changes: readonly ChangeNotice[]): void {
    if (changes.length === 0) return;
    this.#hear(changes);
    this.#waiting.push(...changes);
    this.#sendSoon();
  }

  /** The members of one commit tell together. */
  #sendSoon(): void {
    if (this.#isSending) return;
    this.#isSending = true;
    setImmediate(() => void this.#send());
  }

  /** Tell that there is something to claim, whatever it is. */
  tellDue(): void {
    this.#callDue();
    this.#isVague = true;
    this.#sendSoon();
  }

  #hear(changes: readonly ChangeNotice[]): void {
    if (changes.some(({ status }) => status === 'queued')) this.#callDue();
    for (const notice of changes) {
      for (const listener of this.#changeListeners) listener(notice);
    }
  }

  #callDue(): void {
    for (const listener of this.#dueListeners) listener();
  }

  /** Anything may have happened. */
  #hearAll(): void {
    this.#callDue();
    for (const listener of this.#changeListeners) listener(null);
  }

  async #send(): Promise<void> {
    try {
      while ((this.#waiting.length > 0 || this.#isVague) && !this.#isClosed) {
        const changes = this.#waiting;
        const isVague = this.#isVague || changes.length > IDS_MAX;
        this.#waiting = [];
        this.#isVague = false;
        if (this.#isBusy(changes.length)) continue;
        const ids = isVague
          ? []
          : changes.map(({ id, status }) => `${STATUSES.indexOf(status)}${id}`);
        const payload = [this.#sender, ...ids].join(' ');
        await this.#options.database.query(sql.NOTIFY, { channel: CHANNEL, payload });
      }
    } catch (error) {
      // A notice is a hint: the others look each second.
      this.#options.log.debug({ error: String(error) }, 'a notice was not sent');
    } finally {
      this.#isSending = false;
    }
  }

  #isBusy(changes: number): boolean {
    const at = monotonic();
    if (at - this.#toldSince > 1_000) {
      this.#toldSince = at;
      this.#told = 0;
    }
    this.#told += changes;
    return this.#told > BUSY_CHANGES;
  }

  /** The first listener makes this process listen, until the store is closed. */
  #listen(): void {
    if (this.#timers.length > 0 || this.#isClosed) return;
    this.#timers = [
      setInterval(() => this.#hearAll(), POLL_MS),
      setInterval(() => void this.#beat(), HEARTBEAT_MS),
    ];
    for (const timer of this.#timers) timer.unref();
    void this.#connect();
  }

  async #connect(): Promise<void> {
    const { url, isPooled, log } = this.#options;
    const client = new Client({
      ...connectionOptions(url, isPooled),
      query_timeout: HEARTBEAT_MS,
    });
    client.on('error', () => this.#lost(client));
    client.on('end', () => this.#lost(client));
    client.on('notification', ({ payload = '' }) => this.#receive(payload));
    this.#client = client;
    try {
      await client.connect();
      await client.query(`LISTEN ${CHANNEL}`);
      this.#retryMs = 50;
      this.#hearAll();
    } catch (error) {
      log.debug({ error: String(error) }, 'listening failed; trying again');
      this.#lost(client);
    }
    if (this.#isClosed) await end(client);
  }

  #lost(client: Client): void {
    if (this.#client !== client) return;
    this.#client = null;
    void end(client);
    if (this.#isClosed) return;
    this.#reconnect = setTimeout(() => void this.#connect(), this.#retryMs);
    this.#reconnect.unref();
    this.#retryMs = Math.min(this.#retryMs * 2, RECONNECT_MAX_MS);
  }

  async #beat(): Promise<void> {
    const client = this.#client;
    if (!client) return;
    await client.query('SELECT 1').catch(() => this.#lost(client));
  }

  #receive(payload: string): void {
    const [sender, ...told] = payload.split(' ');
    if (sender === this.#sender) return;
    const changes = told.flatMap((one) => {
      const status: Status | undefined = STATUSES[Number(one[0])];
      return status ? [{ id: one.slice(1), status }] : [];
    });
    if (changes.length > 0) this.#hear(changes);
    else this.#hearAll();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#dueListeners.clear();
    this.#changeListeners.clear();
    for (const timer of this.#timers) clearInterval(timer);
    if (this.#reconnect) clearTimeout(this.#reconnect);
    const client = this.#client;
    this.#client = null;
    if (client) await end(client);
  }
}

async function end(client: Client): Promise<void> {
  await soon(client.end());
}
