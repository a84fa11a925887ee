// Creates the adapter of a namespace from the option `adapter`: a class or a function, written for
// this package or for socket.io.

import { ArgumentTypeError } from "../events/errors.ts";
import type { NodeEmitter } from "../events/node-emitter.ts";
import { isObject } from "../events/options.ts";
import { Adapter, type AdapterEvents, type AdapterHost } from "./adapter.ts";
import {
  STOCK_METHODS,
  StockAdapter,
  type StockAdapterLike,
  StockNamespace,
} from "./stock-adapter.ts";

/**
 * The option `adapter`: an adapter class, or a function that returns an adapter for a namespace.
 * Adapters written for socket.io work, too.
 */
export type AdapterFactory =
  | (new (
      nsp: AdapterHost,
    ) => Adapter | StockAdapterLike)
  | ((nsp: AdapterHost) => Adapter | StockAdapterLike);

/**
 * The methods that an adapter of this package must have besides those of an adapter for socket.io.
 */
const FURTHER: Readonly<
  Record<
    Exclude<
      keyof Adapter,
      | keyof NodeEmitter<AdapterEvents>
      | keyof StockAdapterLike
      | "ackTimeout"
      | "hasMembers"
      | "members"
      | "nsp"
      | "offset"
    >,
    true
  >
> = { emitTo: true, endRecovery: true, sockets: true };

const OWN_METHODS = [...STOCK_METHODS, ...Object.keys(FURTHER)];

/**
 * Creates the adapter of a namespace.
 *
 * @throws ArgumentTypeError if the result is neither an adapter of this package nor one for
 * socket.io
 */
export function createAdapter(factory: AdapterFactory, nsp: AdapterHost): Adapter {
  const made = isOwnClass(factory) ? new factory(nsp) : make(factory, new StockNamespace(nsp));
  if (isOwn(made)) return made;
  const methods = made instanceof Adapter ? OWN_METHODS : STOCK_METHODS;
  const missing = methods.find((name) => !hasMethod(made, name));
  if (missing === undefined) return new StockAdapter(nsp, made);
  // The rejected adapter may have opened connections. An error from closing them would hide the
  // error below.
  if (hasMethod(made, "close"))
    Promise.resolve()
      .then(() => made.close())
      .catch(() => {});
  throw new ArgumentTypeError(
    `the adapter has no method ${missing}(): it must extend Adapter of this package or of socket.io-adapter`,
  );
}

function make(factory: AdapterFactory, nsp: AdapterHost): Adapter | StockAdapterLike {
  return isClass(factory) ? new factory(nsp) : factory(nsp);
}

// Checks the methods and not the class, because another copy of this package has other classes.
function isOwn(made: Adapter | StockAdapterLike): made is Adapter {
  return OWN_METHODS.every((name) => hasMethod(made, name));
}

function isOwnClass(factory: AdapterFactory): factory is new (nsp: AdapterHost) => Adapter {
  return factory === Adapter || factory.prototype instanceof Adapter;
}

function hasMethod(value: unknown, name: string): boolean {
  return isObject(value) && typeof Reflect.get(value, name) === "function";
}

// A function with a prototype is called with `new`, which also works for a function that returns an
// adapter. Arrow functions have no prototype.
function isClass(
  factory: AdapterFactory,
): factory is new (
  nsp: AdapterHost,
) => Adapter | StockAdapterLike {
  return factory.prototype !== undefined;
}
