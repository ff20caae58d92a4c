import type { ChannelReport } from './messages.ts';

const maxChannels = 256;

/**
 * What this host says of its channels: the newest of each is kept, so that a tracker that was out of
 * reach hears how things are, and not all that happened.
 */
export class ReportBox {
  readonly #latest = new Map<string, ChannelReport>();
  readonly #unsent = new Set<string>();

  put(report: ChannelReport): void {
    const key = `${report.app}/${report.channel}`;
    this.#latest.delete(key);
    this.#latest.set(key, report);
    this.#unsent.add(key);
    const [oldest] = this.#latest.keys();
    if (this.#latest.size <= maxChannels || oldest === undefined) return;
    this.#latest.delete(oldest);
    this.#unsent.delete(oldest);
  }

  /** The next tracker knows nothing. */
  resend(): void {
    for (const key of this.#latest.keys()) this.#unsent.add(key);
  }

  /** Takes what is to be sent. */
  take(): ChannelReport[] {
    const reports = [...this.#unsent].flatMap((key) => this.#latest.get(key) ?? []);
    this.#unsent.clear();
    return reports;
  }
}
