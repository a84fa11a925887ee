// The classes CloseEvent and ErrorEvent, which Node 20 does not have, and event handlers such as `onopen`. WHATWG
// "WebSockets", "The CloseEvent interface", and WHATWG HTML, "Event handlers".

type EventInit = NonNullable<ConstructorParameters<typeof Event>[1]>;

/** The properties of a new CloseEvent. */
export interface CloseEventInit extends EventInit {
  /** Whether both ends sent a close frame. Default: `false`. */
  readonly wasClean?: boolean;
  /** The close code. Default: 0. */
  readonly code?: number;
  /** The close reason. Default: "". */
  readonly reason?: string;
}

/** Emitted as "close" when a WebSocket has ended. WHATWG "WebSockets", "The CloseEvent interface". */
export class CloseEvent extends Event {
  readonly #wasClean: boolean;
  readonly #code: number;
  readonly #reason: string;

  /**
   * Creates an event.
   *
   * @param type the name of the event, such as "close"
   * @param init the properties of the event
   */
  constructor(type: string, init: CloseEventInit = {}) {
    super(type, init);
    const { wasClean = false, code = 0, reason = "" } = init;
    this.#wasClean = Boolean(wasClean);
    // Converts the code to the Web IDL type "unsigned short".
    this.#code = code & 0xffff;
    this.#reason = `${reason}`;
  }

  /** Whether both ends sent a close frame before the connection ended. */
  get wasClean(): boolean {
    return this.#wasClean;
  }

  /** The code in the server's close frame, 1005 if the frame had no code, 1006 if no close frame was received. */
  get code(): number {
    return this.#code;
  }

  /** The reason in the server's close frame, or "" if there is none. */
  get reason(): string {
    return this.#reason;
  }

  /** The name of the interface, "CloseEvent". */
  get [Symbol.toStringTag](): string {
    return "CloseEvent";
  }
}

/** The properties of a new ErrorEvent. */
export interface ErrorEventInit extends EventInit {
  /** The cause. */
  readonly error: Error;
}

/**
 * Emitted as "error" when a WebSocket fails. A "close" event follows. In a browser, the event has no `error` and no
 * `message`.
 */
export class ErrorEvent extends Event {
  /** The cause: the socket's error, or the protocol error of the server. */
  readonly error: Error;

  /**
   * Creates an event.
   *
   * @param type the name of the event, such as "error"
   * @param init the properties of the event
   */
  constructor(type: string, init: ErrorEventInit) {
    super(type, init);
    this.error = init.error;
  }

  /** The message of `error`. */
  get message(): string {
    return this.error.message;
  }
}

/** An event handler: a function, or `null` if there is no handler. WHATWG HTML, "Event handlers". */
export type Handler<E extends Event> = ((event: E) => void) | null;

/**
 * One event handler attribute, such as `onopen`. Setting the attribute adds the handler to the target's listeners. A new
 * handler gets the position of the previous handler among the listeners. Setting the attribute to `null` removes the handler.
 */
export class HandlerSlot<E extends Event> {
  readonly #target: EventTarget;
  readonly #type: string;
  #handler: Handler<E> = null;

  constructor(target: EventTarget, type: string) {
    this.#target = target;
    this.#type = type;
  }

  get(): Handler<E> {
    return this.#handler;
  }

  /**
   * Sets the handler. Web IDL's [LegacyTreatNonObjectAsNull]: a value that is not an object is changed to `null`. An object
   * that is not a function is stored and never called.
   */
  set(handler: Handler<E>): void {
    const isObject = typeof handler === "function" || typeof handler === "object";
    this.#handler = isObject ? handler : null;
    if (this.#handler === null) this.#target.removeEventListener(this.#type, this.#listener);
    // A listener that was added before keeps its place: addEventListener() ignores it.
    else this.#target.addEventListener(this.#type, this.#listener);
  }

  readonly #listener = (event: Event): unknown => {
    const handler: unknown = this.#handler;
    return typeof handler === "function"
      ? Reflect.apply(handler, this.#target, [event])
      : undefined;
  };
}
