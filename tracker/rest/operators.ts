import type { FastifyBaseLogger } from 'fastify';
import { timingSafeEqual } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { bearerTokenOf, digestOf, type AccessToken } from '../access-token.ts';
import { systemCode } from '../durable-file.ts';
import { adminName, operatorsPath, readOperators, type Operator } from './operator-files.ts';

export interface OperatorsComponents {
  /** The token of the operator `admin`. */
  readonly adminToken: AccessToken;
  readonly log: FastifyBaseLogger;
}

/** A change of files this young may have been followed by one that the times of the system can't tell. */
const settledMs = 2_000;

/**
 * Who may call the REST interface: the operator `admin`, whose token the tracker made, and those of
 * the directory. Its files are read again whenever it has changed, so that who is revoked is refused
 * from then on. While they can't be read those from before stay.
 */
export class Operators {
  readonly #components: OperatorsComponents;
  readonly #directory: string;
  #operators: readonly Operator[] = [];
  #version = '';

  private constructor(components: OperatorsComponents, directory: string) {
    this.#components = components;
    this.#directory = directory;
  }

  /**
   * @param directory the tracker's directory
   * @throws StorageError when the operators can't be read
   */
  static async open(components: OperatorsComponents, directory: string): Promise<Operators> {
    const operators = new Operators(components, directory);
    await operators.#read(await operators.#versionNow());
    return operators;
  }

  /**
   * The name of the operator whose token an `authorization` header carries. Takes as long whosever
   * it is.
   * @param nowMs milliseconds since 1970, by which tokens end
   */
  async identify(authorization: string | undefined, nowMs: number): Promise<string | undefined> {
    return callerAmong(await this.#current(), this.#components.adminToken, authorization, nowMs);
  }

  async #current(): Promise<readonly Operator[]> {
    try {
      const version = await this.#versionNow();
      return version === this.#version ? this.#operators : await this.#read(version);
    } catch (error) {
      const { log } = this.#components;
      log.error({ err: error }, "the operators can't be read, and stay as they were");
      return this.#operators;
    }
  }

  async #read(version: string): Promise<readonly Operator[]> {
    const { operators, faults } = await readOperators(this.#directory);
    for (const fault of faults) {
      this.#components.log.error({ err: fault }, 'an operator is left out');
    }
    this.#operators = operators;
    this.#version = version;
    return operators;
  }

  /** What tells one state of the directory from another; one that is too young is told from itself. */
  async #versionNow(): Promise<string> {
    try {
      const { ino, mtimeNs, ctimeNs } = await stat(operatorsPath(this.#directory), {
        bigint: true,
      });
      const ageMs = Date.now() - Number(ctimeNs / 1_000_000n);
      const own = [ino, mtimeNs, ctimeNs].join(' ');
      return ageMs > settledMs ? own : `${own} ${performance.now()}`;
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return 'none';
      throw error;
    }
  }
}

/** Whose token an `authorization` header carries. Takes as long whosever it is. */
export function callerAmong(
  operators: Iterable<Operator>,
  adminToken: AccessToken,
  authorization: string | undefined,
  nowMs: number,
): string | undefined {
  const token = bearerTokenOf(authorization);
  const digest = digestOf(token ?? '');
  let name: string | undefined;
  for (const operator of operators) {
    const isIt = timingSafeEqual(operator.digest, digest);
    if (isIt && !isOver(operator, nowMs)) name = operator.name;
  }
  if (adminToken.admits(authorization)) name = adminName;
  return token === undefined ? undefined : name;
}

const isOver = ({ expiresAt }: Operator, nowMs: number): boolean =>
  expiresAt !== undefined && expiresAt.getTime() <= nowMs;
