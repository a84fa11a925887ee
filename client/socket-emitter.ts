// What is emitted by a client's socket, and how: with or without acknowledgement, in time, volatile.

import { checkMilliseconds } from "../protocol/errors.ts";
import type {
  AckValue,
  AllButLast,
  EventArguments,
  EventNames,
  LastArgument,
  MessageArguments,
  WithTimeout,
} from "../protocol/events.ts";

export interface Flags {
  readonly volatile?: boolean;
  readonly timeout?: number;
}

/** A socket as its emitters see it. */
interface EmitTarget {
  emitWith(event: string, args: readonly unknown[], flags: Flags): void;
  ask<Value>(event: string, args: readonly unknown[], flags: Flags): Promise<Value>;
}

/** Every step gives a new emitter and changes none. */
export class SocketEmitter<EmitEvents> {
  readonly #socket: EmitTarget;
  readonly #flags: Flags;

  constructor(socket: EmitTarget, flags: Flags) {
    this.#socket = socket;
    this.#flags = flags;
  }

  /** As Socket.emit(). */
  emit<Event extends EventNames<EmitEvents>>(
    event: Event,
    ...args: EventArguments<EmitEvents, Event>
  ): this {
    this.#socket.emitWith(event, args, this.#flags);
    return this;
  }

  /** As Socket.emitWithAck(). */
  emitWithAck<Event extends EventNames<EmitEvents>>(
    event: Event,
    ...args: AllButLast<EventArguments<EmitEvents, Event>>
  ): Promise<AckValue<LastArgument<EventArguments<EmitEvents, Event>>>> {
    return this.#socket.ask(event, args, this.#flags);
  }

  /** Sends a "message" event. */
  send(...args: MessageArguments<EmitEvents>): this {
    this.#socket.emitWith("message", args, this.#flags);
    return this;
  }

  /** Drops the event if it cannot be sent now. */
  get volatile(): SocketEmitter<EmitEvents> {
    return new SocketEmitter(this.#socket, { ...this.#flags, volatile: true });
  }

  /** For programs of socket.io-client: what is worth compressing is decided by the connection. */
  compress(_compress: boolean): this {
    return this;
  }

  /** Acknowledgements are awaited for so many milliseconds, and callbacks told of an error first. */
  timeout(milliseconds: number): SocketEmitter<WithTimeout<EmitEvents>> {
    checkMilliseconds("the timeout", milliseconds);
    return new SocketEmitter(this.#socket, { ...this.#flags, timeout: milliseconds });
  }
}
