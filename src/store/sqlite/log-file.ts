/**
 * Whether the write-ahead log is whole. SQLite takes a log to its first frame that is not right, and
 * says nothing of what stands behind it: after a power cut that was never acknowledged, on a disk that
 * changes bits it was.
 */
import { existsSync, readFileSync } from 'node:fs';

const HEADER = 32;
const FRAME_HEADER = 24;
/** The last bit says in which order the bytes of a word are summed. */
const MAGIC = 0x377f0682;

/** @returns where it breaks off and how many frames stand behind that, or null when none do */
export function brokenLog(
  path: string,
): { readonly frame: number; readonly behind: number } | null {
  const name = `${path}-wal`;
  const log = existsSync(name) ? readFileSync(name) : Buffer.alloc(0);
  if (log.length < HEADER + FRAME_HEADER) return null;
  const magic = log.readUInt32BE(0);
  const size = FRAME_HEADER + log.readUInt32BE(8);
  const frames = size > FRAME_HEADER ? Math.floor((log.length - HEADER) / size) : 1;
  const isBig = (magic & 1) === 1;
  let sum: Sum = sumOf(log.subarray(0, HEADER - 8), [0, 0], isBig);
  if ((magic & ~1) !== MAGIC || !isSaid(log, HEADER - 8, sum)) return { frame: 0, behind: frames };
  const salts = log.subarray(16, 24);
  const isOurs = (at: number) => log.subarray(at + 8, at + 16).equals(salts);
  for (let i = 0; i < frames; i += 1) {
    const at = HEADER + i * size;
    sum = sumOf(log.subarray(at, at + 8), sum, isBig);
    sum = sumOf(log.subarray(at + FRAME_HEADER, at + size), sum, isBig);
    if (isOurs(at) && isSaid(log, at + 16, sum)) continue;
    // Frames of an earlier log, which this one has not yet written over, have other salts.
    const later = Array.from({ length: frames - i - 1 }, (_, n) => at + (n + 1) * size);
    const behind = later.filter(isOurs).length;
    return behind > 0 ? { frame: i + 1, behind } : null;
  }
  return null;
}

type Sum = readonly [number, number];

/** The sum of SQLite's file format, which goes on from frame to frame. */
function sumOf(bytes: Buffer, [from, and]: Sum, isBig: boolean): Sum {
  const word = (at: number) => (isBig ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at));
  let [first, second] = [from, and];
  for (let at = 0; at + 8 <= bytes.length; at += 8) {
    first = (first + word(at) + second) >>> 0;
    second = (second + word(at + 4) + first) >>> 0;
  }
  return [first, second];
}

const isSaid = (log: Buffer, at: number, [first, second]: Sum): boolean =>
  log.readUInt32BE(at) === first && log.readUInt32BE(at + 4) === second;
