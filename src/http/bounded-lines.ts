/**
 * The lines of a stream, each held to a bound before anything looks into it. One that is longer is
 * read on and forgotten but for its two ends, which say what to answer.
 */
import { Transform, type TransformCallback } from 'node:stream';
import { parsedOr } from '../job/json.ts';

/** So much is kept of each end of a line that is too long. */
const END_BYTES = 1_024;
const NEWLINE = 0x0a;

export type RequestId = string | number;

export class BoundedLines extends Transform {
  readonly #bytesMax: number;
  readonly #onTooLong: (id: RequestId | null) => void;
  #parts: Buffer[] = [];
  #bytes = 0;

  /** @param onTooLong given the id of the JSON-RPC request that is left out, where it can be told */
  constructor(bytesMax: number, onTooLong: (id: RequestId | null) => void) {
    super();
    this.#bytesMax = bytesMax;
    this.#onTooLong = onTooLong;
  }

  override _transform(chunk: Buffer, _: BufferEncoding, done: TransformCallback): void {
    let from = 0;
    for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, from)) {
      this.#take(chunk.subarray(from, at));
      this.#endLine();
      from = at + 1;
    }
    this.#take(chunk.subarray(from));
    done();
  }

  #take(part: Buffer): void {
    this.#parts.push(part);
    this.#bytes += part.length;
    if (this.#bytes > this.#bytesMax) this.#parts = endsOf(Buffer.concat(this.#parts));
  }

  #endLine(): void {
    const line = Buffer.concat([...this.#parts, Buffer.of(NEWLINE)]);
    if (this.#bytes > this.#bytesMax) this.#onTooLong(requestIdIn(line.toString()));
    else this.push(line);
    this.#parts = [];
    this.#bytes = 0;
  }
}

function endsOf(text: Buffer): Buffer[] {
  if (text.length <= 2 * END_BYTES) return [text];
  return [Buffer.from(text.subarray(0, END_BYTES)), Buffer.from(text.subarray(-END_BYTES))];
}

const MEMBER = String.raw`"\w+"\s*:\s*(?:"[^"\\]*"|-?\d+)`;
const FIRST = new RegExp(String.raw`^\s*\{\s*(${MEMBER}(?:\s*,\s*${MEMBER})*)\s*,`);
const LAST = new RegExp(String.raw`,\s*(${MEMBER}(?:\s*,\s*${MEMBER})*)\s*\}\s*$`);

/** From the plain members at both ends of a message. An answer must not be taken for a request. */
function requestIdIn(text: string): RequestId | null {
  // A number that begins with 0, or a character that JSON does not take, is no id that holds.
  const members = [FIRST, LAST].map((end) => parsedOr(`{${end.exec(text)?.[1] ?? ''}}`, {}));
  const { method, id } = Object.assign({}, ...members) as Record<string, RequestId | undefined>;
  return method === undefined ? null : (id ?? null);
}
