// Sample results of a run of `barewire conform`, with the texts that are most likely to break a report.

import type { Result } from "../../conformance/harness/runner.ts";
import type { Report } from "../../conformance/reports/report.ts";

/** A text of a hostile server: markup, the ends of CDATA and of scripts, TAP directives, control characters. */
export const HOSTILE = `<img src=x onerror=alert(1)> ]]> </script> & " ' # TODO \\ \x1b[2J\r\n\u0000 \u202e \ud800`;

export function result(id: string, more: Partial<Result> = {}): Result {
  const layer = (["websocket", "engineio4", "engineio3", "socketio"] as const).find((each) =>
    id.startsWith(each),
  );
  return {
    id,
    layer: layer ?? "websocket",
    title: `does what ${id} is about`,
    clause: "RFC 6455 §5.2",
    severity: "MUST",
    sends: "a text frame",
    expects: "the same",
    outcome: "passed",
    milliseconds: 12,
    conversation: [
      {
        at: 1,
        direction: "sent",
        bytes: Buffer.from("GET /websocket HTTP/1.1\r\n\r\n"),
        length: 27,
        meaning: "GET /websocket HTTP/1.1 ⏎ Host: 127.0.0.1",
      },
      {
        at: 2,
        direction: "received",
        bytes: Buffer.alloc(256, 0x81),
        length: 70_000,
        meaning: "text frame, fin",
      },
      {
        at: 3,
        direction: "note",
        bytes: new Uint8Array(0),
        length: 0,
        meaning: "the connection has ended",
      },
    ],
    ...more,
  };
}

const failure = { outcome: "failed", expected: `"hello"`, got: HOSTILE } as const;

export const RESULTS: readonly Result[] = [
  result("websocket.framing.good"),
  result("websocket.framing.hostile", {
    ...failure,
    title: `is safe from ${HOSTILE}`,
    conversation: [
      { at: 1, direction: "received", bytes: Buffer.from("<>"), length: 2, meaning: HOSTILE },
    ],
  }),
  result("websocket.deflate.optional", {
    outcome: "skipped",
    reason: "no # compression",
    conversation: [],
  }),
  result(`engineio4.polling.${"long-name-".repeat(12)}`, {
    clause: "Engine.IO v4, HTTP long-polling",
  }),
  result("engineio4.polling.lesser", { ...failure, severity: "SHOULD" }),
  result("socketio.events.good", { severity: "INFO" }),
];

export const REPORT: Report = {
  target: "http://127.0.0.1:3000",
  date: "2026-01-02T03:04:05.678Z",
  versions: "barewire 1.2.3, Node 20.19.0, linux",
  milliseconds: 41_234,
  notes: ["engineio3 is not tested: it answers 400."],
  gone: undefined,
  strict: false,
  results: RESULTS,
};

/** A report with as many results as a complete run. */
export const MANY: Report = {
  ...REPORT,
  results: Array.from({ length: 500 }, (_each, index) => {
    const layer = ["websocket", "engineio4", "engineio3", "socketio"][index % 4];
    const id = `${layer}.group-${index % 12}.case-${index}`;
    return result(id, index % 25 === 0 ? failure : {});
  }),
};
