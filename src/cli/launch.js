// The first thing that runs, on whatever Node started it: so this is plain JavaScript that Node 18
// understands. It goes on in the Node that the project needs.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';

const neededMajor = 24;

/**
 * Runs `main` of a program.
 * @param {string} binUrl the URL of the program's bin.js
 * @param {string} program the program's folder
 */
export async function launch(binUrl, program) {
  if (Number(process.versions.node.split('.')[0]) < neededMajor) {
    relaunch(binUrl);
    return;
  }
  const { enableCompileCache } = await import('node:module');
  enableCompileCache();
  // Node strips types everywhere but in node_modules: an installed package has been compiled.
  const compiled = binUrl.includes('/node_modules/');
  const url = new URL(compiled ? `../dist/${program}/main.js` : './main.ts', binUrl);
  const { main } = await import(url.href);
  await main(process.argv);
}

/** Goes on in the Node that is a development dependency, if this one is too old. */
function relaunch(binUrl) {
  const node = fileURLToPath(new URL('../node_modules/node/bin/node', binUrl));
  if (!existsSync(node)) {
    process.stderr.write(
      `This needs Node ${neededMajor} or later, and this is ${process.version}. Install a later one.\n`,
    );
    process.exitCode = 2;
    return;
  }
  const child = spawn(node, [fileURLToPath(binUrl), ...process.argv.slice(2)], {
    stdio: 'inherit',
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
    process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? 128 + constants.signals[signal];
  });
}
