// The events of a WebSocket that Node does not have, and event handlers such as `onopen`. WHATWG
// "WebSockets", "The CloseEvent interface"; WHATWG HTML, "Event handlers".

type EventInit = NonNullable<ConstructorParameters<typeof Event>[1]>;

/** What a CloseEvent is constructed with; all of it may be left out. */
export interface CloseEventInit extends EventInit {
  readonly wasClean?: boolean;
  readonly code?: number;
  readonly reason?: string;
}

/** The end of a WebSocket. */
export class CloseEvent extends Event {
  readonly #wasClean: boolean;
  readonly #code: number;
  readonly #reason: string;

  constructor(type: string, init: CloseEventInit = {}) {
    super(type, init);
    const { wasClean = false, code = 0, reason = "" } = init;
    this.#wasClean = Boolean(wasClean);
    // Web IDL's "unsigned short".
    this.#code = code & 0xffff;
    this.#reason = `${reason}`;
  }

  /** Whether both ends sent a close frame before the connection ended. */
  get wasClean(): boolean {
    return this.#wasClean;
  }

  /** The code in the server's close frame; 1005 if it held none, 1006 if no close frame came. */
  get code(): number {
    return this.#code;
  }

  /** The reason in the server's close frame, or "". */
  get reason(): string {
    return this.#reason;
  }

  get [Symbol.toStringTag](): string {
    return "CloseEvent";
  }
}

/** What an ErrorEvent is constructed with. */
export interface ErrorEventInit extends EventInit {
  readonly error: Error;
}

/** Why a WebSocket failed. Its "close" follows. Browsers tell a page no reason: there it is a bare Event. */
export class ErrorEvent extends Event {
  readonly error: Error;

  constructor(type: string, init: ErrorEventInit) {
    super(type, init);
    this.error = init.error;
  }

  get message(): string {
    return this.error.message;
  }
}

/** A function, or `null` for none. */
export type Handler<E extends Event> = ((event: E) => void) | null;

/**
 * One event handler attribute, such as `onopen`. The handler is called among the target's listeners, at the place
 * where the attribute was first set, and keeps that place until the attribute is set to `null`.
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

  /** Web IDL's [LegacyTreatNonObjectAsNull]: what is not an object is `null`, and an object that cannot be called is kept and never called. */
  set(handler: Handler<E>): void {
    const isObject = typeof handler === "function" || typeof handler === "object";
    const had = this.#handler !== null;
    this.#handler = isObject ? handler : null;
    if (this.#handler === null) this.#target.removeEventListener(this.#type, this.#listener);
    else if (!had) this.#target.addEventListener(this.#type, this.#listener);
  }

  readonly #listener = (event: Event): unknown => {
    const handler: unknown = this.#handler;
    return typeof handler === "function"
      ? Reflect.apply(handler, this.#target, [event])
      : undefined;
  };
}
