/**
 * An agent by the book: it knows no tool by name, picks one by its description, and then does what
 * the answers (or, without hints, the descriptions) tell it to do. It has no other wits.
 */
import { setTimeout as rest } from 'node:timers/promises';
import { monotonic } from '../src/job/clock.ts';
import { pollDelayMs, type Json } from '../src/index.ts';

type Members = Readonly<Record<string, Json>>;

/** A tool as `tools/list` shows it. */
export interface ToolSeen {
  readonly name: string;
  readonly description?: string | undefined;
  readonly inputSchema: {
    readonly properties?: Readonly<Record<string, unknown>> | undefined;
    readonly required?: readonly string[] | undefined;
  };
}

/** One way of talking to the server. */
export interface Surface {
  readonly name: string;
  readonly tools: readonly ToolSeen[];
  call(tool: string, args: Members): Promise<Answer>;
}

export interface Answer {
  /** `data` of the answer. */
  readonly data: Members;
  /** Bytes of each HTTP answer that it took; a host may need several for one call of the model. */
  readonly bytes: readonly number[];
}

export interface Goal {
  /** What the description of the right tool says. */
  readonly purpose: RegExp;
  readonly args: Members;
}

export interface Run {
  readonly status: string;
  /** Calls of tools: what a model pays for. */
  readonly calls: number;
  /** HTTP requests that the calls took. */
  readonly requests: number;
  readonly bytes: number;
  readonly longestBytes: number;
  readonly seconds: number;
}

/**
 * Reach a goal, and count what it took.
 *
 * @param hints whether the agent sees `next_step` and `wait_seconds`; without them it asks at the
 *   pace that the protocol of polling suggests
 */
export async function pursue(surface: Surface, goal: Goal, hints: boolean): Promise<Run> {
  const first = surface.tools.find(({ description = '' }) => goal.purpose.test(description));
  if (first === undefined) throw new Error(`No description fits ${goal.purpose}.`);
  const startedAt = monotonic();
  let last = await surface.call(first.name, goal.args);
  const bytes = [...last.bytes];
  let calls = 1;
  for (;;) {
    const { data } = last;
    const text = hints ? data['next_step'] : first.description;
    const step = typeof text === 'string' ? follow(text, { surface, data, hints }) : null;
    if (step === null || isTheEnd(step.tool, data)) break;
    if (!hints) await rest(pollDelayMs(monotonic() - startedAt));
    last = await surface.call(step.tool.name, step.args);
    bytes.push(...last.bytes);
    calls += 1;
  }
  return {
    status: textOf(last.data['status']),
    calls,
    requests: bytes.length,
    bytes: bytes.reduce((a, b) => a + b, 0),
    longestBytes: Math.max(...bytes),
    seconds: (monotonic() - startedAt) / 1_000,
  };
}

/** @returns an empty text for what is none */
export function textOf(value: Json | undefined): string {
  return typeof value === 'string' ? value : '';
}

interface Step {
  readonly tool: ToolSeen;
  readonly args: Members;
}

interface Reading {
  readonly surface: Surface;
  readonly data: Members;
  readonly hints: boolean;
}

/** The first tool that a text names and that can be called with what is known by now. */
function follow(text: string, reading: Reading): Step | null {
  const steps = reading.surface.tools
    .filter(({ name }) => text.includes(name))
    .toSorted((a, b) => text.indexOf(a.name) - text.indexOf(b.name))
    .map((tool) => ({ tool, args: argumentsIn(text, tool, reading) }));
  return (
    steps.find(({ tool, args }) =>
      (tool.inputSchema.required ?? []).every((name) => Object.hasOwn(args, name)),
    ) ?? null
  );
}

/** What the text says of a tool's arguments, and what the last answer has under their names. */
function argumentsIn(text: string, tool: ToolSeen, { data, hints }: Reading): Members {
  const args: Record<string, Json> = {};
  for (const name of Object.keys(tool.inputSchema.properties ?? {})) {
    const [, said] = new RegExp(`\\b${name}: (-?\\d+|true|false)`).exec(text) ?? [];
    const known = data[name];
    if (hints && said !== undefined) args[name] = JSON.parse(said) as Json;
    else if (known !== undefined && new RegExp(`\\b${name}\\b`).test(text)) args[name] = known;
  }
  return args;
}

/** Descriptions name the statuses at which something is to be had. */
function isTheEnd(tool: ToolSeen, { status }: Members): boolean {
  return typeof status === 'string' && Boolean(tool.description?.includes(`status is ${status}`));
}
