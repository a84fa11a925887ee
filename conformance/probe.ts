// Checks before the cases run whether a server listens, and which layers it speaks.

import type { Layer } from "./harness/case.ts";
import { Context } from "./harness/context.ts";
import { addressOf, type Target } from "./harness/target.ts";
import { describeStatus } from "./peers/http.ts";
import { dial } from "./peers/tcp.ts";
import { shakeHands, TEXT } from "./peers/websocket.ts";

/** Thrown if there is no server to test. The message is a sentence for people. */
export class NoServer extends Error {
  override readonly name = "NoServer";
}

/** How a server responds to the handshake of a layer. */
export type Finding =
  | { readonly kind: "spoken" }
  /**
   * "refused": an HTTP response that does not accept the handshake. "silent": no response. "ended": the server closed
   * the connection. "foreign": a response that is not HTTP. `said` is a clause that describes the response.
   */
  | { readonly kind: "refused" | "silent" | "ended" | "foreign"; readonly said: string };

const SPOKEN: Finding = { kind: "spoken" };

/**
 * How long to wait for the responses of the other layers after the first response, in milliseconds. The first response
 * has shown that the server is not slow.
 */
export const GRACE = 1000;

/**
 * Returns how the server responds to each layer.
 *
 * @param timeout milliseconds for the first response
 * @param grace milliseconds for the other responses after the first
 * @throws NoServer if the server answers none of the handshakes in HTTP
 */
export async function probe(
  target: Target,
  layers: readonly Layer[],
  timeout: number,
  grace = timeout,
): Promise<Map<Layer, Finding>> {
  await reach(target, timeout);
  const patience = new Patience(timeout, grace);
  const findings = await Promise.all(
    layers.map(async (layer) => [layer, await probeLayer(target, layer, patience)] as const),
  );
  patience.end();
  if (findings.some(([, { kind }]) => kind === "spoken" || kind === "refused")) {
    return new Map(findings);
  }
  const kinds = findings.map(([, { kind }]) => kind);
  if (kinds.includes("foreign")) {
    throw new NoServer(`The server at ${addressOf(target)} answers, but does not speak HTTP.`);
  }
  if (!kinds.includes("ended")) {
    throw new NoServer(
      `Something listens at ${addressOf(target)}, but it has not answered an HTTP request within ${timeout} ms.`,
    );
  }
  const speaksTls =
    !target.secure && (await connectionError({ ...target, secure: true }, timeout)) === undefined;
  throw new NoServer(
    speaksTls
      ? `The server at ${addressOf(target)} speaks TLS: use https:// in the URL.`
      : `The server at ${addressOf(target)} closes the connection without an HTTP response.`,
  );
}

/** @throws NoServer if the connection fails, in TCP or TLS */
async function reach(target: Target, timeout: number): Promise<void> {
  const { host } = target;
  const where = addressOf(target);
  const error = await connectionError({ ...target, secure: false }, timeout);
  switch (error) {
    case undefined:
      break;
    case "ECONNREFUSED":
      throw new NoServer(`Nothing listens at ${where}: the connection was refused.`);
    case "ENOTFOUND":
    case "EAI_AGAIN":
      throw new NoServer(`There is no host with the name "${host}".`);
    default:
      throw new NoServer(`The kit cannot connect to ${where}: ${error}.`);
  }
  if (!target.secure) return;
  const refusal = await connectionError(target, timeout);
  if (refusal === undefined) return;
  throw new NoServer(
    `Something listens at ${where}, but it does not speak TLS (${refusal}): use http:// if the port is not a TLS port.`,
  );
}

/** Resolves to the code of the error with which a connection fails, or to `undefined` if it succeeds. */
function connectionError(target: Target, timeout: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = dial(target, () => settle(undefined));
    const settle = (result: string | undefined): void => {
      clearTimeout(timer);
      resolve(result);
      socket.destroy();
    };
    const timer = setTimeout(() => settle(`no answer within ${timeout} ms`), timeout);
    socket.on("error", (error) => settle(codeOf(error)));
    socket.on("end", () => settle("the server closed the connection"));
  });
}

function codeOf(error: Error): string {
  return "code" in error && typeof error.code === "string" ? error.code : error.message;
}

/** How long a server may take to respond. After the first response, the limit is shorter. */
export class Patience {
  /** Resolves when the limit has passed. The value is the limit in milliseconds. */
  readonly over: Promise<number>;
  readonly #grace: number;
  readonly #begin = performance.now();
  #resolve: (milliseconds: number) => void = () => {};
  #timer: NodeJS.Timeout | undefined;
  #limit = Number.POSITIVE_INFINITY;

