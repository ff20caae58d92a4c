import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as http from 'node:http';
import * as https from 'node:https';
import { connect } from 'node:net';
import type { HealthPlan } from './launch-plan.ts';
import { findProgram } from './program.ts';

export interface ProbeResult {
  readonly ok: boolean;
  /** What the probe saw, as a short phrase. */
  readonly detail: string;
}

export interface ProbeContext {
  /** The image's tree, in which commands run. */
  readonly tree: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/**
 * Probes an app's health once. A probe that fails, and one that takes longer than its timeout, is
 * a result and no error.
 * @throws the signal's reason when it is aborted.
 */
export async function probeHealth(health: HealthPlan, context: ProbeContext): Promise<ProbeResult> {
  context.signal.throwIfAborted();
  const timeout = new AbortController();
  const timer = setTimeout(() => {
    timeout.abort();
  }, health.timeoutMs);
  const signal = AbortSignal.any([context.signal, timeout.signal]);
  try {
    return await probeOnce(health, { ...context, signal });
  } catch (error) {
    context.signal.throwIfAborted();
    if (timeout.signal.aborted) {
      return { ok: false, detail: `no answer within ${health.timeoutMs} ms` };
    }
    return { ok: false, detail: error instanceof Error ? error.message : String(error) };
  } finally {
    clearTimeout(timer);
  }
}

async function probeOnce(health: HealthPlan, context: ProbeContext): Promise<ProbeResult> {
  switch (health.type) {
    case 'http':
      return await probeHttp(health.url, context.signal);
    case 'tcp':
      return await probeTcp(health.host, health.port, context.signal);
    case 'exec':
      return await probeCommand(health.command, context);
  }
}

async function probeHttp(url: URL, signal: AbortSignal): Promise<ProbeResult> {
  const { get } = url.protocol === 'https:' ? https : http;
  // No agent: each probe is a connection of its own, as a new user's would be.
  const request = get(url, { agent: false, signal, headers: { connection: 'close' } });
  // What comes after the first error, such as that of the destroyed socket, says nothing new.
  request.on('error', () => undefined);
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  response.on('error', () => undefined);
  response.destroy();
  const status = response.statusCode ?? 0;
  return { ok: status >= 200 && status < 300, detail: `${url.href} answered ${status}` };
}

async function probeTcp(host: string, port: number, signal: AbortSignal): Promise<ProbeResult> {
  const socket = connect({ host, port });
  try {
    await once(socket, 'connect', { signal });
    return { ok: true, detail: `${host}:${port} accepts connections` };
  } finally {
    socket.destroy();
  }
}

/** The command carries the app's run in its environment, so that the app's guard ends it too. */
async function probeCommand(
  command: readonly string[],
  context: ProbeContext,
): Promise<ProbeResult> {
  const [name = '', ...rest] = command;
  const program = await findProgram(context.tree, name, context.environment.PATH ?? '');
  context.signal.throwIfAborted();
  const child = spawn(program, rest, {
    cwd: context.tree,
    env: context.environment,
    detached: true,
    stdio: 'ignore',
  });
  await once(child, 'spawn');
  const exit = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  const stop = (): void => {
    killGroup(child.pid);
  };
  context.signal.addEventListener('abort', stop, { once: true });
  try {
    if (context.signal.aborted) stop();
    const [code, signal] = await exit;
    context.signal.throwIfAborted();
    return { ok: code === 0, detail: `${name} ended with ${signal ?? code}` };
  } finally {
    context.signal.removeEventListener('abort', stop);
    // What the command left running in its group goes with it.
    stop();
  }
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // The group is empty already.
  }
}
