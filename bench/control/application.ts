import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The need whose value is changed. */
export const endpointName = 'DB';

const source = `
import { connectSettings } from './settings-client.ts';
import { tellBench } from './tell-bench.ts';

const settings = await connectSettings();
const tell = tellBench(settings.get('BENCH'));
tell(settings.get('${endpointName}'), process.hrtime.bigint());
settings.onChange(() => {
  const atNs = process.hrtime.bigint();
  tell(settings.get('${endpointName}'), atNs);
});
`;

/** Puts together an application that tells the bench what it is told, and nothing else. */
export async function buildApplication(directory: string): Promise<void> {
  await mkdir(join(directory, '.starling'), { recursive: true });
  await writeFile(join(directory, 'app.ts'), source);
  await writeFile(join(directory, 'package.json'), '{ "type": "module" }\n');
  for (const file of ['../../src/api/settings-client.ts', './tell-bench.ts']) {
    const path = fileURLToPath(new URL(file, import.meta.url));
    await copyFile(path, join(directory, file.slice(file.lastIndexOf('/') + 1)));
  }
  const manifest = {
    ...{ name: 'web', version: '1', kind: 'tree', start: [process.execPath, 'app.ts'] },
    needs: { [endpointName]: { type: 'endpoint' }, BENCH: { type: 'string' } },
  };
  await writeFile(join(directory, '.starling', 'image.json'), JSON.stringify(manifest));
}
