/** What a supervisor and its worker process say to each other. */
import type { WorkStore } from '../store/store.ts';

/** The verbs of the store that a worker process reaches through its supervisor. */
export type RemoteVerb = Exclude<keyof WorkStore, 'beat' | 'onDue'>;

export type ToChild =
  | {
      readonly type: 'begin';
      readonly worker: string;
      readonly jobs: string;
      readonly settings: unknown;
      readonly concurrency: number;
      readonly leaseMs: number;
      readonly maxRunningPerTeam: number;
    }
  | { readonly type: 'due' }
  | { readonly type: 'abort'; readonly id: string; readonly lease?: string | undefined }
  | { readonly type: 'stop'; readonly graceMs: number }
  | { readonly type: 'answer'; readonly call: number; readonly value: unknown }
  | {
      readonly type: 'refusal';
      readonly call: number;
      readonly code: string | null;
      readonly message: string;
    };

export type FromChild =
  | { readonly type: 'ready'; readonly tools: readonly string[] }
  | { readonly type: 'failed'; readonly message: string }
  | {
      readonly type: 'call';
      readonly call: number;
      readonly verb: RemoteVerb;
      readonly args: readonly unknown[];
    }
  | { readonly type: 'ended'; readonly lease: string }
  | {
      readonly type: 'log';
      readonly level: 'debug' | 'info' | 'warn' | 'error';
      readonly fields: object;
      readonly message: string | undefined;
    };
