import { ConfigError } from '../../src/errors.ts';

/** The error for an address that can't be listened at: somebody chose it. */
export function listenFailure(
  option: string,
  { host, port }: { readonly host: string; readonly port: number },
  cause: unknown,
): ConfigError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const evidence = { host, port };
  return code === 'EADDRINUSE'
    ? new ConfigError('CONFIG_IN_USE', `${option}: port ${port} at ${host} is taken`, {
        evidence,
        cause,
      })
    : new ConfigError('CONFIG_INVALID', `${option}: can't listen at ${host}:${port}: ${message}`, {
        evidence,
        cause,
      });
}
