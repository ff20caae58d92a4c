import Table from 'cli-table3';

/** A column: its head, and whether it holds figures. */
export interface Column {
  readonly head: string;
  readonly figure: boolean;
}

/** A table for people; without colours where they don't show. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const plain = !process.stdout.isTTY || process.env.NO_COLOR !== undefined;
  const drawn = new Table({
    head: columns.map(({ head }) => head),
    colAligns: columns.map(({ figure }) => (figure ? 'right' : 'left')),
    style: plain ? { head: [], border: [] } : { head: ['bold'], border: ['gray'] },
  });
  for (const row of rows) drawn.push([...row]);
  return drawn.toString();
}
