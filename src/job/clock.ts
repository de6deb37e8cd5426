/**
 * Time, in one place.
 *
 * Wall time (`now`) is what people read; it may jump. Monotonic time (`monotonic`) runs from the
 * start of the machine, is the same in all its processes, and is what leases and delays are
 * measured by; it only means something together with the boot it belongs to (`bootId`).
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Wall time in milliseconds since 1970, UTC. */
export function now(): number {
  return Date.now();
}

/** A wall clock may be corrected by so much at once and is still believed. */
const CREDIBLE_MS = 60_000;
/** A clock that has stayed ahead for so long is right after all. */
const PATIENCE_MS = 86_400_000;

let last: { readonly wall: number; readonly mono: number } | undefined;
let aheadSince: number | null = null;

/**
 * Wall time for deciding that something is old enough to be forgotten. A clock that jumps ahead is
 * not believed for a day, so that a wrong one costs nobody what was promised to be kept; one that
 * goes back is.
 */
export function patientNow(): number {
  const [wall, mono] = [now(), monotonic()];
  const steady = last ? last.wall + mono - last.mono : wall;
  if (wall - steady > CREDIBLE_MS) {
    aheadSince ??= mono;
    if (mono - aheadSince < PATIENCE_MS) return steady;
  }
  aheadSince = null;
  last = { wall, mono };
  return wall;
}

/**
 * The newest wall time that is known from before this process. A clock that stands more than a day
 * later is not believed at once either: the machine was off, or the clock was put ahead meanwhile.
 */
export function rememberWall(wall: number): void {
  if (last === undefined && now() - wall > PATIENCE_MS) last = { wall, mono: monotonic() };
}

/** Milliseconds since the machine started, equal in every process of one boot. */
export function monotonic(): number {
  return Number(process.hrtime.bigint() / 1_000_000n);
}

/** Wall time as the wire shows it: UTC, whole seconds, `Z`; finer digits are cut, never rounded. */
export function toWireTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

let boot: string | undefined;

/** Names the running boot of this machine; another value means that its monotonic times are void. */
export function bootId(): string {
  boot ??= readBootId(process.platform, fromCommand, fromFile);
  return boot;
}

const fromCommand = (command: string, argument: string): string =>
  execFileSync(command, ['-n', argument]).toString();
const fromFile = (path: string): string => readFileSync(path, 'utf8');

/** As each system names its boot. */
export function readBootId(
  platform: string,
  run: typeof fromCommand,
  read: typeof fromFile,
): string {
  try {
    if (platform === 'darwin') return run('/usr/sbin/sysctl', 'kern.bootsessionuuid').trim();
    return read('/proc/sys/kernel/random/boot_id').trim();
  } catch {
    // Elsewhere the instant of the boot, to ten seconds, has to do.
    return `since-${Math.round((Date.now() - monotonic()) / 10_000)}`;
  }
}
