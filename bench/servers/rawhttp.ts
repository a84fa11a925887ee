// Shows the lowest cost that a server on node:http can reach. This server answers each GET of a session with the body of
// the session's next POST, and does not parse either of them. It accepts each upgrade, and answers everything that it
// then receives as if it were a CONNECT packet.

import { createServer, type ServerResponse } from "node:http";

import { frame } from "../../tests/support/frame.ts";
import { serveBench } from "./control.ts";
import { CONNECT_PACKET, OPEN_PACKET, switching } from "./session.ts";

let lastId = 0;
const polls = new Map<string, ServerResponse>();
const waiting = new Map<string, string>();

function answer(response: ServerResponse, body: string): void {
  response.writeHead(200, { "Content-Type": "text/plain", "Content-Length": body.length });
  response.end(body);
}

const http = createServer((request, response) => {
  const sid = /&sid=(.*)/.exec(request.url ?? "")?.[1];
  if (sid === undefined) {
    answer(response, OPEN_PACKET.replace(/"sid":"[^"]*"/, `"sid":"${++lastId}"`));
  } else if (request.method === "GET") {
    const body = waiting.get(sid);
    waiting.delete(sid);
    if (body === undefined) polls.set(sid, response);
    else answer(response, body);
  } else {
    request.on("data", (chunk: Buffer) => {
      const text = chunk.toString();
      const body = text === "40" ? CONNECT_PACKET : text;
      const poll = polls.get(sid);
      polls.delete(sid);
      if (poll === undefined) waiting.set(sid, body);
      else answer(poll, body);
    });
    request.on("end", () => answer(response, "ok"));
  }
});

const OPEN = frame(0x1, OPEN_PACKET).toString("latin1");
const CONNECT = frame(0x1, CONNECT_PACKET);
http.on("upgrade", ({ headers }, socket) => {
  socket.write(switching(headers["sec-websocket-key"]) + OPEN, "latin1");
  socket.on("error", () => {});
  socket.on("data", () => socket.write(CONNECT)).on("end", () => socket.end());
});
serveBench(http);
