// Decides whether a new client may connect, and generates the id of its session. The program can supply a function for the
// decision, and a function that generates the id.

import type { IncomingMessage } from "node:http";

import { type Refusal, refuse } from "../../protocol/engineio/handshake.ts";
import { askProgram } from "./ask-program.ts";
import type { AllowRequest } from "./options.ts";

/** The decision about a new client. */
export type Permission = { readonly kind: "granted"; readonly id: string } | Refusal;

/** The engine that a new client connects to. */
export interface PermissionHost {
  /** Whether the engine accepts no more clients. */
  isClosed(): boolean;
  readonly allowRequest: AllowRequest | undefined;
  generateId(request: IncomingMessage): string | Promise<string>;
}

/** The arguments of the callback of `allowRequest`. */
interface Verdict {
  readonly message: string | null | undefined;
  readonly allowed: boolean;
}

/** Calls `allowRequest` and then generateId(). Calls `callback` once, synchronously or asynchronously. */
export function askPermission(
  host: PermissionHost,
  request: IncomingMessage,
  callback: (permission: Permission) => void,
): void {
  const { allowRequest } = host;
  if (host.isClosed()) {
    callback(serverClosed());
  } else if (allowRequest === undefined) {
    askForId(host, request, callback);
  } else {
    askProgram<Verdict>(
      (answer) =>
        allowRequest(request, (message, allowed) => answer(undefined, { message, allowed })),
      (error, verdict) => {
        if (host.isClosed()) callback(serverClosed());
        else if (error !== undefined) callback(forbidden({ name: "ALLOW_REQUEST_FAILURE", error }));
        else if (verdict?.allowed) askForId(host, request, callback);
        else callback(refusalOf(verdict?.message));
      },
    );
  }
}

function askForId(
  host: PermissionHost,
  request: IncomingMessage,
  callback: (permission: Permission) => void,
): void {
  const grant = (id: string): void => {
    // The engine may have been closed in the meantime.
    callback(host.isClosed() ? serverClosed() : { kind: "granted", id });
  };
  const fail = (error: unknown): void =>
    callback(refuse("BAD_REQUEST", { name: "ID_GENERATION_ERROR", error }));
  try {
    const id = host.generateId(request);
    if (typeof id === "string") grant(id);
    else id.then(grant).catch(fail);
  } catch (error) {
    fail(error);
  }
}

function forbidden(context: Refusal["context"], message?: string): Refusal {
  return refuse("FORBIDDEN", context, message);
}

function serverClosed(): Refusal {
  return forbidden({ name: "SERVER_CLOSED" });
}

/** Returns the refusal for the reason that `allowRequest` has passed to its callback: a string, or an error with a message. */
function refusalOf(reason: unknown): Refusal {
  const text = reason instanceof Error ? reason.message : reason;
  const message = typeof text === "string" ? text : undefined;
  return forbidden({ message }, message || undefined);
}