  /**
   * @param milliseconds the limit for the first response
   * @param grace milliseconds for the other responses after the first
   */
  constructor(milliseconds: number, grace = milliseconds) {
    this.#grace = grace;
    this.over = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#wait(milliseconds);
  }

  answered(): void {
    this.#wait(Math.round(performance.now() - this.#begin) + this.#grace);
  }

  end(): void {
    clearTimeout(this.#timer);
  }

  /** Sets the limit, in milliseconds since the start, unless an earlier limit is set. */
  #wait(milliseconds: number): void {
    if (milliseconds >= this.#limit) return;
    this.#limit = milliseconds;
    clearTimeout(this.#timer);
    const left = milliseconds - (performance.now() - this.#begin);
    this.#timer = setTimeout(() => this.#resolve(milliseconds), Math.max(0, left));
  }
}

/** Probes one layer. Never rejects. */
export async function probeLayer(
  target: Target,
  layer: Layer,
  patience: Patience,
): Promise<Finding> {
  const context = new Context(target);
  // A layer may be probed with two requests: over polling, and then over WebSocket. If only the first request is
  // answered, its response is reported, because it says more than the missing second response.
  let first: Finding | undefined;
  const tell = (answer: Finding): void => {
    first = answer;
    patience.answered();
  };
  const late = patience.over.then((milliseconds): Finding => {
    const said = `a request for ${pathOf(target, layer)} was not answered within ${milliseconds} ms`;
    return first ?? { kind: "silent", said };
  });
  const asked = ask(context, layer, tell).catch((error: unknown): Finding => {
    const code = error instanceof Error ? codeOf(error) : "";
    // Codes that begin with HPE_ are errors of the HTTP parser.
    return code.startsWith("HPE_")
      ? { kind: "foreign", said: `the response at ${pathOf(target, layer)} is not HTTP` }
      : {
          kind: "ended",
          said: `the server closes the connection at ${pathOf(target, layer)} without a response`,
        };
  });
  const finding = await Promise.race([asked, late]);
  if (finding.kind !== "silent") patience.answered();
  context.close();
  return finding;
}

/** Returns the path of a layer. */
export function pathOf(target: Target, layer: Layer): string {
  switch (layer) {
    case "websocket":
      return target.websocketPath;
    case "engineio4":
    case "engineio3":
      return target.engineioPath;
    case "socketio":
      return target.socketioPath;
  }
}

type Tell = (answer: Finding) => void;

async function ask(context: Context, layer: Layer, tell: Tell): Promise<Finding> {
  const { websocketPath, engineioPath, socketioPath } = context.target;
  switch (layer) {
    case "websocket":
      return askForWebSocket(context, websocketPath);
    case "engineio4":
      return askForEngine(context, `${engineioPath}?EIO=4`, /^0\{/, tell);
    case "engineio3":
      return askForEngine(context, `${engineioPath}?EIO=3`, /^\d+:0\{/, tell);
    case "socketio":
      return askForEngine(context, `${socketioPath}?EIO=4`, /^0\{/, tell);
  }
}

async function askForWebSocket(context: Context, path: string): Promise<Finding> {
  const { target, conversation } = context;
  const { status, line } = await shakeHands(await context.tcp(), target, conversation, { path });
  if (status === 101) return SPOKEN;
  if (!line.startsWith("HTTP/")) return { kind: "foreign", said: "the response is not HTTP" };
  return {
    kind: "refused",
    said: `${path} answers a WebSocket handshake with ${describeStatus(line)}`,
  };
}

/** Probes polling, and then WebSocket if polling has failed, because a server may support only WebSocket. */
async function askForEngine(
  context: Context,
  path: string,
  open: RegExp,
  tell: Tell,
): Promise<Finding> {
  const polling = `${path}&transport=polling`;
  const answer = await context.http({ path: `${polling}&b64=1` });
  if (answer.status === 200 && open.test(answer.body)) return SPOKEN;
  const instead =
    answer.status === 200 ? "a response that is not an open packet" : `status ${answer.status}`;
  const refused: Finding = { kind: "refused", said: `${polling} answers with ${instead}` };
  tell(refused);
  return (await opensByWebSocket(context, `${path}&transport=websocket`)) ? SPOKEN : refused;
}

async function opensByWebSocket(context: Context, path: string): Promise<boolean> {
  try {
    const frame = await (await context.websocket({ path })).next();
    return frame?.opcode === TEXT && Buffer.from(frame.payload).toString().startsWith("0{");
  } catch {
    return false;
  }
}
