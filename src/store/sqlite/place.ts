/**
 * Whether the open files still stand under their names. A file that was removed, moved or replaced
 * goes on taking writes, and no later start would find them: what is acknowledged then is lost. And
 * where a backup was put in its place, whoever still has it open must leave the backup as it is.
 */
import { realpathSync, statSync } from 'node:fs';

export interface Place {
  /** Whether the files are still the ones that their names lead to. */
  isKept(): boolean;
  /** Whether somebody has written over the database itself since it was last seen in its place. */
  isOverwritten(): boolean;
}

/**
 * Remember which files a connection has open: the database, its log and the index of the log.
 *
 * @param path of a database that was read already, so that all three are there
 */
export function placeOf(path: string): Place {
  // SQLite puts the other two beside the file itself, wherever a link to it stands.
  const file = realpathSync(path);
  const names = [file, `${file}-wal`, `${file}-shm`];
  const opened = names.map((name) => look(name)?.identity);
  let seen = look(file);
  return {
    isKept() {
      const found = names.map(look);
      const isKept = found.every((one, index) => one && one.identity === opened[index]);
      if (isKept) seen = found[0] ?? null;
      return isKept;
    },
    isOverwritten() {
      const found = look(file);
      return found?.identity === seen?.identity && found?.content !== seen?.content;
    },
  };
}

interface Looked {
  readonly identity: string;
  /** Another one once somebody has written. */
  readonly content: string;
}

function look(name: string): Looked | null {
  const found = statSync(name, { bigint: true, throwIfNoEntry: false });
  if (!found) return null;
  return { identity: `${found.dev}:${found.ino}`, content: `${found.size}:${found.mtimeNs}` };
}
