/**
 * Whether the open files still stand under their names. A file that was removed, moved or replaced
 * goes on taking writes, and no later start would find them: what is acknowledged then is lost.
 */
import { realpathSync, statSync } from 'node:fs';

/**
 * Remember which files a connection has open: the database, its log and the index of the log.
 *
 * @param path of a database that was read already, so that all three are there
 * @returns whether they are still the ones that their names lead to
 */
export function placeOf(path: string): () => boolean {
  // SQLite puts the other two beside the file itself, wherever a link to it stands.
  const file = realpathSync(path);
  const names = [file, `${file}-wal`, `${file}-shm`];
  const opened = names.map(identity);
  return () => names.every((name, index) => identity(name) === opened[index]);
}

function identity(name: string): string | null {
  const found = statSync(name, { bigint: true, throwIfNoEntry: false });
  return found ? `${found.dev}:${found.ino}` : null;
}
