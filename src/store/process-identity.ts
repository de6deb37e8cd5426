/**
 * Telling processes apart, so that a dead worker's job is taken over at once and a live one's never
 * is. A pid alone is reused; with its start time, the boot and the pid namespace it is not.
 */
import { readFileSync, readlinkSync } from 'node:fs';
import { bootId } from '../job/clock.ts';

/** A process, as `boot/namespace/pid/start`. */
export function identityOf(pid: number): string {
  return [bootId(), pidNamespace(), pid, startOf(pid) ?? 'unknown'].join('/');
}

/**
 * Whether the process is certainly gone. Only a process of this boot and this pid namespace can be
 * looked up; of any other the answer is false, and its lease has to run out.
 */
export function isDead(identity: string): boolean {
  const [boot, namespace, pid, start] = identity.split('/');
  if (boot !== bootId() || namespace !== pidNamespace()) return false;
  try {
    process.kill(Number(pid), 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return true;
  }
  const found = startOf(Number(pid));
  // A zombie answers signals but will never write again.
  return found === 'gone' || (found !== null && start !== 'unknown' && found !== start);
}

let namespace: string | undefined;

function pidNamespace(): string {
  if (namespace === undefined) {
    try {
      namespace = readlinkSync('/proc/self/ns/pid').replaceAll(/\D/g, '');
    } catch {
      namespace = process.platform;
    }
  }
  return namespace;
}

/** Start time in clock ticks since boot; `gone` for a zombie; null where it cannot be read. */
function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command name stands in parentheses and may itself contain some.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? 'gone' : (fields[19] ?? null);
  } catch {
    return null;
  }
}
