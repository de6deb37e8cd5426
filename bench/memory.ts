/** How much memory processes hold, as Linux counts it. */
import { readdirSync, readFileSync } from 'node:fs';

/** Of a process and all its descendants, in MB; shared pages count by their share. */
export function proportionalMB(pid: number): number {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
    } catch {
      // It has ended meanwhile.
    }
  }
  const isOurs = (of: number): boolean => of === pid || (of > 1 && isOurs(parents.get(of) ?? 0));
  const kilobytes = [...parents.keys()].filter(isOurs).map((one) => {
    const rollup = readFileSync(`/proc/${one}/smaps_rollup`, 'utf8');
    return Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1] ?? 0);
  });
  return kilobytes.reduce((sum, one) => sum + one, 0) / 1_024;
}
