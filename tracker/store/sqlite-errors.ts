/** The primary result codes of SQLite that say something about the disk (sqlite.org/rescode.html). */
const reasons: Readonly<Record<number, string>> = {
  5: 'the database is locked by another program',
  6: 'the database is locked by another program',
  8: 'the database may only be read here',
  10: 'the disk failed',
  11: 'the database is damaged; restore it from a backup',
  13: 'the disk is full',
  14: "the database can't be opened",
  26: 'the file is no SQLite database',
};

const busyCode = 5;
const ioErrorCode = 10;

/** SQLite's primary result code; undefined: this error is none of SQLite's. */
function primaryCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error)) return undefined;
  return typeof error.errcode === 'number' ? error.errcode & 0xff : undefined;
}

/** What an error of SQLite means to an operator. */
export function sqliteReason(error: unknown): string {
  const code = primaryCode(error);
  const known = code === undefined ? undefined : reasons[code];
  const message = error instanceof Error ? error.message : String(error);
  return known === undefined ? message : `${known} (${message})`;
}

/** Whether somebody else holds the lock. */
export const isBusy = (error: unknown): boolean => primaryCode(error) === busyCode;

/** Whether reading or writing failed, so that nobody knows what the disk holds. */
export const isIoError = (error: unknown): boolean => primaryCode(error) === ioErrorCode;
