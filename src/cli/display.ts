/**
 * What a wait shows: a bar that is drawn over and over on a terminal, else a line for each change.
 */
import type { JobState } from '../client/answers.ts';
import { monotonic } from '../job/clock.ts';
import { printJson, printLine, say } from './output.ts';
import { barLine, stateLine } from './state-text.ts';

export interface Display {
  /** Whether a person looks on, who is told more often. */
  readonly isBar: boolean;
  /** Told each state that differs from the one before. */
  readonly onChange: (state: JobState) => void;
  /** The wait is over, with or without an ending. */
  readonly close: (final: JobState | null) => void;
}

export interface DisplayOptions {
  readonly json: boolean;
  readonly jsonl: boolean;
  /** Whether the changes are the command's data, or talk beside it. */
  readonly linesAreData: boolean;
}

const REDRAW_MS = 1_000;
/** A narrower terminal, or one that does not know its size, gets lines. */
const COLUMNS_MIN = 40;

/** The display that fits where the output goes. */
export async function openDisplay(options: DisplayOptions): Promise<Display> {
  const { json, jsonl, linesAreData } = options;
  if (jsonl) {
    return { isBar: false, onChange: (state) => printJson({ data: state }, true), close: () => {} };
  }
  const print = linesAreData && !json ? printLine : say;
  const { isTTY, columns, rows } = process.stderr;
  if (isTTY && columns >= COLUMNS_MIN && rows > 1)
    return barDisplay((final) => print(stateLine(final)));
  return { isBar: false, onChange: (state) => print(stateLine(state)), close: () => {} };
}

async function barDisplay(printEnding: (final: JobState) => void): Promise<Display> {
  const { createLogUpdate } = await import('log-update');
  const update = createLogUpdate(process.stderr);
  const startedAt = monotonic();
  let latest: JobState | null = null;
  const draw = (): void => {
    if (latest !== null) update(barLine(latest, monotonic() - startedAt));
  };
  const redraw = setInterval(draw, REDRAW_MS);
  return {
    isBar: true,
    onChange: (state) => {
      latest = state;
      draw();
    },
    close: (final) => {
      clearInterval(redraw);
      // The line gives way to the ending; without one it stays as the last that is known.
      if (final === null) return update.done();
      update.clear();
      update.done();
      printEnding(final);
    },
  };
}
