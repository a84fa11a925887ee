// Before the cases: does anything listen there, and which layers does it speak?

import type { Layer } from "./kit/case.ts";
import { Context } from "./kit/context.ts";
import { addressOf, type Target } from "./kit/target.ts";
import { dial } from "./kit/tcp.ts";
import { shakeHands, TEXT } from "./kit/websocket.ts";

/** There is no server to test. Its message is a sentence for people. */
export class NoServer extends Error {
  override readonly name = "NoServer";
}

/** What a server does when it is asked for a layer. */
export type Finding =
  | { readonly kind: "spoken" }
  /** An answer in HTTP that is another. */
  | { readonly kind: "refused"; readonly said: string }
  /** Nothing, the end of the connection, or what is no HTTP. */
  | { readonly kind: "silent" | "ended" | "foreign" };

const SPOKEN: Finding = { kind: "spoken" };
const SILENT: Finding = { kind: "silent" };

/**
 * What the server says to each layer.
 *
 * @throws NoServer where none of them is answered in HTTP
 */
export async function probe(
  target: Target,
  layers: readonly Layer[],
  timeout: number,
): Promise<Map<Layer, Finding>> {
  await reach(target, timeout);
  const findings = await Promise.all(
    layers.map(async (layer) => [layer, await probeLayer(target, layer, timeout)] as const),
  );
  if (findings.some(([, { kind }]) => kind === "spoken" || kind === "refused")) {
    return new Map(findings);
  }
  const kinds = findings.map(([, { kind }]) => kind);
  if (kinds.includes("foreign")) {
    throw new NoServer(`What listens at ${addressOf(target)} answers, but not in HTTP.`);
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
      ? `What listens at ${addressOf(target)} speaks TLS: use https:// in its place.`
      : `What listens at ${addressOf(target)} ends the connection without an answer in HTTP.`,
  );
}

/** @throws NoServer where no connection comes about, in TCP or TLS */
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
      throw new NoServer(`There is no host of the name "${host}".`);
    default:
      throw new NoServer(`No connection to ${where} can be made: ${error}.`);
  }
  if (!target.secure) return;
  const refusal = await connectionError(target, timeout);
  if (refusal === undefined) return;
  throw new NoServer(
    `Something listens at ${where}, but it does not speak TLS (${refusal}): use http:// if it is a plain port.`,
  );
}

/** The code of the error with which a connection fails, or `undefined` when it comes about. */
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
    socket.on("end", () => settle("the connection was ended"));
  });
}

function codeOf(error: Error): string {
  return "code" in error && typeof error.code === "string" ? error.code : error.message;
}

/** Asks for one layer. Never rejects. */
export async function probeLayer(target: Target, layer: Layer, timeout: number): Promise<Finding> {
  const context = new Context(target);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Finding>((resolve) => {
    timer = setTimeout(() => resolve(SILENT), timeout);
  });
  const asked = ask(context, layer).catch((error: unknown): Finding => {
    const code = error instanceof Error ? codeOf(error) : "";
    // The HTTP parser's errors.
    return { kind: code.startsWith("HPE_") ? "foreign" : "ended" };
  });
  const finding = await Promise.race([asked, late]);
  clearTimeout(timer);
  context.close();
  return finding;
}

async function ask(context: Context, layer: Layer): Promise<Finding> {
  const { websocketPath, engineioPath, socketioPath } = context.target;
  switch (layer) {
    case "websocket":
      return askForWebSocket(context, websocketPath);
    case "engineio4":
      return askForEngine(context, `${engineioPath}?EIO=4`, /^0\{/);
    case "engineio3":
      return askForEngine(context, `${engineioPath}?EIO=3`, /^\d+:0\{/);
    case "socketio":
      return askForEngine(context, `${socketioPath}?EIO=4`, /^0\{/);
  }
}

async function askForWebSocket(context: Context, path: string): Promise<Finding> {
  const { target, conversation } = context;
  const { status } = await shakeHands(await context.tcp(), target, conversation, { path });
  if (status === 101) return SPOKEN;
  if (Number.isNaN(status)) return { kind: "foreign" };
  return { kind: "refused", said: `${path} answers a WebSocket handshake with ${status}` };
}

/** By polling first; a server may have WebSocket alone. */
async function askForEngine(context: Context, path: string, open: RegExp): Promise<Finding> {
  const polling = `${path}&transport=polling`;
  const answer = await context.http({ path: `${polling}&b64=1` });
  if (answer.status === 200 && open.test(answer.body)) return SPOKEN;
  if (await opensByWebSocket(context, `${path}&transport=websocket`)) return SPOKEN;
  const instead = answer.status === 200 ? "something else than an open packet" : answer.status;
  return { kind: "refused", said: `${polling} answers ${instead}` };
}

async function opensByWebSocket(context: Context, path: string): Promise<boolean> {
  try {
    const frame = await (await context.websocket({ path })).next();
    return frame?.opcode === TEXT && Buffer.from(frame.payload).toString().startsWith("0{");
  } catch {
    return false;
  }
}

/** Why a layer is left out. */
export function explain(finding: Exclude<Finding, { kind: "spoken" }>, timeout: number): string {
  switch (finding.kind) {
    case "refused":
      return finding.said;
    case "silent":
      return `it is not answered within ${timeout} ms`;
    case "ended":
      return "the connection is ended without an answer";
    case "foreign":
      return "the answer is no HTTP";
  }
}
