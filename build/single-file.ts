// A server's program and all of the package that it uses, minified into one file for Node:
//
//   tsx build/single-file.ts examples/minimal/server.ts server.cjs
//
// What has to be asked for, by an option or a call, and is named nowhere in the program, is left out:
// docs/minimal-deployment.md says what, and which programs are not for this.

import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

import { type BuildOptions, build, type Plugin, transform } from "esbuild";
import { minify } from "terser";

import { withoutUnnamed } from "./methods.ts";

const ROOT = join(import.meta.dirname, "..");

const OPTIONS = {
  absWorkingDir: ROOT,
  outfile: "server.cjs",
  write: false,
  bundle: true,
  platform: "node",
  format: "cjs",
  target: "node20.19",
  minifySyntax: true,
  logLevel: "error",
} as const satisfies BuildOptions;

interface Feature {
  /** The program uses it if one of these is in it. */
  readonly words: RegExp;
  /** The files that only it needs, and what others need of them all the same. */
  readonly files: Readonly<Record<string, readonly string[]>>;
}

const FEATURES: Readonly<Record<string, Feature>> = {
  "the client's files": {
    words: /serveClient: true/,
    files: { "lib/client-files.ts": [] },
  },
  allowEIO3: {
    words: /allowEIO3/,
    files: {
      "protocol/engineio/v3.ts": [],
      "protocol/socketio/v4.ts": [],
      "lib/engineio/v3.ts": [],
      "lib/socketio/v4.ts": [],
    },
  },
  perMessageDeflate: {
    words: /perMessageDeflate/,
    files: {
      "lib/websocket/compressing.ts": [],
      "protocol/websocket/deflate.ts": [],
      "protocol/websocket/extensions.ts": ["parseExtensions"],
    },
  },
  connectionStateRecovery: {
    words: /connectionStateRecovery/,
    files: { "lib/socketio/recovery.ts": ["RECOVERABLE"] },
  },
  "testClient()": {
    words: /testClient/i,
    files: { "lib/socketio/test-client.ts": [], "lib/engineio/memory.ts": [] },
  },
  NamespaceHandler: {
    words: /NamespaceHandler|onNamespace/,
    files: { "lib/socketio/namespace-handler.ts": [] },
  },
  "of() with a pattern or function": {
    words: /\bof\((?!["'`])|ParentNamespace/,
    files: { "lib/socketio/parent-namespace.ts": [] },
  },
  parser: {
    words: /\bparser\b/,
    files: { "lib/socketio/parser.ts": [] },
  },
  "onError() and acknowledging by return": {
    words: /onError|ackReturnValues|\backs\b|NamespaceHandler|onNamespace/,
    files: { "lib/socketio/handling.ts": [] },
  },
  "the engine's use()": {
    words: /\buse\b/,
    files: { "lib/engineio/middleware.ts": [] },
  },
  "run()": { words: /\brun\b/, files: { "lib/run.ts": [] } },
  cors: { words: /cors/, files: { "lib/engineio/cors.ts": [] } },
  cookie: { words: /cookie/, files: { "lib/engineio/cookie.ts": [] } },
};

/** A file in which each export, but for those that are kept, throws when it is used. */
async function without(path: string, kept: readonly string[], feature: string): Promise<string> {
  const options = { ...OPTIONS, format: "esm", metafile: true } as const;
  const { metafile } = await build({ ...options, entryPoints: [path] });
  const names = Object.values(metafile.outputs).flatMap(({ exports }) => exports);
  return [
    'import { leftOut } from "left-out";',
    `const each = /* @__PURE__ */ leftOut(${JSON.stringify(feature)});`,
    ...names.map((name) =>
      kept.includes(name)
        ? `export { ${name} } from ${JSON.stringify(`${path}?kept`)};`
        : `export { each as ${name} };`,
    ),
  ].join("\n");
}

/** What stands in the place of something. It has a "this", lest it be made an arrow: "new" calls none. */
const LEFT_OUT = `
  export const leftOut = (feature) => function () {
    throw new Error("left out: " + feature, { cause: this });
  };
`;

/** Leaves out what the program does not name. */
function leaveOut(program: string): Plugin {
  const left = new Map<string, [kept: readonly string[], feature: string]>();
  for (const [feature, { words, files }] of Object.entries(FEATURES)) {
    if (words.test(program)) continue;
    for (const [file, kept] of Object.entries(files)) left.set(join(ROOT, file), [kept, feature]);
  }
  return {
    name: "leave-out",
    setup: ({ onResolve, onLoad }) => {
      onResolve({ filter: /\?kept$/ }, ({ path }) => ({
        path: path.slice(0, -"?kept".length),
        suffix: "?kept",
      }));
      onResolve({ filter: /^left-out$/ }, ({ path }) => ({ path, namespace: path }));
      onLoad({ filter: /./, namespace: "left-out" }, () => ({ contents: LEFT_OUT }));
      onLoad({ filter: /\.ts$/ }, async ({ path, suffix }) => {
        const [kept, feature] = left.get(path) ?? [];
        if (kept === undefined || feature === undefined || suffix === "?kept") return undefined;
        const resolveDir = join(path, "..");
        return { contents: await without(path, kept, feature), loader: "js", resolveDir };
      });
    },
  };
}

/** An error names its rule; the sentence about it is in the sources. */
const SENTENCES: Plugin = {
  name: "sentences",
  setup: ({ onLoad }) => {
    onLoad({ filter: /\/protocol\/\w+\/rules\.ts$/ }, ({ path }) => ({
      contents: readFileSync(path, "utf8")
        .replace(/\b(?:section|heading): +"[^"]*", +/g, "")
        .replace(/,? text: "(?:[^"\\]|\\.)*"/g, "")
        // The status code of most.
        .replace(/\bcode: 1002\b/g, "")
        .replace("RULES[rule].code", "RULES[rule].code ?? 1002")
        .replace(/super\(.*\);/, "super(rule);"),
      loader: "ts",
    }));
    // Where a client is told the sentence, only the section goes.
    onLoad({ filter: /\/protocol\/websocket\/handshake\.ts$/ }, ({ path }) => ({
      contents: readFileSync(path, "utf8").replace(/\bsection: +"[^"]*", +/g, ""),
      loader: "ts",
    }));
  },
};

/** Members that only the package's own files know of each other. */
const INTERNAL = (
  "accepted acknowledges addUntyped attachments awaitAck beginUpgrade broadcastWithAck " +
  "closeStatus codec compressed compresses compression congested createAdapter " +
  "createDecoder decodeBinary decodeText deliverTo discard disconnectAll dispatch drained " +
  "endSilentConnections errorHandler expected findNamespace forgetAck giveBack handlers " +
  "heartbeat inflating insert listens mayUpgrade nextAckId notifyOutgoingListeners onAbandon " +
  "onAnswer onBinary onClose onClosed onDrain onGone onJoined onLost onlyOnce onOtherPacket " +
  "onPacket onPing onPingDue onPingTimeout onPong onProbe onRefuse onRequest onSession onText " +
  "onUpgrade onWritable payload persistSession randomFill receive receiveEnd recoverable " +
  "recovers refuseClients registered registrant registrations release removeUntyped " +
  "renewAdapter restoreSession sendBinary sendCompressed sendConnected sendEvent sendFrame " +
  "sendFrames sendMessage sendPacket sendRefused sendText sendToMembers shareListenersOf " +
  "shutDown socketId socketRooms"
).split(" ");

/** What the program has of its own, whatever it imports. */
async function programOf(entry: string): Promise<string> {
  const { metafile } = await build({ ...OPTIONS, entryPoints: [entry], metafile: true });
  return Object.keys(metafile.inputs)
    .filter((path) => !/^(?:server\.ts|(?:lib|protocol)\/)/.test(path))
    .map((path) => readFileSync(join(ROOT, path), "utf8").replace(/^\s*\/\/.*$/gm, ""))
    .join("\n");
}

/** One file for Node, as CommonJS. */
export async function singleFile(entry: string): Promise<string> {
  const program = await programOf(resolve(entry));
  const plugins = [leaveOut(program), SENTENCES];
  const { outputFiles } = await build({ ...OPTIONS, entryPoints: [resolve(entry)], plugins });
  // What only those methods used goes with them, and what only that named.
  let code = outputFiles[0]?.text ?? "";
  for (let size = Number.POSITIVE_INFINITY; code.length < size; ) {
    size = code.length;
    const named = withoutUnnamed(code);
    code = (await transform(named, { minifySyntax: true, treeShaking: true })).code;
  }
  // A string may be the key of a table, as the name of a state is.
  const internal = INTERNAL.filter(
    (name) => !new RegExp(`\\b${name}\\b`).test(program) && !code.includes(`"${name}"`),
  );
  // As a parameter, "undefined" has a name of one letter.
  const minified = await minify(`(undefined => {${code}})();`, {
    toplevel: true,
    ecma: 2020,
    // Two of terser's unsafe options: none of these functions is called by "new" (but for LEFT_OUT,
    // see there), and nobody gives "undefined" another value. Without the first the example has
    // 360 bytes more, without the second 1200.
    compress: {
      passes: 4,
      hoist_funs: true,
      sequences: false,
      unsafe_arrows: true,
      unsafe_undefined: true,
    },
    mangle: { properties: { regex: new RegExp(`^(?:${internal.join("|")})$`) } },
  });
  return minified.code ?? "";
}

const [, script, entry, file] = process.argv;
if (script === import.meta.filename && entry !== undefined && file !== undefined) {
  writeFileSync(file, await singleFile(entry));
  console.log(`${file}: ${statSync(file).size} bytes`);
}
