// The cases for clients, where our side is the server: `barewire conform --client` serves them.

export { CLIENT_CASES } from "./client/cases.ts";
export { serveClientCases } from "./client/serve.ts";
