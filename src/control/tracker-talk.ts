import { TrackerError } from '../errors.ts';
import type { ControlNode } from './control-node.ts';
import { FramePipe } from './frame-pipe.ts';
import { emptyFrame } from './frames.ts';
import {
  maxMessageBytes,
  messageVersion,
  parseTrackerMessage,
  sessionProtocol,
  type Hello,
  type TrackerMessage,
} from './messages.ts';
import type { ReportBox } from './report-box.ts';
import { TimedPermits } from './timed-permits.ts';

export interface TrackerTalkComponents {
  readonly node: ControlNode;
  readonly uptime: () => number;
  /** The fleet's time as this host counts it, once there was a welcome. */
  readonly fleetTimeMs: () => number;
  readonly reports: ReportBox;
}

export interface TrackerTalkInit {
  readonly tracker: string;
  readonly hello: Omit<Hello, 'type' | 'protocol'>;
  readonly heartbeatMs: number;
  readonly deadAfterMs: number;
  readonly onMessage: (message: TrackerMessage) => void;
}

/** How long it may take until the tracker's welcome is here, in milliseconds. */
const beginMs = 10_000;

/** One session with one tracker, from its beginning to its end. */
export class TrackerTalk {
  readonly #components: TrackerTalkComponents;
  readonly #init: TrackerTalkInit;
  readonly #permits: TimedPermits;
  #pipe: FramePipe | undefined;
  #isWelcome = false;
  #isFlushing = false;
  #heardMs = 0;
  #saidHelloMs = 0;

  constructor(components: TrackerTalkComponents, init: TrackerTalkInit) {
    this.#components = components;
    this.#init = init;
    this.#permits = new TimedPermits(components, {
      ask: (asked) => {
        if (this.#pipe !== undefined) this.#send(this.#pipe, { type: 'time', asked });
      },
      hand: (permits) => init.onMessage({ type: 'permits', permits }),
    });
  }

  get tracker(): string {
    return this.#init.tracker;
  }

  /** Whether the tracker has taken this host in. */
  get isWelcome(): boolean {
    return this.#isWelcome;
  }

  /** When it was said, by `uptime`. */
  get saidHelloMs(): number {
    return this.#saidHelloMs;
  }

  /**
   * Resolves when the tracker has ended the session.
   * @throws PeerError, TrackerError when it can't be had, or broke; the signal's reason
   */
  async run(options: { signal: AbortSignal }): Promise<void> {
    const { node, uptime } = this.#components;
    const ended = new AbortController();
    const signal = AbortSignal.any([options.signal, ended.signal]);
    const begin = AbortSignal.any([signal, AbortSignal.timeout(beginMs)]);
    const connection = await node.connect(this.tracker, { signal: begin });
    const stream = await node.openStream(connection, sessionProtocol, { signal: begin });
    const pipe = new FramePipe(stream, {
      maxFrameBytes: maxMessageBytes,
      onHeard: () => (this.#heardMs = uptime()),
      onDrain: () => this.flush(),
      onFrame: (frame) => this.#onFrame(frame),
    });
    this.#pipe = pipe;
    this.#heardMs = this.#saidHelloMs = uptime();
    const heart = setInterval(() => this.#beat(ended), this.#init.heartbeatMs);
    try {
      pipe.send({ type: 'hello', protocol: messageVersion, ...this.#init.hello });
      await pipe.read({ signal });
    } catch (error) {
      // Without an answer the connection is of no use to anything else either.
      if (ended.signal.aborted) connection.abort(error as Error);
      throw error;
    } finally {
      clearInterval(heart);
      this.#pipe = undefined;
      pipe.abort(new TrackerError('TRACKER_UNREACHABLE', 'the session is over'));
    }
  }

  /** Sends the reports that are due, those of one moment in one message. */
  flush(): void {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    queueMicrotask(() => {
      this.#isFlushing = false;
      const pipe = this.#pipe;
      // A slow connection gets the newest of each channel when it has room.
      if (pipe === undefined || !this.#isWelcome || pipe.isFull) return;
      const channels = this.#components.reports.take();
      if (channels.length > 0) this.#send(pipe, { type: 'report', channels });
    });
  }

  renew(): void {
    if (this.#pipe !== undefined) this.#send(this.#pipe, { type: 'renew' });
  }

  showRevocations(text: string): void {
    if (this.#pipe !== undefined) this.#send(this.#pipe, { type: 'revocations', text });
  }

  /** What can't be sent any more is not lost: the end of the session is being noticed by who reads. */
  #send(pipe: FramePipe, message: Readonly<Record<string, unknown>> | Buffer): void {
    try {
      pipe.send(message);
    } catch (error) {
      pipe.abort(error as Error);
    }
  }

  /** @throws PeerError when it is no message */
  #onFrame(frame: Buffer): void {
    const message = frame.length === 0 ? undefined : parseTrackerMessage(frame);
    if (message === undefined) return;
    if (message.type === 'welcome') this.#isWelcome = true;
    else if (!this.#isWelcome) return;
    if (message.type === 'time') this.#permits.onTime(message);
    else if (message.type === 'permits') this.#permits.take(message.permits);
    else this.#init.onMessage(message);
  }

  #beat(ended: AbortController): void {
    const silentMs = this.#components.uptime() - this.#heardMs;
    if (silentMs < this.#init.deadAfterMs) {
      const pipe = this.#pipe;
      if (pipe?.isFull === false) this.#send(pipe, emptyFrame);
      return;
    }
    const what = `the tracker ${this.tracker} was silent for ${Math.round(silentMs)} ms`;
    ended.abort(new TrackerError('TRACKER_UNREACHABLE', what));
  }
}
