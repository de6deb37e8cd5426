/** What the makers of hostile requests are told of their target, and how many are wanted. */

export interface ToolSchema {
  readonly name: string;
  readonly inputSchema: Readonly<Record<string, unknown>>;
}

/** Values that stand for something in the target, by the name of an argument. */
export interface Known {
  readonly tools: readonly ToolSchema[];
  /** Ids that are there but belong to somebody else. */
  readonly foreign: readonly string[];
  readonly own: Readonly<Record<string, string>>;
}

export interface Wanted {
  readonly seed: number;
  /** Schema-mutated arguments for each tool. */
  readonly perTool: number;
  /** Bodies that are almost JSON-RPC. */
  readonly envelopes: number;
  /** Broken JSON and broken bytes. */
  readonly bodies: number;
}
