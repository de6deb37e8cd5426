/** The tools of the system that faults are made with, and whether they are there. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';

const known = new Map<string, boolean>();

function works(command: readonly string[]): boolean {
  const name = command.join(' ');
  const before = known.get(name);
  if (before !== undefined) return before;
  const [program = '', ...args] = command;
  const { status } = spawnSync(program, args, { stdio: 'ignore', timeout: 10_000 });
  known.set(name, status === 0);
  return status === 0;
}

export const noStrace = (): string | null =>
  works(['strace', '-f', '--seccomp-bpf', '-qq', '-o', '/dev/null', 'true'])
    ? null
    : 'strace is missing, or may not trace here; install it (Debian: apt-get install strace)';

export const noNamespaces = (): string | null =>
  works(['unshare', '-p', '-f', '--mount-proc', '--kill-child', 'true'])
    ? null
    : 'unshare may not make namespaces here; it needs root';

export const noTmpfs = (): string | null =>
  process.getuid?.() === 0 && existsSync('/proc/self/mounts') && works(['unshare', '-m', 'true'])
    ? null
    : 'a file system of its own cannot be mounted here; it needs root';

const FAKETIME = [
  '/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1',
  '/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1',
];

export const faketimeLibrary = (): string | undefined => FAKETIME.find((path) => existsSync(path));

export const noFaketime = (): string | null =>
  faketimeLibrary() === undefined
    ? 'libfaketime is missing; install it (Debian: apt-get install faketime)'
    : null;

export const noLibreOffice = (): string | null =>
  works(['soffice', '--version'])
    ? null
    : 'LibreOffice is missing; install it (Debian: apt-get install libreoffice-calc-nogui)';

const DEBIAN = '/usr/lib/postgresql';
const PROGRAMS = ['pg_dump', 'pg_restore', 'initdb', 'postgres'];

/** Where pg_dump and pg_restore are, beside a server of their own version: an older pg_dump refuses ours. */
export function postgresPrograms(): string | null {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN) : [];
  const newest = versions.toSorted((a, b) => Number(b) - Number(a));
  const isWhole = (folder: string) => PROGRAMS.every((name) => existsSync(`${folder}/bin/${name}`));
  return newest.map((version) => `${DEBIAN}/${version}`).find(isWhole) ?? null;
}

/** Trace a process and everything it starts; what happens to the N-th call is in `inject`. */
export function traced(
  calls: string,
  more: readonly string[] = [],
  output = '/dev/null',
): string[] {
  // -D: the traced process is our child, and not a child of the tracer.
  return [
    'strace',
    '-D',
    '-f',
    '--seccomp-bpf',
    '-qq',
    '-o',
    output,
    '-e',
    `trace=${calls}`,
    ...more,
  ];
}

/** Let the N-th call fail, or kill the process at it. (With a filter in the kernel nothing is injected.) */
export function injected(call: string, what: string, output = '/dev/null'): string[] {
  const filter = ['-e', `trace=${call}`, '-e', `inject=${call}:${what}`];
  return ['strace', '-D', '-f', '-ttt', '-y', '-q', '-o', output, ...filter];
}
